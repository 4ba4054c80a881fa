"""Files that a rollback has moved out of the way, or written over.

Each is `FILE.before-rollback.N`; a later one has a greater number.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from cltab2systemd.disk.files import numbers, sync_directory
from cltab2systemd.text import encoded

# What stands behind the name of a fragment makes it none.
_MARK = ".before-rollback."
# How many of a file are kept.
MOST_ASIDE = 10
# Bytes: NAME_MAX of Linux.
_LONGEST_NAME = 255


def place_aside(path: str) -> str:
    """Where a file would be moved to; nothing is there. OSError if that name is too long, or /etc cannot be read."""
    there = _numbers(path)
    aside = f"{path}{_MARK}{there[-1] + 1 if there else 1}"
    if len(encoded(Path(aside).name)) > _LONGEST_NAME:
        raise OSError(errno.ENAMETOOLONG, "its name is too long to be moved aside", path)
    return aside


def move_aside(path: str) -> str:
    """Move a file aside; where to. The oldest of that file go, if there are too many. OSError if that fails."""
    aside = place_aside(path)
    os.rename(path, aside)  # noqa: PTH104
    _forget(path)
    return aside


def link_aside(path: str) -> str:
    """The same, but the file stays in its place as well, until another one is renamed to it."""
    aside = place_aside(path)
    os.link(path, aside, follow_symlinks=False)
    _forget(path)
    return aside


def _forget(path: str) -> None:
    for number in _numbers(path)[:-MOST_ASIDE]:
        with suppress(OSError):  # somebody has put something else there, or is faster
            Path(f"{path}{_MARK}{number}").unlink()
    sync_directory(Path(path).parent)


def _numbers(path: str) -> list[int]:
    file = Path(path)
    return numbers(file.parent, file.name + _MARK)
