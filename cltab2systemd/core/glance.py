"""A glance at a group and its entries, in pieces: there may be a thousand, and the daemon has others to serve."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING

from cltab2systemd.groups.overview import entry_overviews, group_overview
from cltab2systemd.groups.progress import progress

if TYPE_CHECKING:
    from cltab2systemd.core.group import Group
    from cltab2systemd.core.probe import UnitProbe
    from cltab2systemd.groups.overview import EntryOverview, GroupOverview
    from cltab2systemd.groups.trial import Trial
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.table.model import ResourceGroup

# How many entries are looked at before others have their turn.
_AT_A_TIME = 20


async def glance(
    group: Group, wanted: ResourceGroup, bus: Bus, probe: UnitProbe, trial: Trial | None = None
) -> GroupOverview:
    """An overview of a group whose units have been listed. BusError if systemd does not answer.

    Args:
        group: the group.
        wanted: what the table says of it now.
        bus: the connection to systemd.
        probe: tells of its units.
        trial: the one that it is on.
    """
    # All of one moment, whatever happens to the group meanwhile.
    units, status, since, tally = group.units, group.status, group.since, group.tally
    on, leaving, applied = group.way, group.leaving, group.applied
    assert units is not None
    so_far = None if on is None else await bus.persist(functools.partial(progress, units, probe, on, leaving))
    seen: list[EntryOverview] = []
    for first in range(0, len(units.entries), _AT_A_TIME):
        some = units.entries[first : first + _AT_A_TIME]
        seen += await bus.persist(functools.partial(entry_overviews, units, status, some, probe))
        await asyncio.sleep(0)
    return group_overview(
        units, status, wanted, tuple(seen), since, applied=applied, progress=so_far, tally=tally, trial=trial
    )
