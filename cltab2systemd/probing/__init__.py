"""Whether a program answers: the fixed probes of a table, and the commands that ask in their place."""
