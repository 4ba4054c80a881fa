"""Which respawn entries count as ending again and again, without systemd."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from cltab2systemd.core.runs import Runs
from cltab2systemd.disk.files import Disk
from cltab2systemd.disk.marks import UnitNotes

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


def follow(*ages: float, restarts: list[int] | None = None) -> tuple[Systemd, bool]:
    """Follow runs that began so many seconds ago; whether they count as short then."""
    systemd = Systemd()
    runs = Runs(cast("Bus", systemd))

    async def see() -> bool:
        for number, age in enumerate(ages):
            now = asyncio.get_running_loop().time()
            systemd.began = int((now - age) * 1e6)
            systemd.restarts_now = number if restarts is None else restarts[number]
            runs.saw(UNIT, 0)  # between two runs it has none
            runs.saw(UNIT, 100 + number)
            runs.saw(UNIT, 100 + number)
        return runs.are_short(UNIT)

    return systemd, asyncio.run(see())


def test_a_single_run_costs_nothing() -> None:
    """As long as an entry runs on, systemd is not asked."""
    systemd, is_short = follow(1000)
    assert not is_short
    assert [] == systemd.asked


def test_three_short_runs() -> None:
    """They count from the second run that was seen on; one that is up for a minute has recovered."""
    assert follow(8, 6, 4, 2, 0)[1]
    assert not follow(6, 4, 2, 0)[1]
    assert follow(200, 150, 100, 55, 1)[1]
    assert not follow(90, 80, 70, 65, 61)[1]


def test_a_longer_run_between() -> None:
    """It begins anew then, also if somebody has started the entry."""
    assert not follow(300, 200, 10, 5, 1)[1]
    assert not follow(8, 6, 4, 2, 0, restarts=[0, 1, 2, 0, 1])[1]


def test_runs_that_nobody_has_seen() -> None:
    """Systemd has counted them."""
    assert follow(8, 4, 0, restarts=[0, 2, 6])[1]
    assert not follow(1000, 500, 0, restarts=[0, 2, 6])[1]


def test_the_next_daemon_goes_on(tmp_path: Path) -> None:
    """By a note that is written at each run, as long as an entry ends again and again, and not otherwise."""
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
    assert [0, 0, 0, 0, 1, 1, 1, 1, 0] == [len(stage) for stage in stages]
    assert stages[4] == stages[5] != stages[6]
    assert notes.all() == {}
