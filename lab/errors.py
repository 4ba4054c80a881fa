"""The one exception of the lab."""


class LabError(Exception):
    """A node could not be booted, reached or ended; the message says why and what to do about it."""
