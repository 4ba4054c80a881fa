"""When a unit that is started in vain is stopped for a while, by what signals say of its ends; without systemd."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, cast

import pytest

from cltab2systemd.core.pacer import MOST_TRIES, Pacer
from cltab2systemd.disk.files import Disk
from cltab2systemd.disk.marks import Marks
from cltab2systemd.groups.units import GroupUnits, Process, UnitStatus
from cltab2systemd.systemd.buserrors import BusBusyError, BusUnansweredError
from cltab2systemd.systemd.runsignal import RunSignal
from cltab2systemd.table.grammar import parse
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from pathlib import Path

    from cltab2systemd.groups.units import Probe
    from cltab2systemd.systemd.bus import Bus

UNIT = "clinit-web@a.service"
USER = Process(7, 1, 217, "exit-code", 1)
PROGRAM = Process(7, 1, 203, "exit-code", 1)
FILE = Process(0, 0, 0, "resources")
EXECUTED = Process(7, 1, 5, "exit-code", 1)


@dataclass
class Systemd:
    """What is asked of systemd."""

    stopped: list[str] = field(default_factory=list)
    is_busy: bool = False
    is_slow: bool = False

    number: int = -1

    def restarts(self, _unit: str) -> int:
        return self.number

    def stop(self, unit: str) -> None:
        if self.is_busy:
            raise BusBusyError
        self.stopped.append(unit)
        if self.is_slow:
            raise BusUnansweredError("slow", asyncio.get_running_loop().create_future())


def at_level(table: bytes) -> GroupUnits:
    """The group web of a table, at level 3, for whose other units nobody asks."""
    target = UnitStatus("clinit-web@3.target", "loaded", "active", "active")
    entries = parse(table, "cltab")[0].groups["web"].entries
    return GroupUnits(Names(), "web", entries, {target.name: target}, cast("Probe", None))


class Followed:
    """A pacer that hears of ends."""

    def __init__(self, path: Path) -> None:
        self.systemd = Systemd()
        self.paused = Marks(path / "paused", Disk())
        self.paused.open()
        bus = cast("Bus", self.systemd)
        self.group = at_level(b"web:a:3:respawn:x\n")
        self.pacer = Pacer(Names(), bus, self.paused, lambda _unit: True, lambda _unit: None)

    async def hear(self, *ends: Process, first: int = 0) -> list[int]:
        """Hear of ends, each twice, as systemd tells of it; how often the unit was stopped, after each."""
        found = []
        for number, process in enumerate(ends, first):
            for restarts in (number, number + 1):
                self.pacer.count(self.group, UNIT, RunSignal(0, restarts, process))
            await asyncio.sleep(0)
            found.append(len(self.systemd.stopped))
        return found


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    """A pacer, new for each test."""
    return Followed(tmp_path)


@pytest.mark.parametrize("process", [USER, FILE])
def test_some_fast_tries_and_then_one_at_a_time(followed: Followed, process: Process) -> None:
    """One that was stopped is stopped again at its first end in vain, and not as if nothing had been."""

    async def hear() -> tuple[list[int], list[int]]:
        first = await followed.hear(*[process] * MOST_TRIES)
        assert followed.paused.all() == {UNIT}
        followed.pacer._try_again(UNIT)
        assert followed.paused.all() == set()
        return first, await followed.hear(process)

    assert ([0] * (MOST_TRIES - 1) + [1], [2]) == asyncio.run(hear())


@pytest.mark.parametrize("process", [EXECUTED, PROGRAM])
def test_what_the_shell_counts(followed: Followed, process: Process) -> None:
    """It slows down itself, and a run between makes all begin anew."""
    ends = [USER] * (MOST_TRIES - 1)
    assert [0] * 30 == asyncio.run(followed.hear(*[process] * 30))
    assert [0] * 2 * len(ends) == asyncio.run(followed.hear(*ends, process, *ends[1:]))


def test_a_request_begins_anew(followed: Followed) -> None:
    """It starts the unit, from which systemd counts from 0; what was noted of a pause is gone."""

    async def hear() -> list[int]:
        ends = [USER] * (MOST_TRIES - 1)
        found = await followed.hear(*ends)
        followed.pacer.forget_group("web")
        found += await followed.hear(*ends)
        found += await followed.hear(*ends)  # nobody has said that it was started by hand
        followed.pacer.count(followed.group, UNIT, RunSignal(0, len(ends) + 1, USER))
        followed.pacer.forget(UNIT)
        await asyncio.sleep(0)
        return [*found, len(followed.systemd.stopped)]

    assert [0] * 16 == asyncio.run(hear())
    assert followed.paused.all() == set()


def test_a_systemd_that_is_busy(followed: Followed) -> None:
    """It is asked again at the next end."""

    async def hear() -> list[int]:
        followed.systemd.is_busy = True
        found = await followed.hear(*[USER] * MOST_TRIES)
        followed.systemd.is_busy = False
        return [*found, *(await followed.hear(USER, first=MOST_TRIES))]

    assert [0] * MOST_TRIES + [1] == asyncio.run(hear())


@pytest.mark.parametrize("counts_on", [True, False], ids=["counts on", "from 0"])
def test_the_start_of_a_try_tells_of_the_end_before_once_more(followed: Followed, *, counts_on: bool) -> None:
    """That is no end of the try, which may have come up. Its own end counts, from wherever systemd counts on."""

    async def hear() -> list[int]:
        await followed.hear(*[FILE] * MOST_TRIES)
        followed.systemd.number = MOST_TRIES
        followed.pacer._try_again(UNIT)
        for step in (followed.pacer.has_ended, partial(followed.pacer.count, followed.group)):
            step(UNIT, RunSignal(0, MOST_TRIES, FILE))
        await asyncio.sleep(0)
        assert UNIT not in followed.pacer._ends
        return [len(followed.systemd.stopped), *(await followed.hear(FILE, first=MOST_TRIES * counts_on))]

    assert [1, 2] == asyncio.run(hear())


def test_a_systemd_that_is_slow(followed: Followed) -> None:
    """It does what it has not answered. So the unit is started again when its time has come."""

    async def hear() -> list[asyncio.TimerHandle | None]:
        followed.systemd.is_slow = True
        await followed.hear(*[USER] * MOST_TRIES)
        return [followed.pacer._vain[UNIT].timer]

    assert [None] != asyncio.run(hear())
    assert followed.paused.all() == {UNIT}


@pytest.mark.parametrize("table", [b"web:a:4:respawn:x\n", b"web:a:3:once:x\n", b"web:b:3:respawn:x\n"])
def test_what_is_left_alone(followed: Followed, table: bytes) -> None:
    """Only respawn entries of the level are stopped: a unit of an administrator's own is none of ours."""
    followed.group = at_level(table)
    assert [0] * 20 == asyncio.run(followed.hear(*[USER] * 20))
