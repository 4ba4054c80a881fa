"""Notices: files that say what has happened, each for one unit that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.disk.files import numbers_among
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from pathlib import Path

    from cltab2systemd.disk.files import Disk

# Files that are kept. A unit may be slow to start, and when a machine goes wrong, much may be told at once.
_MOST = 1000


class NoticeFiles:
    """The files of an instance, in a directory that is made when it is needed. They are numbered from 1 on.

    OSError from all methods, if the disk is full, say.
    """

    def __init__(self, directory: Path, disk: Disk) -> None:
        self._directory = directory
        self._disk = disk
        self._last: int | None = None

    def write(self, text: str) -> int:
        """Write a notice, for root to read; returns its number. The oldest ones go."""
        self._disk.make_directory(self._directory)
        if self._last is None:
            self._last = max(self._numbers(), default=0)
        number = self._last + 1
        self._disk.write(self._directory / str(number), encoded(text), mode=0o600)
        self._last = number
        for old in self._numbers():
            if old <= number - _MOST:
                self._disk.remove(self._directory / str(old))
        return number

    def _numbers(self) -> list[int]:
        return numbers_among(self._disk.names(self._directory))
