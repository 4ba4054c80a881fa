"""Tables for driving at random: each line marks the processes that it starts, so that /proc tells whose they are.

A table is made from a number alone, so that a list of steps repeats a run; most lines are as in BASE.
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from programs import deaf, slow_to_stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

GROUPS = ("web", "db", "mail", "late")
STARTED = "3"
"""The level at which the agent has a group that it started."""
STOP = "stop"
"""The level at which the agent has a group that it stopped."""
UNNAMED = "x"
"""Another level that no entry names."""
LEVELS = ("1", STARTED, "m", STOP, UNNAMED)
MARK = "DRIVEN"
"""The environment variable that names the line which started a process."""
MARKS = "/run/driven"
"""The directory in the node of the files that tests of the table look for."""


class Kind(enum.Enum):
    """What an entry's command does: its mode, its text, and whether something of it lives as long as its level."""

    STEADY = ("respawn", "exec sleep 1000", True)
    POLITE = ("respawn", slow_to_stop(0.3), True)
    STUBBORN = ("respawn", deaf("INT", "TERM"), True)
    DYING = ("respawn", "sleep 0.3; exit 1", False)
    QUICK = ("wait", "true", False)
    SLOW = ("wait", "sleep 0.5", False)
    FORKING = ("wait", "sleep 1000 & :", False)
    ONCE = ("once", "exec sleep 1000", False)
    TEST = ("test", "test -e {marks}/{tag}", False)

    @property
    def mode(self) -> str:
        """The third field of its line."""
        return self.value[0]

    @property
    def lasts(self) -> bool:
        """Whether the group is not DONE without it."""
        return self.value[2]


@dataclass(frozen=True, slots=True)
class Line:
    """An entry; `version` changes its command and nothing else of it."""

    group: str
    tag: str
    levels: tuple[str, ...]
    kind: Kind
    version: int = 0
    directive: str = ""

    @property
    def mark(self) -> str:
        """The mark of its processes."""
        return f"{self.group}/{self.tag}/{self.version}"

    @property
    def file(self) -> str:
        """What a test of it looks for."""
        return f"{MARKS}/{self.tag}"

    def __str__(self) -> str:
        """The line and its settings, as they stand in a table."""
        mode, command, _ = self.kind.value
        command = f"export {MARK}={self.mark}; {command.format(marks=MARKS, tag=self.tag)}"
        # No test leaves a process behind, and its reason is to be read.
        text = f"{self.group}:{self.tag}:{','.join(self.levels)},:{mode}:{command}\n"
        # Short stages of a stop, so that much happens in a minute.
        short = f":::service.{self.tag}:TimeoutStopSec=1\n:::service.{self.tag}:TimeoutAbortSec=1\n"
        text += short if self.kind in {Kind.STUBBORN, Kind.FORKING} else ""
        return text + (f":::service.{self.tag}:{self.directive}\n" if self.directive else "")


@dataclass(frozen=True, slots=True)
class Table:
    """Lines in their order, and settings of slices behind them."""

    lines: tuple[Line, ...]
    settings: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The table's text."""
        return "".join(map(str, self.lines)) + "".join(f"{setting}\n" for setting in self.settings)

    def of(self, group: str) -> tuple[Line, ...]:
        """The lines of a group."""
        return tuple(line for line in self.lines if line.group == group)

    def without(self, groups: Iterable[str]) -> Table:
        """The table without some groups; never without any line."""
        left = tuple(line for line in self.lines if line.group not in groups)
        return replace(self, lines=left or self.lines[:1])


BASE = Table((
    Line("web", "wa", ("3",), Kind.QUICK),
    Line("web", "wb", ("3", "m"), Kind.STEADY),
    Line("web", "wt", ("3",), Kind.TEST),
    Line("web", "wc", ("3",), Kind.POLITE),
    Line("web", "wd", ("m",), Kind.STEADY),
    Line("db", "da", ("3",), Kind.FORKING),
    Line("db", "db", ("3", "m"), Kind.STEADY),
    Line("db", "dc", ("3",), Kind.STUBBORN),
    Line("db", "dd", ("3", "1"), Kind.ONCE),
    Line("mail", "ma", ("3", "m", "1"), Kind.STEADY),
    Line("mail", "mb", ("3",), Kind.SLOW),
    Line("mail", "mc", ("3",), Kind.STEADY),
    Line("mail", "md", ("1",), Kind.DYING),
    Line("mail", "mu", (STOP,), Kind.TEST),
    Line("late", "la", ("3",), Kind.STEADY),
    Line("late", "lb", ("3", "1"), Kind.ONCE),
))  # fmt: skip
"""The table that the others are changes of; what its tests look for is there unless a step took it away."""

_OTHER_LEVELS = (("3",), ("m",), ("3", "m"), ("1", "3"))
_DIRECTIVES = ("Nice=5", "LimitNOFILE=2048", "Environment=OTHER=1")
_SETTINGS = ("TasksMax=500", "CPUWeight=50")


def table(number: int) -> Table:
    """The table of a number; 0 is BASE."""
    if number == 0:
        return BASE
    chance = random.Random(number)  # noqa: S311 - nothing secret
    lines = [changed for line in BASE.lines if (changed := _changed(line, chance))]
    if chance.random() < 0.1:
        chance.shuffle(lines)
    settings = tuple(
        f":::group.{group}:{chance.choice(_SETTINGS)}" for group in GROUPS if chance.random() < 0.1
    )  # fmt: skip
    made = Table(tuple(lines) or BASE.lines[:1], settings)
    gone = [group for group in GROUPS if chance.random() < 0.1]
    made = made.without(gone)
    present = {line.group for line in made.lines}
    kept = tuple(setting for setting in settings if setting.split(":")[3].removeprefix("group.") in present)
    return replace(made, settings=kept)


def _changed(line: Line, chance: random.Random) -> Line | None:
    if chance.random() < 0.06:
        return None
    if chance.random() < 0.15:
        line = replace(line, version=chance.randint(1, 2))
    if chance.random() < 0.1 and line.kind is not Kind.TEST:
        line = replace(line, levels=chance.choice(_OTHER_LEVELS))
    if chance.random() < 0.06:
        line = replace(line, group=chance.choice(GROUPS))
    if chance.random() < 0.08:
        line = replace(line, directive=chance.choice(_DIRECTIVES))
    return line


def _unmade(text: str) -> str:
    return text + "not a line\n"


def _misspelt(text: str) -> str:
    return text.replace(":respawn:", ":respwan:")


def _halved(text: str) -> str:
    # In the middle of a line's second field.
    whole = text[: len(text) // 2]
    return whole[: whole.rfind("\n") + 1] + "web:w"


BAD: Mapping[str, Callable[[str], str]] = {"line": _unmade, "mode": _misspelt, "half": _halved}
"""Ways to spoil a table."""


def spoilt(text: str, how: str) -> str:
    """A table's text with an error of a kind."""
    return BAD[how](text)
