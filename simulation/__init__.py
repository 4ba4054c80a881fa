"""The daemon's core without a machine: a deterministic stand-in for systemd and the disk, driven by one seed."""
