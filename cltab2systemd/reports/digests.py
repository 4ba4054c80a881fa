"""Digests, by which one sees whether two nodes have the same. Pure.

A digest is the first 16 hexadecimal digits of the SHA-256 of bytes: short enough to be read, and long enough to tell
apart what people write. It keeps no secret, and is no proof against somebody who wants two tables to look the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from cltab2systemd.table.model import ResourceGroup

_DIGITS = 16


def digest(content: bytes) -> str:
    """The digest of bytes."""
    import hashlib  # noqa: PLC0415 - slow to import, and a daemon that nobody asks needs none

    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def lines_digest(group: ResourceGroup) -> str | None:
    """The digest of a group's lines, each with a newline; None if it has no entries.

    Comments, spaces around the lines, and other groups are not in it, for they are not in `ResourceGroup.lines`.
    """
    return digest(encoded("".join(f"{line}\n" for line in group.lines))) if group.entries else None
