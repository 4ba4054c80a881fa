"""What is wrong with a table, or probably wrong, and what this machine has to say about it."""
