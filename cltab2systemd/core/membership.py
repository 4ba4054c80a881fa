"""Which groups there are, and which lines each is to have: what the table says, and what is applied of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cltab2systemd import events, oserrors
from cltab2systemd.core.group import Group
from cltab2systemd.events import Asker, By
from cltab2systemd.groups import advice
from cltab2systemd.groups.lifecycle import Event, Phase
from cltab2systemd.systemd.buserrors import BusError
from cltab2systemd.table.model import ResourceGroup

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping

    from cltab2systemd.core.applier import Applier
    from cltab2systemd.core.observer import Observer
    from cltab2systemd.core.request import Request
    from cltab2systemd.core.tablesource import TableSource
    from cltab2systemd.disk.instance import Instance
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.table.model import Table
    from cltab2systemd.table.tablefiles import TableFiles


class Membership:
    """The groups of an instance: those of the table, and those that have left it and still run.

    Args:
        groups: all of them by name. Groups are added here, and removed.
        source: the table.
        instance: its state on disk; open.
        bus: its connection to systemd.
        applier: puts units on disk.
        observer: knows how groups are.
        spawn: runs work beside everything else.
        on_table: called with each new table that takes effect, its files, and who asks; also if only comments are new.
        on_retired: called with a group that has left the table, and is to be stopped for good, and on whose account;
            returns the request.
        on_gone: called when a group is no more.
    """

    def __init__(
        self,
        groups: dict[str, Group],
        source: TableSource,
        instance: Instance,
        bus: Bus,
        *,
        applier: Applier,
        observer: Observer,
        spawn: Callable[[Coroutine[None, None, None]], asyncio.Task[None]],
        on_table: Callable[[Table, TableFiles, Asker | None], Awaitable[None]],
        on_retired: Callable[[Group, Asker], Request],
        on_gone: Callable[[], None],
    ) -> None:
        self._groups = groups
        self._source = source
        self._instance = instance
        self._bus = bus
        self._applier = applier
        self._observer = observer
        self._spawn = spawn
        self._on_table = on_table
        self._on_retired = on_retired
        self._on_gone = on_gone
        self._leaving: dict[str, Group] = {}  # groups that are about to be removed
        self._unapplied: set[str] = set()  # groups whose lines, or units, may not be those of the table

    def doubt_all(self) -> None:
        """Take no group to have the table's lines: the daemon has just started, and does not know."""
        self._unapplied = set(self._groups)

    def wanted(self, group: Group) -> ResourceGroup:
        """The table's lines of a group. They are those that it has while no table is accepted, or a cluster has it."""
        if not self._source.accepted or group.left_to_cluster:
            return group.applied
        return self._source.table.group(group.name)

    def has_left(self, group: Group) -> bool:
        """Whether the table does not have a group any more, and no cluster has it, either."""
        return not self.wanted(group).entries

    def lines_for(self, group: Group) -> ResourceGroup:
        """The lines that the present request of a group gives it: the table's, but on the way back from a trial.

        Then they are those of before, but for entries that another group takes meanwhile: none runs twice.
        """
        lines = None if group.request is None else group.request.lines
        if lines is None:
            return self.wanted(group)
        taken = self.taken(group, lines)
        left = tuple(entry for entry in lines.entries if entry.tag not in taken)
        return replace(lines, entries=left) if left else self.wanted(group)

    def taken(self, group: Group, lines: ResourceGroup) -> frozenset[str]:
        """The tags of lines of a group that another one has by now, and may run, or that it is to have by its request.

        Of two groups that go back from trials to the same entry, the one has it to which the table gives it.
        """
        others = [other for other in self._groups.values() if other is not group]
        own = {entry.tag for entry in self.wanted(group).entries}
        taken = {entry.tag for other in others for entry in other.applied.entries}
        for other in others:
            if other.request is not None and not other.halting:
                back = other.request.lines
                taken |= {entry.tag for entry in (back or self.wanted(other)).entries} - (own if back else set())
        return frozenset(taken & {entry.tag for entry in lines.entries})

    def others(self, group: Group) -> Iterator[Group]:
        """The groups that may still run an entry that the table now has in this one.

        A group that is left to a cluster takes no entries from others, so there are none for it.
        """
        if not group.left_to_cluster:
            yield from (
                self._groups[name] for name in sorted(self._unapplied & self._groups.keys()) if name != group.name
            )

    def has_moved(self, group: Group) -> None:
        """Take note that a request for the group has been carried out, with the lines that were wanted."""
        if group.left_to_cluster:
            return
        if self.wanted(group) != group.applied:  # they are those from before a trial
            self._unapplied.add(group.name)
        elif group.is_installed:
            self._unapplied.discard(group.name)

    async def take_lines(self, lines: Mapping[str, ResourceGroup]) -> bool:
        """Apply lines of the last good table to groups that have none. Returns whether there were such groups."""
        new = {
            Group(name, self._instance.destinations): group for name, group in lines.items() if name not in self._groups
        }
        await self._applier.apply(new)
        self._groups.update({group.name: group for group in new})
        return bool(new)

    def waiting(self) -> list[Group]:
        """The active groups of the table that do not have its lines yet, in its order."""
        groups = (self._groups.get(name) for name in self._source.table.groups)
        return [group for group in groups if group is not None and self.is_waiting(group)]

    def is_waiting(self, group: Group) -> bool:
        """Whether an active group does not have the table's lines yet, however it is."""
        if not group.active or group.halting or group.name not in self._source.table.groups:
            return False
        return group.applied != self.wanted(group) or not group.is_installed

    async def reread(self, asker: Asker | None, *, always: bool, retire: bool = False) -> tuple[str, ...]:
        """Read the table if it changed, or `always`, and apply it to all groups that are not active.

        An active group keeps its lines until its own request. A group that left the table goes on, until somebody has
        it retire. A cluster that has started it has to stop it itself in any case, or it would take the group for
        stopped in order.

        Args:
            asker: who has the table read, if it is known.
            always: whether it is read also if it has not changed.
            retire: whether groups that have left the table are stopped.

        Returns:
            Notes for whoever asked: what becomes of groups that have left the table.

        Raises:
            TableRefusedError: the table has errors; nothing was changed.
        """
        async with self._applier.table_lock:
            may_be_empty = not any(group.active for group in self._groups.values())
            before = self._source.files
            changed = self._source.refresh(may_be_empty=may_be_empty, always=always)
            if changed:
                self._unapplied = {*self._groups, *self._source.table.groups}
            if changed or self._source.files != before:  # comments are in the copy, and in its digest
                await self._on_table(self._source.table, self._source.files, asker)
            asker = replace(asker or Asker(), by=By.TABLE)
            return await self._apply_table(asker, retire=retire) if self._unapplied else ()

    async def _apply_table(self, asker: Asker, *, retire: bool) -> tuple[str, ...]:
        wanted = self._source.table.groups
        notes = self._leave_to_cluster()
        for name in sorted(self._unapplied - self._groups.keys()):
            self._groups[name] = Group(name, self._instance.destinations)
        self._note_given_away()  # first, for the disk may not take what comes now
        await self._bus.persist(lambda: self._observer.refresh(sorted(self._unapplied)))
        unapplied = [self._groups[name] for name in sorted(self._unapplied) if name in self._groups]
        await self._applier.apply(
            {
                group: wanted[group.name]
                for group in unapplied
                if group.name in wanted
                and not group.active
                and not (group.is_installed and group.applied == wanted[group.name])
            }
        )
        self._unapplied = {
            group.name for group in unapplied if group.applied != wanted.get(group.name) or not group.is_installed
        }
        self._note_given_away()
        retired = [group for group in self._groups.values() if group.name not in wanted and not group.left_to_cluster]
        return (*notes, *(note for group in retired for note in self._retire(group, asker if retire else None)))

    def _leave_to_cluster(self) -> list[str]:
        """See which groups a cluster has started that have left the table. Returns notes on those that are new.

        The cluster stops such a group by its present lines. They have the level for that, with an umount perhaps.
        """
        notes = []
        for group in self._groups.values():
            was_left = group.left_to_cluster
            is_gone = group.name not in self._source.table.groups and bool(group.applied.entries)
            group.left_to_cluster = is_gone and self._instance.is_of_cluster(group.name)
            if group.left_to_cluster and not was_left:
                events.LEFT_TO_CLUSTER(group=group.name)
                notes.append(f"{group.name} has left the table, and stays until the cluster that started it stops it")
        return notes

    def _note_given_away(self) -> None:
        """Note the applied entries of each group that the table has in another group. Its request may stop them."""
        owners = {entry.tag: entry.group for entry in self._source.table.entries}
        for group in self._groups.values():
            may_lose = group.name in self._unapplied and not group.left_to_cluster
            tags = (entry.tag for entry in group.applied.entries) if may_lose else ()
            given_away = frozenset(tag for tag in tags if owners.get(tag, group.name) != group.name)
            if given_away != group.given_away:  # and so is what its level has
                group.given_away = given_away
                self._observer.refresh_soon([group.name])

    def _retire(self, group: Group, asker: Asker | None) -> list[str]:
        """Stop a group that left the table, if somebody asks for that; then its units and its line in clstat go.

        Returns notes on that, such as that it ends a trial, or on a group that goes on; none if nothing of it runs.
        """
        if not group.active:
            self.forget_soon(group)
            return []
        if group.halting:
            return []
        if asker is None:
            return [advice.on_left_group(group.name, group.shown_level)]
        request = self._on_retired(group, asker)
        return [f"{group.name} has left the table, and is being stopped", *request.notes]

    def forget_soon(self, group: Group) -> None:
        """Remove a group of which nothing runs, unless the table has it by then, or somebody has started it."""
        is_under_way = bool(self._leaving)
        self._leaving[group.name] = group
        if not is_under_way:
            self._spawn(self._forget_leaving())

    async def _forget_leaving(self) -> None:
        """Remove all of these at a time. A reload of systemd's for each would keep requests waiting for all of them."""
        async with self._applier.table_lock:
            leaving, self._leaving = self._leaving, {}
            due = gone = [group for group in leaving.values() if self._is_due(group)]
            try:
                await self._bus.persist(lambda: self._observer.refresh([group.name for group in due]))
                gone = [group for group in due if self._goes(group)]
                await self._applier.apply({group: ResourceGroup(group.name) for group in gone})
            except (BusError, OSError) as error:
                for group in gone:
                    self._keep(group, error)
                return
            for group in gone:
                self._groups.pop(group.name, None)
                self._unapplied.discard(group.name)
            self._on_gone()

    def _is_due(self, group: Group) -> bool:
        """Whether a group that was to be removed still is."""
        is_known = self._groups.get(group.name) is group
        return is_known and group.request is None and self.has_left(group)

    def _goes(self, group: Group) -> bool:
        """Have a group that is to be removed go; False if it cannot, or if somebody has just started it by hand."""
        if group.active:
            return False
        try:
            group.happens(Event.FORGOTTEN)
        except OSError as error:
            self._keep(group, error)
            return False
        return True

    @staticmethod
    def _keep(group: Group, error: BusError | OSError) -> None:
        """A group whose units cannot be removed now stays; the next time that the table is read it is tried again."""
        told = oserrors.worded(error) if isinstance(error, OSError) else error
        events.UNITS_REMAIN(group=group.name, why=told)
        if group.life.phase is Phase.GONE:
            group.happens(Event.KEPT)
