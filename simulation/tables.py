"""The small family of tables that histories push: each made from a number, so that what is compiled can be kept.

Each command says of which kind it is, for the stand-in, and does just that on a real machine.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass, replace

GROUPS = ("web", "db", "job")
LEVELS = ("1", "2", "x", "y")
"""Those that entries name, and two that none does."""
FILES = "/run/simulated"
"""The directory of the files that tests look for, each named as its entry."""
TABLES = 64

_TRAP = "trap 'sleep 0.3; exit' INT TERM; while :; do sleep 0.05; done"
KINDS = {
    "steady": ("respawn", ": steady {v}; exec sleep 1000"),
    "polite": ("respawn", ": polite {v}; " + _TRAP),
    "deaf": ("respawn", ": deaf {v}; trap '' INT; exec sleep 1000"),
    "stubborn": ("respawn", ": stubborn {v}; trap '' INT TERM; exec sleep 1000"),
    "fast": ("respawn", ": fast {v}; exit 1"),
    "missing": ("respawn", "/nonexistent/missing {v}"),
    "vain": ("respawn", ": vain {v}; exec sleep 1000"),
    "idle": ("once", ": vain {v}; exec sleep 1000"),
    "quick": ("wait", ": quick {v}; exit 0"),
    "bad": ("wait", ": bad {v}; exit 3"),
    "slow": ("wait", ": slow {v}; sleep 0.5"),
    "never": ("wait", ": never {v}; exec sleep 1000"),
    "once": ("once", ": steady {v}; exec sleep 1000"),
    "ends": ("once", ": quick {v}; exit 0"),
    "lacks": ("wait", "/nonexistent/missing {v}"),
    "looks": ("test", ": looks {v}; test -e " + FILES + "/{tag}"),
    "fails": ("test", ": bad {v}; exit 3"),
    "off": ("off", ": steady {v}; exec sleep 1000"),
}
"""The mode and the command of each kind of line; `v` is its version."""
_SHORT = ("deaf", "stubborn")
_VAIN = ("vain", "idle")


@dataclass(frozen=True, slots=True)
class Line:
    """An entry."""

    group: str
    tag: str
    levels: tuple[str, ...]
    kind: str
    version: int = 0

    @property
    def mode(self) -> str:
        """The mode."""
        return KINDS[self.kind][0]

    def __str__(self) -> str:
        mode, command = KINDS[self.kind]
        text = (
            f"{self.group}:{self.tag}:{','.join(self.levels)}:{mode}:{command.format(v=self.version, tag=self.tag)}\n"
        )
        if self.kind in _SHORT:
            text += f":::service.{self.tag}:TimeoutStopSec=1\n:::service.{self.tag}:TimeoutAbortSec=1\n"
        if self.kind in _VAIN:
            text += f":::service.{self.tag}:WorkingDirectory=/nonexistent\n"
        return text


BASE = (
    Line("web", "wa", ("1", "2"), "steady"),
    Line("web", "wb", ("1",), "polite"),
    Line("web", "wt", ("1",), "looks"),
    Line("web", "ww", ("2",), "quick"),
    Line("db", "da", ("1",), "slow"),
    Line("db", "db", ("1", "2"), "once"),
    Line("db", "dc", ("2",), "steady"),
    Line("job", "ja", ("1",), "deaf"),
    Line("job", "jt", ("2",), "looks"),
)
"""The table that the others are changes of."""
_OTHERS = tuple(kind for kind in KINDS if kind not in {"never", "stubborn"})
_LEVELS = (("1",), ("2",), ("1", "2"))


@functools.cache
def table(number: int) -> tuple[Line, ...]:
    """The lines of the table of a number; 0 is BASE."""
    if number == 0:
        return BASE
    chance = random.Random(number)  # noqa: S311 - nothing secret
    lines = [changed for line in BASE if (changed := _changed(line, chance))]
    gone = [group for group in GROUPS if chance.random() < 0.15]
    left = tuple(line for line in lines if line.group not in gone)
    return left or BASE[:1]


def _changed(line: Line, chance: random.Random) -> Line | None:
    if chance.random() < 0.08:
        return None
    if chance.random() < 0.15:
        line = replace(line, version=1)
    if chance.random() < 0.15:
        line = replace(line, levels=chance.choice(_LEVELS))
    if chance.random() < 0.1:
        line = replace(line, group=chance.choice(GROUPS))
    if chance.random() < 0.1:
        line = replace(line, kind=chance.choice(_OTHERS))
    elif chance.random() < 0.04:
        line = replace(line, kind=chance.choice(("never", "stubborn")))
    return line


@functools.cache
def text(number: int) -> bytes:
    """The bytes of the table of a number; of -1 one with an error."""
    if number < 0:
        return b"web:wa:1:respwan:exec sleep 1000\n"
    return "".join(map(str, table(number))).encode()
