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
TABLES = 96
_PLAIN = 64
"""The tables from this number on are mostly of entries that something waits for."""
_FEW, _MANY = 0.1, 0.6
_ORDERED = 4
"""In one of so many tables, the first group is stopped in order."""

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
    "ready": ("respawn", ": steady {v}; exec sleep 1000"),
    "tardy": ("respawn", ": polite {v}; " + _TRAP),
    "unready": ("respawn", ": steady {v}; exec sleep 1000"),
    "early": ("once", ": quick {v}; exit 0"),
    "hasty": ("respawn", ": dying {v}; sleep 0.3; exit 1"),
    "guard": ("respawn", ": steady {v}; exec sleep 1000"),
    "needed": ("wait", ": looks {v}; test -e " + FILES + "/{tag}"),
    "broken": ("wait", ": bad {v}; exit 3"),
    "gate": ("test", ": looks {v}; test -e " + FILES + "/{tag}"),
    "herald": ("respawn", ": herald {v}; sleep 0.2; systemd-notify --ready; exec sleep 1000"),
    "mute": ("respawn", ": mute {v}; exec sleep 1000"),
    "silent": ("once", ": mute {v}; exec sleep 1000"),
    "abortive": ("once", ": abortive {v}; sleep 0.1; exit 1"),
    "checked": ("respawn", ": steady {v}; exec sleep 1000"),
    "refused": ("respawn", ": steady {v}; exec sleep 1000"),
    "stuck": ("respawn", ": steady {v}; exec sleep 1000"),
    "off": ("off", ": steady {v}; exec sleep 1000"),
}
"""The mode and the command of each kind of line; `v` is its version."""
_STOPS = (":::service.{tag}:TimeoutStopSec=1", ":::service.{tag}:TimeoutAbortSec=1")
_VAIN = (":::service.{tag}:WorkingDirectory=/nonexistent",)
_REQUIRED = ":::required.{tag}:yes"
_NOTIFY = (":::service.{tag}:Type=notify", ":::service.{tag}:TimeoutStartSec=1")
_SETTINGS = {
    "deaf": _STOPS,
    "stubborn": _STOPS,
    "vain": _VAIN,
    "idle": _VAIN,
    "ready": (":::ready.{tag}:timeout=5s : holds 0; true",),
    "tardy": (":::ready.{tag}:timeout=5s : later 0; sleep 0.7",),
    "unready": (":::ready.{tag}:timeout=1s : futile 0; false",),
    "early": (":::ready.{tag}:timeout=5s : holds 0; true",),
    "hasty": (":::ready.{tag}:timeout=1s : futile 0; false",),
    "guard": (":::ready.{tag}:timeout=1s : hangs 0; sleep 1000", _REQUIRED),
    "needed": (_REQUIRED,),
    "broken": (_REQUIRED,),
    "gate": (_REQUIRED,),
    "herald": (*_NOTIFY, ":::service.{tag}:NotifyAccess=all"),
    "mute": _NOTIFY,
    "silent": _NOTIFY,
    "abortive": _NOTIFY,
    "checked": (":::preflight.{tag}:: holds 0; true",),
    "refused": (":::preflight.{tag}:: futile 0; false",),
    "stuck": (":::preflight.{tag}:timeout=1s : hangs 0; sleep 1000",),
}
CHECKED = frozenset({*_SETTINGS} - {"deaf", "stubborn", "vain", "idle"})
"""Kinds that something of is asked before what stands behind them is started, or before all."""
REQUIRED = frozenset(kind for kind, settings in _SETTINGS.items() if _REQUIRED in settings)
REFUSED = frozenset({"refused", "stuck"})
"""Kinds whose preflights fail."""


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
        return text + "".join(f"{setting.format(tag=self.tag)}\n" for setting in _SETTINGS.get(self.kind, ()))


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
_OTHERS = tuple(kind for kind in KINDS if kind not in {"never", "stubborn", *CHECKED})
_LEVELS = (("1",), ("2",), ("1", "2"))


@functools.cache
def table(number: int) -> tuple[Line, ...]:
    """The lines of the table of a number; 0 is BASE."""
    if number == 0:
        return BASE
    chance = random.Random(number)  # noqa: S311 - nothing secret
    lines = [changed for line in BASE if (changed := _changed(line, chance, _FEW if number < _PLAIN else _MANY))]
    gone = [group for group in GROUPS if chance.random() < 0.15]
    left = tuple(line for line in lines if line.group not in gone)
    return left or BASE[:1]


def _changed(line: Line, chance: random.Random, checked: float) -> Line | None:
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
    elif chance.random() < checked:
        line = replace(line, kind=chance.choice(sorted(CHECKED)))
    return line


def any_number(chance: random.Random) -> int:
    """The number of a table: often of the first, else of any."""
    return chance.choice((0, chance.randrange(_PLAIN), _PLAIN + chance.randrange(TABLES - _PLAIN)))


@functools.cache
def text(number: int) -> bytes:
    """The bytes of the table of a number; of -1 one with an error."""
    if number < 0:
        return b"web:wa:1:respwan:exec sleep 1000\n"
    lines = table(number)
    ordered = f":::stop.{lines[0].group}:ordered\n" if number % _ORDERED == 1 else ""
    return ("".join(map(str, lines)) + ordered).encode()
