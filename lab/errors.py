"""The lab's exception."""

from cltab2systemd.node.errors import NodeError


class LabError(NodeError):
    """What the lab needs could not be made; the message says why and what to do about it."""
