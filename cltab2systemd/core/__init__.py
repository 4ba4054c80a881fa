"""The core of the daemon: it follows the units of all groups, and moves them. Runs without a machine as well."""
