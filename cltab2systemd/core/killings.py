"""Which entries had to be killed to stop them: the log is told of it, once for each stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.groups.endings import was_killed_late
from cltab2systemd.systemd.runsignal import Killing

if TYPE_CHECKING:
    from cltab2systemd.core.group import Group
    from cltab2systemd.core.probe import UnitProbe
    from cltab2systemd.groups.units import GroupUnits
    from cltab2systemd.systemd.runsignal import RunSignal
    from cltab2systemd.units.names import Names


class Killings:
    """Finds out who was killed.

    A signal of systemd's tells that, unless the processes have ended before systemd comes to send it. Then the main
    process tells it. Nothing may tell if only others were killed, or if the unit is restarted.

    Args:
        names: the unit names of the instance.
        probe: tells how main processes have ended.
    """

    def __init__(self, names: Names, probe: UnitProbe) -> None:
        self._names = names
        self._probe = probe
        self._killed: set[str] = set()  # units, as is to be told

    def saw(self, unit: str, seen: RunSignal | Killing) -> None:
        """Take note of what a signal says of a unit that is being stopped."""
        if isinstance(seen, Killing) or was_killed_late(seen.process):
            self._killed.add(unit)

    def look(self, group: Group, before: GroupUnits | None) -> None:
        """Tell of the entries of a group that has been looked at.

        Args:
            group: with its units as they are.
            before: its units at the look before, if there was one.
        """
        assert group.units is not None
        for name, unit in before.units.items() if before is not None else ():
            now = group.units.units.get(name)
            if unit.active != "deactivating" or now is None:
                continue
            if now.active == "failed" and was_killed_late(self._probe.process(name)):
                self._killed.add(name)
        if not self._killed:
            return
        # One that is being stopped still may yet be found killed by another sign, and is told once.
        stopping = {name for name, unit in group.units.units.items() if unit.active == "deactivating"}
        killed = {name for name in self._killed - stopping if self._names.group_of(name) == group.name}
        for entry in group.applied.entries:
            if (name := group.units.name_of(entry)) in killed:
                events.KILLED(
                    group=group.name, entry=entry.tag, mode=str(entry.mode), unit=name, request=group.request_id
                )
        self._killed -= killed
