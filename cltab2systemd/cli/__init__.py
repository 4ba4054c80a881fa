"""The commands: argument parsing, printing and exit codes; nothing else."""
