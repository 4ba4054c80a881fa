"""What an entry says that ends too fast and pauses: its shell writes it, and readers of its lines know it by that.

Pure, and light: imports nothing.
"""

PAUSES = "respawning too rapidly: sleeping 60 seconds"
"""What it says behind its tag, as the ancestor's daemon does."""
