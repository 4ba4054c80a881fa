"""The table: its grammar, what it may say, and findings about it. Pure."""
