"""What the units of an instance's groups say: systemd is asked as the daemon asks it, but once.

It is asked for single properties. `systemctl show` has all of each unit, which takes 2 ms a unit, and fails for a unit
whose command is not UTF-8.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from cltab2systemd.core.probe import UnitProbe
from cltab2systemd.disk.instance import Instance
from cltab2systemd.groups.changes import Seen
from cltab2systemd.groups.culprit import parsed
from cltab2systemd.groups.state import failures, remedies_at
from cltab2systemd.groups.units import GroupUnits, patterns_of
from cltab2systemd.systemd.bus import Bus
from cltab2systemd.systemd.buserrors import BusError
from cltab2systemd.systemd.kernel import Kernel
from cltab2systemd.systemd.opening import Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from cltab2systemd.disk.marks import UnitNotes
    from cltab2systemd.groups.culprit import Culprit
    from cltab2systemd.groups.units import UnitStatus
    from cltab2systemd.table.model import ResourceGroup
    from cltab2systemd.units.names import Names

# Seconds in which systemd has to take a connection.
_PATIENCE = 1.0
# Seconds in which it has to give an answer: to a list of many groups on a slow machine, too.
_ANSWER_TIME = 25.0


# Why a unit that a daemon has stopped for a while does not run. systemd has forgotten more.
_WAITS = "could not be started, and waits for its next try"


@asynccontextmanager
async def units_of(
    names: Names, groups: Mapping[str, ResourceGroup], answer_time: float = _ANSWER_TIME
) -> AsyncIterator[tuple[Mapping[str, GroupUnits], UnitProbe]]:
    """The units of groups, and what tells more about them, until the context ends.

    Args:
        names: the unit names of the instance.
        groups: the groups by name, with the lines that their units were made from.
        answer_time: seconds in which systemd has to give an answer.

    Raises:
        TimeoutError, BusError: systemd does not answer.
    """
    bus = Bus(Route.PRIVATE, answer_time)
    try:
        await asyncio.wait_for(bus.connect(), _PATIENCE)
        listed = bus.list_units([p for lines in groups.values() for p in patterns_of(names, lines)]) if groups else []
        waiting = _waiting(names, listed)
        probe = UnitProbe(bus, lambda unit: _WAITS * (unit in waiting), Kernel(), culprit=_culprits(names))
        probe.resume(_notes(Instance(names).restless))
        units: dict[str, dict[str, UnitStatus]] = {name: {} for name in groups}
        for unit in listed:
            units.get(names.group_of(unit.name) or "", {})[unit.name] = unit
        yield {n: GroupUnits(names, n, group.entries, units[n], probe) for n, group in groups.items()}, probe
    finally:
        bus.close()


def _culprits(names: Names) -> Callable[[str, str], Culprit | None]:
    """What a daemon has noted of who has stopped units: by the unit and the id of its run."""
    notes = _notes(Instance(names).stopped)
    found = {(unit, note[0]): note[1] for unit, text in notes.items() if (note := parsed(text))}
    return lambda unit, invocation: found.get((unit, invocation))


def _waiting(names: Names, listed: Iterable[UnitStatus]) -> set[str]:
    """The units that a daemon has stopped, for they could not be started, and that nobody has started since."""
    try:
        paused = Instance(names).paused.all()
    except OSError:  # no daemon has ever run
        return set()
    return {*paused} - {unit.name for unit in listed if not unit.at_rest}


def _notes(notes: UnitNotes) -> dict[str, str]:
    """What a daemon has noted of units."""
    try:
        return notes.all()
    except OSError:  # no daemon has ever run
        return {}


def seen(names: Names, groups: Mapping[str, ResourceGroup], level: str | None) -> dict[str, Seen]:
    """What the units of groups say about a request; none if systemd cannot be asked.

    Args:
        names: the unit names of the instance.
        groups: the groups by name, with the lines that their units were made from.
        level: the level that is asked for; None for the one that each group is at.
    """
    try:
        return asyncio.run(all_seen(names, groups, level))
    except (BusError, TimeoutError):
        return {}


async def all_seen(names: Names, groups: Mapping[str, ResourceGroup], level: str | None) -> dict[str, Seen]:
    """What the units of groups say about a request; as `seen`, within a loop. TimeoutError, BusError as `units_of`."""
    async with units_of(names, groups) as (units, _):
        return {name: _seen(group, level) for name, group in units.items()}


def _seen(group: GroupUnits, level: str | None) -> Seen:
    return Seen(group.active_tags(), remedies_at(group, level), failures(group))
