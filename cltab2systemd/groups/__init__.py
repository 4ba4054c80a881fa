"""How a group is and what a request does to it, from what systemd says of its units. Pure."""
