"""Names in the group that an inittab becomes: those that a user gave, and tags that are made of ids. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cltab2systemd.check.loading import load
from cltab2systemd.table.diagnostics import Diagnostic, Severity
from cltab2systemd.terminal import shortened
from cltab2systemd.text import encoded, escape
from cltab2systemd.units.names import LONGEST_UNIT_NAME, Names

if TYPE_CHECKING:
    from collections.abc import Iterable

# The level that entries get from an init that has none: what a full multi-user boot is called elsewhere.
DEFAULT_LEVEL = "3"

# Unit names have to have room for the tags of real inittabs, and a number to tell them apart.
_SHORTEST_ROOM = 32
_UNUSABLE = re.compile(r"[\x00-\x20\x7f]+")


def unusable(group: str, level: str = DEFAULT_LEVEL) -> str:
    """Why names that a user gave cannot be a group's and a level's; empty if they can."""
    if ":" in group:
        return f"':' in group '{shortened(group)}'"
    if not level or "," in level or ":" in level:
        return f"',' or ':' in level '{shortened(level)}'" if level else "empty level"
    parsed, findings = load(encoded(f"{group}:x:{levels_field(level)}:off:x"), group)
    if message := first_error(findings):
        return message
    if [entry.group for entry in parsed.entries] != [group]:
        return f"'{shortened(group)}' would be a comment"
    if _room_for_tags(group) < _SHORTEST_ROOM:
        return f"the group makes unit names too long; systemd takes at most {LONGEST_UNIT_NAME} bytes"
    return ""


class Tags:
    """The tags of one group, each given once."""

    def __init__(self, group: str, identifiers: Iterable[str]) -> None:
        self._room = _room_for_tags(group)
        self._line_of: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        # Tags that are made have to leave the ids alone that come later.
        self._taken = {self._usable(identifier) for identifier in identifiers}

    def of_id(self, identifier: str, number: int) -> tuple[str, int]:
        """The tag of an entry with an id, and the line that had the id first."""
        tag = self._usable(identifier)
        first = self._line_of.setdefault(tag, number)
        return (tag if first == number else self.make(tag)), first

    def make(self, wanted: str) -> str:
        """A tag as near as can be to the one that is wanted."""
        number = self._numbers.get(wanted, 0) + 1
        while (tag := self._fitting(wanted, f"_{number}" if number > 1 else "")) in self._taken:
            number += 1
        self._numbers[wanted] = number
        self._taken.add(tag)
        return tag

    def _usable(self, identifier: str) -> str:
        return self._fitting(_UNUSABLE.sub("_", identifier[: self._room]), "")

    def _fitting(self, wanted: str, suffix: str) -> str:
        """As much of a tag as a unit name has room for."""
        while len(escape(wanted + suffix)) > self._room:
            wanted = wanted[:-1]
        return wanted + suffix


def first_error(findings: Iterable[Diagnostic]) -> str:
    """The message of the first error among findings; empty if there is none."""
    return next((finding.message for finding in findings if finding.severity is Severity.ERROR), "")


def levels_field(level: str) -> str:
    """The levels field that names one level; without the comma, a longer name would also be its characters."""
    return level if len(level) == 1 else f"{level},"


def _room_for_tags(group: str) -> int:
    """How many bytes of a unit name a group leaves for a tag."""
    return LONGEST_UNIT_NAME - len(Names().gate(group, ""))
