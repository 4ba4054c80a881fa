"""What the commands say of a table and of groups, as data and text. Pure."""
