"""Other programs' tables into ours. Pure."""
