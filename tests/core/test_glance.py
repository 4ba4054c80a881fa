"""A glance at a group of many entries: others have their turn, and systemd is not asked for what is known."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cltab2systemd.core.glance import glance
from cltab2systemd.core.group import Group
from cltab2systemd.groups.overview import EntryState, GroupOverview, Usage, entry_state
from cltab2systemd.groups.state import GroupStatus, State
from cltab2systemd.groups.units import GroupUnits, Process, UnitStatus
from cltab2systemd.table.grammar import parse
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable

    from cltab2systemd.core.probe import UnitProbe
    from cltab2systemd.systemd.bus import Bus

T = TypeVar("T")
NUMBER = 1000
LINES = "".join(f"big:t{number}:1:respawn:sleep 1000\n" for number in range(NUMBER))


class Asked:
    """A systemd that counts what it is asked for, and is reloading at first."""

    def __init__(self) -> None:
        self.questions: Counter[str] = Counter()
        self.longest = self.since_turn = 0

    async def persist(self, step: Callable[[], T]) -> T:
        return step()

    def _count(self, what: str) -> None:
        self.questions[what] += 1
        self.since_turn += 1
        self.longest = max(self.longest, self.since_turn)

    def __getattr__(self, what: str) -> Callable[..., int]:
        def answer(*_arguments: str) -> int:
            self._count(what)
            return 4711

        return answer

    def usage(self, _group_slice: str, _unit: str) -> Usage:
        return Usage()

    def ending_before(self, _unit: str, _pid: int) -> None:
        """Nothing; systemd is not asked for it."""

    async def others(self) -> None:
        """Somebody else who has work for the loop."""
        while True:
            self.since_turn = 0
            await asyncio.sleep(0)


def glanced(asked: Asked) -> GroupOverview:
    names = Names()
    table, _ = parse(LINES.encode(), "/etc/cltab")
    group = Group("big", cast("Any", None))
    group.applied = table.group("big")
    units = {
        name: UnitStatus(name, "loaded", "active", "running")
        for name in (names.entry("big", entry.tag) for entry in group.applied.entries)
    }
    target = names.level("big", "1")
    units[target] = UnitStatus(target, "loaded", "active", "active")
    group.units = GroupUnits(names, "big", group.applied.entries, units, cast("Any", asked))
    group.status = GroupStatus("big", "1", State.DONE)

    async def look() -> GroupOverview:
        others = asyncio.create_task(asked.others())
        await asyncio.sleep(0)
        try:
            return await glance(group, group.applied, cast("Bus", asked), cast("UnitProbe", asked))
        finally:
            others.cancel()

    return asyncio.run(look())


def test_others_have_their_turn() -> None:
    """Between two turns of theirs, systemd is asked some dozens of questions, and not thousands."""
    asked = Asked()
    overview = glanced(asked)

    assert NUMBER == len(overview.entries)
    assert {EntryState.RUNNING} == {entry.state for entry in overview.entries}
    assert asked.longest <= 100


def test_what_runs_has_not_ended() -> None:
    """Nobody asks how a program has ended that runs: three questions each are enough."""
    asked = Asked()
    glanced(asked)

    assert {"changed_time": NUMBER, "pid": NUMBER, "restarts": NUMBER} == dict(asked.questions)


def test_a_test_that_has_failed() -> None:
    """It has failed, also as long as the group has no reasons, for what is behind it is still started."""
    table, _ = parse(b"web:t:1:test:false\nweb:w:1:wait:true\n", "/etc/cltab")
    test, wait = table.group("web").entries
    unit = UnitStatus("clinit-web@t.service", "loaded", "active", "exited")

    def state(entry: Any, process: Process) -> EntryState:
        return entry_state(entry, unit, process, None, in_level=True)

    assert EntryState.FAILED == state(test, Process(7, 1, 3))
    assert EntryState.FAILED == state(test, Process(7, 1, 203, "exit-code"))
    assert EntryState.FAILED == state(test, Process(7, 2, 9, "signal"))
    assert EntryState.FAILED == state(test, Process(0, 0, 0, "resources"))
    assert EntryState.PASSED == state(test, Process(7, 1, 0))
    assert EntryState.ENDED == state(test, Process(0, 0, 0))
    assert EntryState.ENDED == state(wait, Process(7, 1, 3))


def test_a_readiness_that_does_not_hold_any_more() -> None:
    """It has passed while it is active: since its entry was ready, that has run on."""
    table, _ = parse(b"web:d:1:respawn:true\n:::ready.d:file:/x\n", "/etc/cltab")
    _, ready = table.group("web").entries

    def state(active: str, sub: str, process: Process) -> EntryState:
        unit = UnitStatus("clinit-web@d:ready.service", "loaded", active, sub)
        return entry_state(ready, unit, process, None, in_level=True)

    assert EntryState.PASSED == state("active", "exited", Process(7, 1, 0))
    assert EntryState.ENDED == state("inactive", "dead", Process(7, 1, 0))
    assert EntryState.DOWN == state("inactive", "dead", Process(0, 0, 0))
    assert EntryState.DOWN == state("inactive", "dead", Process(7, 1, 10))
