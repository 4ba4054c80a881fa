"""What files say that tell of entries and groups: of each the beginning, so that nothing is waited for without end."""

from __future__ import annotations

import os

LONGEST = 65536
"""Bytes of a file that count, if nothing else is said."""


def beginning(path: str | bytes, limit: int = LONGEST, *, flags: int = 0) -> bytes:
    """The beginning of a file. OSError if it cannot be read. A FIFO in its place is not waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | flags)
    try:
        return os.read(descriptor, limit)
    finally:
        os.close(descriptor)


def beginning_if_there(path: str, limit: int = LONGEST) -> bytes:
    """The beginning of a file; nothing if it cannot be read, or is a link: others than root may have put it there."""
    try:
        return beginning(path, limit, flags=os.O_NOFOLLOW)
    except OSError:
        return b""
