"""The control daemon: it follows the units of all groups, and moves one group at a time."""
