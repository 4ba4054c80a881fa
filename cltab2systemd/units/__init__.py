"""What a group is to systemd: unit names, plans, and the text of unit files."""
