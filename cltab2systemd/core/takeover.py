"""The start of a daemon: what an earlier one left, and what a boot leaves to be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.core.settlement import is_at_halt_level
from cltab2systemd.core.tablesource import TableRefusedError
from cltab2systemd.events import By
from cltab2systemd.groups.lifecycle import Event
from cltab2systemd.groups.state import State
from cltab2systemd.terminal import printable
from cltab2systemd.units.names import HALT_LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cltab2systemd.core.applier import Applier
    from cltab2systemd.core.boot import Boot
    from cltab2systemd.core.group import Group
    from cltab2systemd.core.membership import Membership
    from cltab2systemd.core.observer import Observer
    from cltab2systemd.core.pacer import Pacer
    from cltab2systemd.disk.instance import Instance
    from cltab2systemd.groups.state import GroupStatus
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.units.names import Names


class Takeover:
    """Takes over an earlier daemon's groups, what its clstat showed, and what it did not finish.

    At the first start of a boot, these are the generator's groups, and what it could not bring up.

    Args:
        names: the unit names of the instance.
        groups: all groups by name; they are added here.
        instance: its state on disk; open.
        bus: its connection to systemd.
        applier: puts units on disk.
        observer: knows how groups are.
        pacer: slows down what is started in vain.
        membership: knows the lines that each group is to have.
    """

    def __init__(
        self,
        names: Names,
        groups: dict[str, Group],
        instance: Instance,
        bus: Bus,
        *,
        applier: Applier,
        observer: Observer,
        pacer: Pacer,
        membership: Membership,
    ) -> None:
        self._names = names
        self._groups = groups
        self._instance = instance
        self._bus = bus
        self._applier = applier
        self._observer = observer
        self._pacer = pacer
        self._membership = membership

    async def perform(self, shown: Iterable[GroupStatus], boot: Boot | None) -> dict[str, tuple[str, By]]:
        """Take over. From then on the units are the daemon's.

        Args:
            shown: what clstat shows.
            boot: brings groups up at the boot of the machine; None if this daemon does not.

        Returns:
            The groups that are to be moved now, each with its level, and on whose account.
        """
        boots = boot is not None and await self._bus.persist(boot.notice)
        self._groups.update({group.name: group for group in await self._applier.recover()})
        for status in shown:
            # At the first start of a boot, a clstat that is there tells of the boot before.
            if status.group in self._groups and not self._instance.is_first_start:
                group = self._groups[status.group]
                group.status = group.told = status
                group.since = status.since
                if status.state in {State.DONE, State.PASSED}:
                    self._observer.probe.trust(group.applied, status.level, self._names)
        unfinished = self._instance.destinations.all()
        for name in unfinished.keys() - self._groups.keys():  # gone since; if it comes back, nothing starts it
            self._instance.destinations.forget(name)
            del unfinished[name]
        for name, level in unfinished.items():
            self._groups[name].happens(Event.FOUND, level)
        unfinished |= {
            group.name: HALT_LEVEL
            for group in self._groups.values()
            if group.status is not None and group.status.state is State.HALTING
        }
        self._take_over_held()
        self._pacer.resume()
        self._observer.probe.resume()
        await self._bus.persist(lambda: self._observer.refresh(self._groups))
        # clstat may not tell of a halt: perhaps the disk was full.
        unfinished |= await self._bus.persist(self._halts)
        stale = [group for group in self._groups.values() if not group.active and not group.is_installed]
        await self._applier.apply({group: group.applied for group in stale})
        self._membership.doubt_all()
        await self._read_first(boot)
        due = await self._boot_levels(boot) if boot is not None and boots else {}
        self._instance.take_over()
        return {
            name: (level, By.RESUMED if name in unfinished else By.BOOT)
            for name, level in (due | unfinished).items()
            if name in self._groups and (level == HALT_LEVEL or self._is_to_move(self._groups[name]))
        }

    def _is_to_move(self, group: Group) -> bool:
        """Whether a group is to be asked for a level. One that has left the table is then refused, if it is active."""
        return group.active or not self._membership.has_left(group)

    def _halts(self) -> dict[str, str]:
        return {group.name: HALT_LEVEL for group in self._groups.values() if is_at_halt_level(group)}

    async def _read_first(self, boot: Boot | None) -> None:
        try:
            await self._membership.reread(None, always=False)
        except TableRefusedError as error:
            consequence = "the groups stay as they are" if self._groups else "no group can be started"
            if boot is not None and await self._membership.take_lines(boot.last_good_lines()):
                consequence = "using the last good table"
            events.REFUSED_TABLE(why=f"{printable(error.summary)}; {consequence}")

    async def _boot_levels(self, boot: Boot) -> dict[str, str]:
        """Note which groups are to come to which boot level, so that the next daemon can go on; returns them."""
        await self._bus.persist(lambda: self._observer.refresh(self._groups))
        levels = await self._bus.persist(lambda: boot.levels(self._groups.values(), self._membership.wanted))
        for name, level in levels.items():
            self._groups[name].happens(Event.DUE, level)
        return levels

    def _take_over_held(self) -> None:
        """Take over the units that an earlier daemon held. Their start may be under way; they are let go after it."""
        for unit in sorted(self._instance.held.all()):
            group = self._groups.get(self._names.group_of(unit) or "")
            if group is None:
                self._instance.held.discard([unit])
            else:
                group.held |= {unit}
