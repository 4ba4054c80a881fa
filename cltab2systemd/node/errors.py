"""The one exception of nodes."""


class NodeError(Exception):
    """A node could not be booted, reached or ended; the message says why and what to do about it."""
