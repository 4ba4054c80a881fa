"""Who has stopped single entries by hand: through the daemon, which knows, or otherwise, which the journal may know.

It is known of a run of a unit, and forgotten with it: when the unit is started again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.core.group import now_in_microseconds
from cltab2systemd.groups.culprit import Culprit, Run, noted, parsed
from cltab2systemd.systemd.kernel import clock_offset

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import TypeAlias

    from cltab2systemd.disk.marks import UnitNotes
    from cltab2systemd.events import Asker
    from cltab2systemd.groups.reasons import Reason
    from cltab2systemd.groups.state import GroupStatus
    from cltab2systemd.groups.units import GroupUnits
    from cltab2systemd.units.names import Names

    # Asks the journal who has ended runs; the answer is by unit. It comes within some seconds.
    Search: TypeAlias = Callable[[Sequence[Run]], Awaitable[Mapping[str, Culprit]]]

# Seconds that the end of a request waits for what the journal knows; and runs that it is asked about at a time.
_PATIENCE = 1.5
_MOST = 100


@dataclass(slots=True)
class _Known:
    """What is known of the end of one unit."""

    invocation: str  # the run that it is about
    culprit: Culprit | None = None
    sought_until: float = 0.0  # until when an answer is waited for, in seconds; then it is only taken if it comes


class Culprits:
    """Knows who has stopped entries.

    Args:
        names: the unit names of the instance.
        notes: what is known, for the next daemon.
        search: asks the journal; None if there is none.
        look_at: has the group of a unit looked at in a moment.
    """

    def __init__(self, names: Names, notes: UnitNotes, search: Search | None, look_at: Callable[[str], None]) -> None:
        self._names = names
        self._notes = notes
        self._search = search
        self._look_at = look_at
        self._known: defaultdict[str, dict[str, _Known]] = defaultdict(dict)  # by group and unit
        self._wanted: dict[str, Run] = {}  # by unit: what the journal is to be asked about
        self._searching: asyncio.Task[None] | None = None

    def resume(self) -> None:
        """Go on with what an earlier daemon has noted."""
        for unit, text in self._notes.all().items():
            found = parsed(text)
            if found is not None and self._names.group_of(unit) is not None:
                self._of_group(unit)[unit] = _Known(*found)
            else:
                with suppress(OSError):
                    self._notes.discard(unit)

    def asks(self, asker: Asker, unit: str, invocation: str) -> None:
        """Take note for whom a run of a unit is being stopped."""
        if asker.uid is not None:
            user = asker.user or str(asker.uid)
            culprit = Culprit(now_in_microseconds() + clock_offset(), user, asker.uid, asker.pid, asker.command)
            self._note(unit, _Known(invocation, culprit))

    def of(self, unit: str, invocation: str) -> Culprit | None:
        """Who has stopped a run of a unit; None if nobody knows, or nobody has."""
        known = self._of_group(unit).get(unit)
        return known.culprit if known is not None and known.invocation == invocation else None

    def is_sought(self, unit: str) -> bool:
        """Whether the journal is being asked about a unit, and may yet answer in time."""
        known = self._of_group(unit).get(unit)
        return known is not None and known.culprit is None and asyncio.get_running_loop().time() < known.sought_until

    def look(self, group: GroupUnits, status: GroupStatus | None) -> None:
        """Forget what is over, and have the journal asked who has stopped what has just been stopped."""
        of_group = self._known[group.group]
        for unit in [unit for unit, known in of_group.items() if _is_over(group, unit, known.invocation)]:
            del of_group[unit]
            with suppress(OSError):
                self._notes.discard(unit)
        if self._search is None or status is None:
            return
        for reason in status.reasons:
            attempt = reason.attempt
            if attempt.may_be_by_hand and attempt.invocation and attempt.by is None and reason.unit not in of_group:
                self._seek(group, reason)

    def _seek(self, group: GroupUnits, reason: Reason) -> None:
        unit, status = reason.unit, group.units.get(reason.unit)
        if status is None or status.job or status.active == "deactivating":
            return  # when it is at rest, the journal has all of it
        loop, offset, probe = asyncio.get_running_loop(), clock_offset(), group.probe
        ended = max(probe.process(unit).ended_at, probe.inactive_time(unit))
        self._known[group.group][unit] = _Known(reason.attempt.invocation, None, loop.time() + _PATIENCE)
        self._wanted[unit] = Run(
            unit, self._names.slice(group.group), probe.started_time(unit) + offset, ended + offset
        )
        if self._searching is None or self._searching.done():
            self._searching = loop.create_task(self._search_all())

    async def _search_all(self) -> None:
        assert self._search is not None
        while self._wanted:
            runs = [*self._wanted.values()][:_MOST]
            sought = {run.unit: self._of_group(run.unit).get(run.unit) for run in runs}
            for unit in sought:
                del self._wanted[unit]
            try:
                found = await self._search(runs)
            except Exception:  # noqa: BLE001
                events.FAULT(trace=True, why="while it read in the journal who has stopped entries")
                found = {}
            for unit, known in sought.items():
                if known is None or self._of_group(unit).get(unit) is not known:
                    continue  # it has been started again meanwhile, or stopped by somebody else
                known.sought_until = 0.0
                if unit in found:
                    known.culprit = found[unit]
                    self._note(unit, known)
                self._look_at(unit)

    def _note(self, unit: str, known: _Known) -> None:
        self._of_group(unit)[unit] = known
        if known.culprit is not None:
            with suppress(OSError):  # only the next daemon does not know of it then
                self._notes.write(unit, noted(known.invocation, known.culprit))

    def _of_group(self, unit: str) -> dict[str, _Known]:
        return self._known[self._names.group_of(unit) or ""]


def _is_over(group: GroupUnits, unit: str, invocation: str) -> bool:
    """Whether a unit has been started again since a run, or runs on, for the stop has been cancelled, or is gone."""
    status = group.units.get(unit)
    if status is None or (status.runs and status.sub == "running"):
        return True
    return group.probe.invocation(unit) != invocation
