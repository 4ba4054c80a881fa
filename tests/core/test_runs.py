"""Which respawn entries count as ending again and again, without systemd."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from cltab2systemd.core.runs import Runs
from cltab2systemd.disk.files import Disk
from cltab2systemd.disk.marks import UnitNotes
from cltab2systemd.groups.units import Process

if TYPE_CHECKING:
    from pathlib import Path

    from cltab2systemd.systemd.bus import Bus

UNIT = "clinit-web@a.service"


@dataclass
class Systemd:
    """What systemd says of one unit, and how often it was asked."""

    restarts_now: int = 0
    began: int = 0
    asked: list[str] = field(default_factory=list)

    def restarts(self, unit: str) -> int:
        self.asked.append(unit)
        return self.restarts_now

    def active_time(self, unit: str) -> int:  # noqa: ARG002
        return self.began


@dataclass
class Followed:
    """Runs of the unit, as they are followed."""

    systemd: Systemd = field(default_factory=Systemd)
    runs: Runs = field(init=False)
    ended: Process | None = None

    def __post_init__(self) -> None:
        self.runs = Runs(cast("Bus", self.systemd))

    def see(self, pid: int, age: float, restarts: int, *, pauses: bool = False) -> bool:
        """See a run that began so many seconds ago; whether the unit counts as one that ends again and again then."""
        self.systemd.began = int((asyncio.get_running_loop().time() - age) * 1e6)
        self.systemd.restarts_now = restarts
        for each in (0, pid, pid):  # between two runs it has none
            self.runs.saw(UNIT, each, self.ended, pauses=pauses)
        return self.runs.are_short(UNIT)

    def end(self, pid: int, age: float) -> None:
        """The run that began so many seconds ago has ended, and that was seen."""
        began = int((asyncio.get_running_loop().time() - age) * 1e6)
        self.ended = Process(pid, 1, 5, "exit-code", began + 1, began)


def follow(*ages: float, restarts: list[int] | None = None, first_restarts: int = 0) -> tuple[Systemd, list[bool]]:
    """Follow runs that began so many seconds ago; whether they count as short then, after each.

    Args:
        ages: of the runs.
        restarts: what systemd has counted at each; from `first_restarts` on, if it has seen none but these.
        first_restarts: at the first one.
    """
    followed = Followed()

    async def see() -> list[bool]:
        found = []
        for number, age in enumerate(ages):
            counted = first_restarts + number if restarts is None else restarts[number]
            found.append(followed.see(100 + number, age, counted))
            followed.end(100 + number, age)
        return found

    return followed.systemd, asyncio.run(see())


def test_a_single_run_costs_nothing() -> None:
    """As long as an entry runs on, systemd is not asked."""
    systemd, were_short = follow(1000)
    assert [False] == were_short
    assert [] == systemd.asked


def test_three_short_runs() -> None:
    """They count from the first run on; one that is up for a minute has recovered."""
    assert [False, False, False, True, True] == follow(8, 6, 4, 2, 0)[1]
    assert [False, False, False, True] == follow(165, 110, 55, 0)[1]
    assert [False, False, False, False] == follow(183, 122, 61, 0)[1]
    assert not follow(90, 80, 70, 61)[1][-1]


def test_a_longer_run_between() -> None:
    """It begins anew then, also if somebody has started the entry."""
    assert not follow(300, 200, 10, 5)[1][-1]
    assert follow(300, 200, 10, 5, 0)[1] == [False] * 4 + [False]
    assert follow(300, 200, 15, 10, 5, 0)[1] == [False] * 5 + [True]
    assert not follow(8, 6, 4, 2, 0, restarts=[0, 1, 2, 0, 1])[1][-1]


def test_runs_that_nobody_has_seen() -> None:
    """Systemd has counted them; but not those before the first that was seen."""
    assert follow(8, 4, 0, restarts=[0, 1, 6])[1] == [False, False, True]
    assert not follow(1000, 500, 0, restarts=[0, 1, 6])[1][-1]
    assert follow(6, 4, 2, 0, first_restarts=500)[1] == [False, False, False, True]
    assert not follow(6, 0, restarts=[500, 600])[1][-1]


def test_a_pause_is_no_run() -> None:
    """Whoever has paused has ended again and again, and goes on to do so until it is up for a minute."""

    async def see(*, is_seen_first: bool) -> list[bool]:
        followed = Followed()
        if not is_seen_first:
            followed.see(1, 200, 6)
        found = [followed.see(2, 200, 7, pauses=True), followed.see(3, 139, 8), followed.see(4, 50, 9)]
        return [*found, followed.see(5, 30, 10), followed.see(6, 0, 12)]

    for is_seen_first in (False, True):
        assert [True, False, False, False, True] == asyncio.run(see(is_seen_first=is_seen_first))
    followed = Followed()

    async def look() -> list[bool]:
        found = [followed.see(1, 100, 6), followed.see(2, 99, 7, pauses=True), followed.see(3, 39, 8)]
        return [*found, followed.see(4, 30, 9), followed.see(5, 20, 10, pauses=True), followed.see(6, 70, 0)]

    assert [False, True, True, True, True, False] == asyncio.run(look())


def test_the_next_daemon_goes_on(tmp_path: Path) -> None:
    """By a note that is written at each run behind a short one, and not otherwise."""
    notes = UnitNotes(tmp_path / "restless", Disk())
    notes.open()
    systemd = Systemd()
    stages: list[dict[str, str]] = []

    async def see(runs: Runs, pid: int, age: float) -> bool:
        systemd.began = int((asyncio.get_running_loop().time() - age) * 1e6)
        systemd.restarts_now = pid
        runs.saw(UNIT, pid)
        stages.append(notes.all())
        return runs.are_short(UNIT)

    async def follow_twice() -> list[bool]:
        first, second, third = (Runs(cast("Bus", systemd), notes) for _ in range(3))
        found = [await see(first, pid, 30 - pid) for pid in (1, 2, 3, 4, 5)]
        second.resume()
        found += [second.are_short(UNIT), await see(second, 5, 20), await see(second, 7, 10)]
        third.resume()
        return [*found, await see(third, 8, 0), await see(third, 9, -70)]

    assert [False] * 4 + [True] * 5 + [False] == asyncio.run(follow_twice())
    assert [0, 0, 1, 1, 1, 1, 1, 1, 0] == [len(stage) for stage in stages]
    assert stages[4] == stages[5] != stages[6]
    assert notes.all() == {}


def test_a_program_that_forks_is_one_run() -> None:
    """Its main process is another one then, and systemd has not started it again."""
    systemd = Systemd()
    runs = Runs(cast("Bus", systemd))

    async def see() -> bool:
        for number in range(5):
            systemd.restarts_now = number
            systemd.began = int((asyncio.get_running_loop().time() - 10 + number) * 1e6)
            runs.saw(UNIT, 100 + 2 * number)
            runs.saw(UNIT, 101 + 2 * number)
        return runs.are_short(UNIT)

    assert asyncio.run(see())
