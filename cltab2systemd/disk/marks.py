"""Marks on disk, which tell the next daemon what this one was about to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.text import decoded, encoded, escape
from cltab2systemd.units.names import unescape

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cltab2systemd.disk.files import Disk


class _Directory:
    """A directory of marks."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        self._directory = directory
        self._disk = disk

    def open(self) -> None:
        """Make the directory if need be."""
        self._disk.make_directory(self._directory)


class Marks(_Directory):
    """A set of names on disk, which the next daemon finds: files without content in a directory, one for each name.

    The names are those of units, or groups as they stand in these.

    OSError from all methods, if the disk is full, say.
    """

    def __contains__(self, name: str) -> bool:
        """Whether one is marked."""
        return self._disk.exists(self._directory / name)

    def add(self, units: Iterable[str]) -> None:
        """Mark units."""
        for unit in sorted(units):
            self._disk.touch(self._directory / unit)

    def discard(self, units: Iterable[str]) -> None:
        """Take the marks of units away, if they have any."""
        for unit in sorted(units):
            self._disk.remove(self._directory / unit)

    def all(self) -> frozenset[str]:
        """The marked units, perhaps by an earlier daemon."""
        return frozenset(self._disk.names(self._directory))


class UnitNotes(_Directory):
    """A short text for each of some units, which the next daemon finds: a file for each.

    OSError from all methods, if the disk is full, say.
    """

    def path(self, unit: str) -> Path:
        """The file of a unit."""
        return self._directory / unit

    def write(self, unit: str, text: str) -> None:
        """Write the text of a unit; a reader finds all of it, or the one before."""
        self._disk.write(self._directory / unit, encoded(text))

    def discard(self, unit: str) -> None:
        """Take the text of a unit away, if it has one."""
        self._disk.remove(self._directory / unit)

    def all(self) -> dict[str, str]:
        """The units that have a text, perhaps by an earlier daemon, and that."""
        names = (name for name in sorted(self._disk.names(self._directory)) if not name.startswith("."))
        return {name: decoded(self._disk.content(self._directory / name) or b"") for name in names}


class Destinations(_Directory):
    """The levels that groups are to go to: a file for each group that is between its first stop and its start.

    OSError from all methods, if the disk is full, say.
    """

    def mark(self, group: str, level: str) -> None:
        """A group is about to be emptied on its way to a level; until `forget` it has not been started there."""
        path = self._directory / escape(group)
        if self._disk.content(path) != encoded(level):  # a full disk keeps nobody from going on with what is noted
            self._disk.write(path, encoded(level))

    def forget(self, group: str) -> None:
        """The group is on its way, whatever happens to us."""
        path = self._directory / escape(group)
        if self._disk.exists(path):  # on a read-only file system it could not be removed if it is not there, either
            self._disk.remove(path)

    def all(self) -> dict[str, str]:
        """The groups that an earlier daemon emptied and did not start again, and the level that each was to go to."""
        return {
            unescape(file): decoded(self._disk.read(self._directory / file))
            for file in sorted(self._disk.names(self._directory))
            if not file.startswith(".")
        }
