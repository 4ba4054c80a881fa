"""The stand-in's units, jobs and processes: data, and what commands do."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.groups.units import Process, UnitStatus
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from simulation.unitfiles import UnitFile

SIGINT, SIGKILL, SIGTERM = 2, 9, 15
# What usually ends a service: HUP, INT, PIPE, TERM.
CLEAN_SIGNALS = frozenset({1, SIGINT, 13, SIGTERM})
NAMES = Names()


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a command does. Times are µs; `lasts` is None if it does not end by itself.

    `tail` is for how long it goes on after a signal that it handles, before it exits with 0; None if it handles none.
    `deaf` are signals that it ignores.
    """

    lasts: int | None = None
    status: int = 0
    tail: int | None = None
    deaf: frozenset[int] = frozenset()
    looks_for: bool = False  # a file that is named as the entry: it exits with 1 if that is missing
    ready: int | None = None  # when it says that it is ready; None if never
    is_executed: bool = True  # whether systemd, or the shell before it, can execute it


BEHAVIOURS = {
    "steady": Behaviour(),
    "polite": Behaviour(tail=300_000),
    "deaf": Behaviour(deaf=frozenset({SIGINT})),
    "stubborn": Behaviour(deaf=frozenset({SIGINT, SIGTERM})),
    "undead": Behaviour(deaf=frozenset({SIGINT, SIGTERM, SIGKILL})),
    "dying": Behaviour(300_000, 1),
    "fast": Behaviour(2_000, 1),
    "quick": Behaviour(2_000),
    "bad": Behaviour(2_000, 3),
    "slow": Behaviour(500_000),
    "never": Behaviour(),
    "missing": Behaviour(200, 203, is_executed=False),
    "vain": Behaviour(0, 200, is_executed=False),
    "looks": Behaviour(2_000, looks_for=True),
    "herald": Behaviour(ready=200_000),
    "mute": Behaviour(),
    "abortive": Behaviour(100_000, 1),
    # Checks and preflights.
    "holds": Behaviour(5_000),
    "later": Behaviour(700_000),
    "futile": Behaviour(5_000, 1),
    "hangs": Behaviour(),
}
_KIND = re.compile(r": (\w+) \d+;|/nonexistent/(missing)")


@functools.cache
def behaviour_of(command: str) -> Behaviour:
    """What the command of a unit does: its text says of which kind it is."""
    found = _KIND.search(command)
    return BEHAVIOURS[(found[1] or found[2]) if found else "steady"]


@dataclass(slots=True, eq=False)
class Running:
    """A process that runs."""

    pid: int
    behaviour: Behaviour
    since: int
    executed_at: float = 0.0  # when it is the command, or the pause before that; infinite if never
    command: str = ""  # that it was started as
    is_ready: bool = True  # or has not said so yet
    is_pause: bool = False  # of the shell before a respawn command
    is_ending: bool = False


@dataclass(slots=True, eq=False)
class Job:
    """A job; `by` is who has asked for it."""

    number: int
    unit: Unit
    kind: str
    by: str
    since: int  # when it was asked for last
    is_running: bool = False


@functools.lru_cache(maxsize=4096)
def family_of(name: str) -> str:
    """The group that a unit belongs to; empty for others."""
    return NAMES.group_of(name) or ""


class Unit:
    """A loaded unit."""

    __slots__ = (
        "active", "active_time", "asked_time", "began_time", "by_hand", "condition_holds", "condition_time", "end",
        "failed_condition", "family", "file", "inactive_time", "job", "kind", "left_time", "leftover", "load", "name",
        "probed_time", "process", "refused", "respawns", "restarts", "result", "started_time", "status", "sub", "timer",
        "was_executed", "was_given_up", "will_restart",
    )  # fmt: skip

    def __init__(self, name: str, file: UnitFile | None, load: str) -> None:
        self.name = name
        self.kind = name.rpartition(".")[2]
        self.family = family_of(name)
        self.file = file
        self.load = load
        self.active, self.sub = "inactive", "dead"
        self.job: Job | None = None
        self.condition_time = self.active_time = self.began_time = self.inactive_time = 0
        self.left_time = self.started_time = 0
        self.asked_time = 0  # when it was started last, and not by itself
        self.probed_time = 0  # when it began to ask whether its entry is ready
        self.failed_condition = ""  # the first that did not hold when they were checked last
        self.was_given_up = False  # its start took too long, and it is being stopped for that
        self.condition_holds = False
        self.process: Running | None = None
        self.end = (0, 0, 0)  # of the last process: pid, code, status
        self.result = "success"
        self.restarts = 0
        self.respawns: list[int] = [0, 0, 0, 0]  # count, last, pause, 203
        self.refused = False  # systemd, or the shell, could not execute the last process that has ended
        self.was_executed = False  # a process before this one was the command, since somebody has started it
        self.leftover = False  # processes that outlived SIGKILL
        self.by_hand = 0  # when somebody has started it past its level
        self.timer = 0  # counts up, so that a timer that was set before is none any more
        self.will_restart = False
        self.status: UnitStatus | None = None

    @property
    def is_down(self) -> bool:
        """Whether it is inactive or failed."""
        return self.active in {"inactive", "failed"}

    @property
    def pid(self) -> int:
        """Its main process; 0 if there is none."""
        return self.process.pid if self.process is not None else 0

    def shown(self) -> UnitStatus:
        """What ListUnits says of it."""
        if self.status is None:
            job = self.job
            number, kind = (job.number, job.kind) if job is not None else (0, "")
            self.status = UnitStatus(self.name, self.load, self.active, self.sub, number, kind)
        return self.status

    def last_process(self) -> Process:
        """How its last main process went."""
        return Process(*self.end, self.result)


def matching(
    units: Mapping[str, Unit], families: Mapping[str, Mapping[str, Unit]], patterns: Iterable[str]
) -> list[Unit]:
    """The units whose names match any of some globs, each of which has at most one `*`."""
    found: dict[str, Unit] = {}
    for pattern in patterns:
        start, star, end = pattern.partition("*")
        if star:
            family = families.get(family_of(f"{start}x.service"), {}).items()
            found.update((name, unit) for name, unit in family if name.startswith(start) and name.endswith(end))
        elif pattern in units:
            found[pattern] = units[pattern]
    return list(found.values())


def conflict(one: str, other: str) -> bool:
    """Whether two kinds of jobs cannot be one."""
    return (one == "stop") != (other == "stop")
