"""Which respawn entries count as ending again and again, without systemd."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from cltab2systemd.core.runs import Runs

if TYPE_CHECKING:
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
