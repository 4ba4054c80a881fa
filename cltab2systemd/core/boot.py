"""What the daemon does at its first start of a boot: what the generator could not do, for too little was mounted.

It does what the boot's own transaction would have done, and does it once. A group that somebody stops later stays
stopped.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cltab2systemd.check import loading
from cltab2systemd.disk.tables import TableUnreadableError, read_table
from cltab2systemd.locations import GOOD_TABLE, TABLE
from cltab2systemd.table.diagnostics import has_errors
from cltab2systemd.units.names import BOOT_TARGET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cltab2systemd.core.group import Group
    from cltab2systemd.disk.unitstore import UnitStore
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.table.model import ResourceGroup
    from cltab2systemd.units.names import Names


class Boot:
    """The boot that a daemon is a part of. Only the daemon of the system's own table has one, if systemd started it.

    Args:
        names: the unit names of the instance.
        units: its units on disk; open.
        bus: its connection to systemd; connected.
    """

    def __init__(self, names: Names, units: UnitStore, bus: Bus) -> None:
        self._names = names
        self._units = units
        self._instance = units.instance
        self._bus = bus

    def notice(self) -> bool:
        """Whether groups are to come to their boot levels now.

        They are if the machine is on its way to multi-user.target, and no daemon has taken over in this boot. They are
        not in rescue mode, nor if somebody starts the daemon of a machine that is up.

        If they are, that is noted on disk. A daemon that ends before `Instance.take_over` is followed by one that goes
        on.
        BusError if systemd does not tell.
        """
        if not self._instance.is_first_start:
            return False
        if not self._instance.boot_levels_due:
            if not any(unit.starting for unit in self._bus.load_units([BOOT_TARGET])):
                return False
            self._instance.note_boot_levels()
        return True

    def last_good_lines(self) -> Mapping[str, ResourceGroup]:
        """The groups of the last good table, if it is to stand in for one that is refused; else none.

        It stands in at the first start of a boot only, and only if the generator found no table, for the generator's
        choice stands. It does not stand in for a table that is not there: whoever removed that wants no groups.
        """
        if not self._instance.is_first_start or self._units.has_generated or not os.path.lexists(TABLE):
            return {}
        try:
            files, _ = read_table(GOOD_TABLE, trusted=True)
        except TableUnreadableError:
            return {}
        table, findings = loading.load_files(files.at(TABLE))
        return {} if has_errors(findings) else table.groups

    def levels(self, groups: Iterable[Group], wanted: Callable[[Group], ResourceGroup]) -> dict[str, str]:
        """The boot level of each group that the boot's transaction has not started, by group.

        BusError if systemd does not tell.
        """
        return {
            group.name: level
            for group in groups
            if group.status is None
            and (level := wanted(group).boot_level) is not None
            and not self._bus.condition_time(self._names.barrier(group.name, level))
        }
