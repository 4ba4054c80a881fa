"""The states of VRRP instances and sync groups, and the lines in which keepalived tells them. Pure."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING

from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Collection

# No line of keepalived is as long, in bytes. Of one that is, only the beginning is kept.
LONGEST_LINE = 65536
_LINE = re.compile(r'(?:INSTANCE|GROUP) "(.*)" (\w+) -?\d+')


class State(enum.StrEnum):
    """A state of an instance, as keepalived calls it."""

    MASTER = "MASTER"
    BACKUP = "BACKUP"
    FAULT = "FAULT"
    STOP = "STOP"
    DELETED = "DELETED"
    GONE = "GONE"  # none of keepalived's: it has ended without a word

    @property
    def is_master(self) -> bool:
        """Whether the groups that follow are to run here."""
        return self is State.MASTER


_TOLD = {state.value: state for state in State if state is not State.GONE}


class Newest:
    """Of states that have piled up, the newest one of each instance.

    Args:
        instances: those that somebody follows. What is told of others is passed over, and so is any other line.
    """

    def __init__(self, instances: Collection[str]) -> None:
        self._instances = instances
        self._rest = b""
        self._states: dict[str, State] = {}

    def add(self, data: bytes) -> None:
        """Take note of what was read next; it may begin and end in the middle of a line."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:LONGEST_LINE]
        for line in lines:
            match = _LINE.match(decoded(line))
            if match and match[1] in self._instances and match[2] in _TOLD:
                self._states[match[1]] = _TOLD[match[2]]

    def take(self) -> dict[str, State]:
        """The newest state of each instance of which one was told since the last time."""
        states, self._states = self._states, {}
        return states
