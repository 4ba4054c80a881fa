"""The control daemon's core: the groups, the table, the requests, and when their outcome is known.

systemd holds all the state. A request is one start job of a level target; what the daemon keeps is which lines of the
table each group's units were made from (on disk, by `store`), which level clstat shows, and who waits for what.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from cltab2systemd import oserrors
from cltab2systemd.daemon.group import Group, NoSuchGroupError, Request, SupersededError, SwitchRefusedError
from cltab2systemd.daemon.observer import Observer
from cltab2systemd.daemon.pacer import Pacer
from cltab2systemd.daemon.switcher import Switcher
from cltab2systemd.daemon.tablesource import TableRefusedError
from cltab2systemd.groups import advice
from cltab2systemd.groups.state import GroupStatus, State, settled_level, survivors
from cltab2systemd.systemd.bus import BusError
from cltab2systemd.systemd.kernel import Kernel
from cltab2systemd.table.model import ResourceGroup
from cltab2systemd.terminal import printable
from cltab2systemd.units.names import HALT_LEVEL, LONGEST_UNIT_NAME

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping

    from cltab2systemd.daemon.applier import Applier
    from cltab2systemd.daemon.boot import Boot
    from cltab2systemd.daemon.tablesource import TableSource
    from cltab2systemd.disk.store import Store
    from cltab2systemd.groups.units import UnitStatus
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.table.model import Table
    from cltab2systemd.units.names import Names

log = logging.getLogger(__name__)

_HALTING = "all groups are halting, and then the daemon ends; start it again first"


class Controller:
    """All groups of one instance.

    Args:
        names: the unit names of the instance.
        source: its table.
        store: its files; open.
        bus: its connection to systemd; connected.
        applier: puts its units on disk.
        on_status: called with all lines of clstat, at each change.
        on_table: called with each new table that takes effect, and its bytes.
        kernel: what knows the processes, if it is not this machine's.
    """

    def __init__(
        self,
        names: Names,
        source: TableSource,
        store: Store,
        bus: Bus,
        applier: Applier,
        *,
        on_status: Callable[[tuple[GroupStatus, ...]], None],
        on_table: Callable[[Table, bytes], Awaitable[None]],
        kernel: Kernel | None = None,
    ) -> None:
        self.names = names
        self._source = source
        self._store = store
        self._bus = bus
        self._applier = applier
        self._on_status = on_status
        self._on_table = on_table
        self._groups: dict[str, Group] = {}
        self._unapplied: set[str] = set()  # groups whose lines, or units, may not be those of the table
        self._pacer = Pacer(names, bus, store, self._try_again, self._look_at)
        self._observer = Observer(
            names,
            self._groups,
            bus,
            self._pacer,
            kernel or Kernel(),
            on_observed=self._settle,
            on_refreshed=self._publish,
        )
        self._switcher = Switcher(names, store, bus, applier, self._observer)
        self._table_lock = self._switcher.table_lock
        self._tasks: set[asyncio.Task[None]] = set()
        self._shown: tuple[GroupStatus, ...] = ()
        self._halting = False

    async def begin(self, shown: Iterable[GroupStatus], boot: Boot | None = None) -> None:
        """Take over what an earlier daemon left: its groups, what its clstat showed, and what it did not finish.

        At the first start of a boot, the generator's groups, and what it could not bring up.
        """
        boots = boot is not None and await self._bus.persist(boot.notice)
        self._groups.update({group.name: group for group in await self._applier.recover()})
        for status in shown:
            # Before the boot no group was what it is now.
            if status.group in self._groups and not self._store.is_first_start:
                self._groups[status.group].status = status
        unfinished = self._store.emptied()
        for name in unfinished.keys() - self._groups.keys():  # gone since; if it comes back, it is at no level
            self._store.forget_emptied(name)
            del unfinished[name]
        unfinished |= {
            group.name: HALT_LEVEL
            for group in self._groups.values()
            if group.status is not None and group.status.state is State.HALTING
        }
        for name, level in unfinished.items():
            if level != HALT_LEVEL:  # as its daemon left it, until we have gone on with it
                self._groups[name].interrupted, self._groups[name].emptying = level, True
                self._groups[name].emptied = None
        self._take_over_held()
        self._pacer.resume()
        await self._bus.persist(lambda: self._observer.refresh(self._groups))
        # Clstat may not tell of a halt: the disk was full, say.
        unfinished |= {group.name: HALT_LEVEL for group in self._groups.values() if self._is_at_halt_level(group)}
        stale = [group for group in self._groups.values() if not group.active and not group.current]
        await self._applier.apply({group: group.applied for group in stale})
        self._unapplied = set(self._groups)
        await self._read_first(boot)
        if boot is not None and boots:
            unfinished = await self._boot_levels(boot) | unfinished
        self._store.take_over()
        for name, level in unfinished.items():
            if name in self._groups and (level == HALT_LEVEL or self._wanted(self._groups[name]).entries):
                log.info("%s: going on to level %s", name, level)
                self._request(self._groups[name], level)
        self._publish(force=True)

    async def _read_first(self, boot: Boot | None) -> None:
        try:
            await self.reread()
        except TableRefusedError as error:
            consequence = "the groups stay as they are" if self._groups else "no group can be started"
            if boot is not None and await self._take_lines(boot.last_good_lines()):
                consequence = "using the last good table"
            log.error("%s; %s", printable(error.summary), consequence)  # noqa: TRY400

    async def _take_lines(self, lines: Mapping[str, ResourceGroup]) -> bool:
        """Take lines of another table than the one that clients push, for groups that have none; whether any did."""
        new = {Group(name): group for name, group in lines.items() if name not in self._groups}
        await self._applier.apply(new)
        self._groups.update({group.name: group for group in new})
        return bool(new)

    async def _boot_levels(self, boot: Boot) -> dict[str, str]:
        """Which groups are to come to which boot level, noted so that the next daemon goes on if this one cannot."""
        await self._bus.persist(lambda: self._observer.refresh(self._groups))
        levels = await self._bus.persist(lambda: boot.levels(self._groups.values(), self._wanted))
        for name, level in levels.items():
            self._store.note_emptied(name, level)
            self._groups[name].interrupted, self._groups[name].emptying = level, True
        return levels

    def _take_over_held(self) -> None:
        """What an earlier daemon has held for a start that may still be under way; it is let go when that is over."""
        for unit in self._store.held.all():
            group = self._groups.get(self.names.group_of(unit) or "")
            if group is None:
                self._store.held.discard([unit])
            else:
                group.held |= {unit}

    def look_at_processes(self) -> None:
        """See what no signal tells; to be called now and then."""
        try:
            self._observer.look_at_processes()
        except BusError as error:
            log.debug("processes: %s", error)

    @property
    def statuses(self) -> tuple[GroupStatus, ...]:
        """The lines of clstat, in the order of the table."""
        order = {name: index for index, name in enumerate(self._source.table.groups)}
        known = [group.status for group in self._groups.values() if group.status is not None]
        return tuple(sorted(known, key=lambda status: order.get(status.group, len(order))))

    # What clients ask for

    async def switch(self, name: str, level: str, *, strict: bool = False) -> Request:
        """Move a group to a level; returns when the transition has started.

        Args:
            name: the group.
            level: the level.
            strict: whether a level that no entry names is refused.

        Raises:
            TableRefusedError: the table has errors; nothing was changed.
            NoSuchGroupError: neither the table nor what runs has the group.
            SwitchRefusedError: systemd cannot do it.
            SupersededError: another request for the group came before this one could start.
        """
        # As they came, first: escaped, 64 KiB of them would take megabytes.
        if max(len(name), len(level)) > LONGEST_UNIT_NAME or len(self.names.barrier(name, level)) > LONGEST_UNIT_NAME:
            raise SwitchRefusedError(f"the names of group and level are too long: at most {LONGEST_UNIT_NAME} bytes")
        if not level or any(character in level for character in " \t\n\r\f\v\0"):
            raise SwitchRefusedError(f"not a level: {level!r}; a level is a name without blanks")
        notes: tuple[str, ...] = ()
        if not self._halting:
            notes = await self.reread()
        if self._halting:  # perhaps since a moment ago
            raise SwitchRefusedError(_HALTING)
        group = self._groups.get(name)
        if group is None or (name not in self._source.table.groups and not group.left_to_cluster):
            raise NoSuchGroupError(name, advice.on_group(name, self._source.table))
        if doubt := advice.on_level(self._wanted(group), level):
            if strict:
                raise SwitchRefusedError(doubt)
            notes = (*notes, doubt)
        log.info("%s: going to level %s", name, level)
        request = self._request(group, level)
        request.notes += [*notes, *advice.on_own_units(self._store.own_units(group.applied))]
        await asyncio.shield(request.started)
        return request

    async def reread(self, *, always: bool = False) -> tuple[str, ...]:
        """Read the table if it changed, or `always`, and apply it to all groups that are not active.

        Groups that left the table are stopped, but for those that a cluster has started, and is to stop: it would take
        them for stopped in order. An active group keeps its lines until its own request.
        TableRefusedError: the table has errors; nothing was changed.

        Returns:
            Notes for whoever asked: what becomes of groups that have just left the table.
        """
        async with self._table_lock:
            may_be_empty = not any(group.active for group in self._groups.values())
            if self._source.refresh(may_be_empty=may_be_empty, always=always):
                self._unapplied = {*self._groups, *self._source.table.groups}
                await self._on_table(self._source.table, self._source.content)
            return await self._apply_table() if self._unapplied else ()

    async def halt(self) -> list[Request]:
        """Stop all groups; returns when all are going, with a request for each that waits for its end.

        Until `resume`, no group can be switched. SwitchRefusedError, BusError: not all of them can be stopped.
        """
        self._halting = True
        async with self._table_lock:  # whoever has it may be about to request a switch
            await self._bus.persist(lambda: self._observer.refresh(self._groups))
            requests = [self._request(group, HALT_LEVEL) for group in self._groups.values() if group.active]
            for group in self._groups.values():
                if not group.active and group.interrupted is not None:  # and no later daemon is to go on with it
                    self._store.forget_emptied(group.name)
                    group.interrupted = None
        for request in requests:
            await asyncio.shield(request.started)
        return requests

    def resume(self) -> None:
        """The halt has failed: groups can be switched again."""
        self._halting = False

    # The table

    async def _apply_table(self) -> tuple[str, ...]:
        wanted = self._source.table.groups
        notes = self._leave_to_cluster()
        for name in self._unapplied:
            self._groups.setdefault(name, Group(name))
        await self._bus.persist(lambda: self._observer.refresh(self._unapplied))
        unapplied = [self._groups[name] for name in self._unapplied if name in self._groups]
        await self._applier.apply(
            {
                group: wanted[group.name]
                for group in unapplied
                if group.name in wanted
                and not group.active
                and not (group.current and group.applied == wanted[group.name])
            }
        )
        self._unapplied = {
            group.name for group in unapplied if group.applied != wanted.get(group.name) or not group.current
        }
        self._note_given_away()
        retired = [group for group in self._groups.values() if group.name not in wanted and not group.left_to_cluster]
        notes += [f"{group.name} has left the table, and is being stopped" for group in retired if self._retire(group)]
        return tuple(notes)

    def _leave_to_cluster(self) -> list[str]:
        """See which groups left the table that a cluster has started, and is to stop; what is to be told of that now.

        Their level for stopped, with an umount perhaps, is in the lines that they have.
        """
        notes = []
        for group in self._groups.values():
            was_left = group.left_to_cluster
            is_gone = group.name not in self._source.table.groups and bool(group.applied.entries)
            group.left_to_cluster = is_gone and self._store.is_of_cluster(group.name)
            if group.left_to_cluster and not was_left:
                log.warning("%s: left the table; it stays until the cluster that started it stops it", group.name)
                notes.append(f"{group.name} has left the table, and stays until the cluster that started it stops it")
        return notes

    def _note_given_away(self) -> None:
        """Which applied entries of a group the table has in another one, whose request may stop them."""
        owners = {entry.tag: entry.group for entry in self._source.table.entries}
        for group in self._groups.values():
            may_lose = group.name in self._unapplied and not group.left_to_cluster
            tags = (entry.tag for entry in group.applied.entries) if may_lose else ()
            given_away = frozenset(tag for tag in tags if owners.get(tag, group.name) != group.name)
            if given_away != group.given_away:  # and so is what its level has
                group.given_away = given_away
                self._observer.refresh_soon([group.name])

    def _retire(self, group: Group) -> bool:
        """Stop a group that left the table; then its units and its line in clstat go. Whether that begins now."""
        if not group.active:
            self._spawn(self._forget(group))
            return False
        if group.halting:
            return False
        log.info("%s: left the table, stopping", group.name)
        self._request(group, HALT_LEVEL)
        return True

    async def _forget(self, group: Group) -> None:
        async with self._table_lock:
            if self._wanted(group).entries or group.request is not None:
                return
            try:
                await self._bus.persist(lambda: self._observer.refresh([group.name]))
                if group.active:  # somebody has just started it with systemctl
                    self._request(group, HALT_LEVEL)
                    return
                self._store.forget_emptied(group.name)  # first: a daemon that finds it would go on with the group
                await self._applier.apply({group: ResourceGroup(group.name)})
            except (BusError, OSError) as error:
                told = oserrors.worded(error) if isinstance(error, OSError) else error
                log.error("%s: its units cannot be removed now: %s", group.name, told)  # noqa: TRY400
                return
            self._groups.pop(group.name, None)
            self._unapplied.discard(group.name)
            self._publish()

    # Requests

    def _request(self, group: Group, level: str) -> Request:
        earlier, request = group.request, Request(group.name, level)
        if earlier is not None:
            earlier.replaced_by(request)
        group.request = request
        request.task = self._spawn(self._carry_out(group, request))
        return request

    async def _carry_out(self, group: Group, request: Request) -> None:
        others = [self._groups[name] for name in self._unapplied if name in self._groups and name != group.name]
        if group.left_to_cluster:  # which has what it has, and takes nothing from others
            others = []
        try:
            await self._switcher.carry_out(group, request, lambda: self._wanted(group), others)
            if self._wanted(group) == group.applied and group.current and not group.left_to_cluster:
                self._unapplied.discard(group.name)
        except BusError as error:
            await self._refuse(group, request, SwitchRefusedError(f"systemd refuses: {error}"))
        except SwitchRefusedError as error:
            await self._refuse(group, request, error)
        except OSError as error:
            told = oserrors.worded(error)
            await self._refuse(group, request, SwitchRefusedError(f"cannot write the units of {group.name}: {told}"))
        except Exception as error:
            log.exception("%s: going to level %s", group.name, request.level)
            await self._refuse(group, request, SwitchRefusedError(f"internal error, see the journal: {error!r}"))

    def _wanted(self, group: Group) -> ResourceGroup:
        """What the table says of a group; the lines it has as long as no table was accepted, or it is a cluster's."""
        if not self._source.accepted or group.left_to_cluster:
            return group.applied
        return self._source.table.group(group.name)

    async def _refuse(self, group: Group, request: Request, error: SwitchRefusedError) -> None:
        log.error("%s: %s", group.name, error)
        if group.request is request:
            group.request, group.emptying = None, False
            now = asyncio.get_running_loop().time()
            group.interrupted_at, group.broken_off = int(now * 1_000_000), str(error)
        try:
            await self._bus.persist(lambda: self._observer.refresh([group.name]))  # before the client hears of it
        except BusError:
            self._observer.refresh_soon([group.name])
        group.end(request, error)

    def _settle(self, group: Group) -> None:
        """End the request of a group whose units tell its outcome."""
        request, status = group.request, group.status
        # Not while a daemon that has just come takes over: it is about to go on with the group itself.
        left = request is None and not group.emptying and group.interrupted is not None
        if left and self._was_started_by_hand(group):
            group.interrupted = None
            self._store.forget_emptied(group.name)
            self._observer.refresh_soon([group.name])
        if group.emptying or (request is not None and not request.started.done()):
            return
        if group.held and (status is None or status.state.settled or status.state is State.CONFIGURED):
            self._let_go(group)
        if request is not None and request.level == HALT_LEVEL:
            self._settle_halt(group, request)
        elif request is not None:
            self._settle_switch(group, request)

    def _let_go(self, group: Group) -> None:
        """The start is over for which entries of a group were held."""
        try:
            self._store.held.discard(group.held)
        except OSError as error:
            log.warning("%s: what was held stays so for now: %s", group.name, oserrors.worded(error))
        else:
            group.held = frozenset()

    def _settle_switch(self, group: Group, request: Request) -> None:
        status = group.status
        if status is None or status.state is State.CONFIGURED:
            group.end(request, SupersededError(f"{group.name} was stopped before it reached level {request.level}"))
        elif status.state is State.STOPPING or (status.level == request.level and not status.state.settled):
            return
        elif status.level != request.level:
            group.end(request, SupersededError(f"{group.name} was taken to level {status.level} instead"))
        elif self._observer.is_certain(group):
            if not request.is_told:
                log.info("%s: level %s %s, as before", group.name, status.level, status.state)
            group.end(request, status)

    def _try_again(self, unit: str) -> bool:
        """Start a respawn entry that could not be started, if its group still wants it; False if it cannot be now."""
        group = self._groups.get(self.names.group_of(unit) or "")
        if group is None or group.request is not None or group.emptying or group.units is None:
            return False
        status = group.units.units.get(unit)
        level = settled_level(group.units)
        wanted = level is not None and any(group.units.name_of(entry) == unit for entry in group.units.members(level))
        if wanted and status is not None and status.at_rest:
            self._bus.start(unit)
        return True

    def _look_at(self, unit: str) -> None:
        self._observer.refresh_soon([self.names.group_of(unit) or ""])

    def _was_started_by_hand(self, group: Group) -> bool:
        """Whether somebody has started a level target with systemctl since the group was emptied and left so."""
        assert group.units is not None
        return any(
            (target.active == "active" or target.starting)
            and self._bus.condition_time(self.names.barrier(group.name, level)) > group.interrupted_at
            for level, target in group.units.levels().items()
        )

    def _settle_halt(self, group: Group, request: Request) -> None:
        assert group.units is not None
        target = group.units.units.get(self.names.level(group.name, HALT_LEVEL))
        is_reached = target is not None and target.active == "active" and not target.job
        # Somebody has started an entry when the level was left, or has cancelled the start of the level.
        is_past = (target is None or target.at_rest) and group.units.is_active() and not self._is_elsewhere(group)
        if is_reached or is_past:
            services = self._services(group)
            if any(not unit.at_rest and not unit.runs for unit in services):
                return  # still being stopped
            left = [unit.name for unit in services if unit.runs] + survivors(group.units, None)
            untried = [unit for unit in left if unit not in request.stopped]
            if not left:
                # All entries are gone. The marker takes the level targets along, which refuse a stop by hand.
                self._bus.stop(self.names.unnamed(group.name))
            elif untried:  # units that were made from other lines than the barrier's
                request.stopped.update(untried)
                for unit in untried:
                    self._bus.stop(unit)
                self._observer.refresh_soon([group.name])
            else:
                # Not with the marker, for then nothing would tell that it was to be stopped.
                why = f"{left[0]} does not stop, and so {group.name} is not halted; see 'systemctl status {left[0]}'"
                self._spawn(self._refuse(group, request, SwitchRefusedError(why)))
        elif not group.units.is_active():
            group.end(request, GroupStatus(group.name, group.shown_level or HALT_LEVEL, State.CONFIGURED))
            if not self._wanted(group).entries:
                self._spawn(self._forget(group))
        elif self._is_elsewhere(group):
            group.end(request, SupersededError(f"{group.name} was started while it was being halted"))

    @staticmethod
    def _is_at_halt_level(group: Group) -> bool:
        """Whether a group is at the level of a halt, or on its way there."""
        target = None if group.units is None else group.units.levels().get(HALT_LEVEL)
        return target is not None and not target.at_rest

    @classmethod
    def _is_elsewhere(cls, group: Group) -> bool:
        """Whether a group that is to be halted is at another level, or on its way to one."""
        assert group.units is not None
        levels = group.units.levels().values()
        return not cls._is_at_halt_level(group) and any(t.active == "active" or t.starting for t in levels)

    @staticmethod
    def _services(group: Group) -> list[UnitStatus]:
        """The services of a group, also those that none of its lines stand for any more."""
        assert group.units is not None
        prefix = group.units.names.entry_prefix
        units = group.units.units.values()
        return [unit for unit in units if unit.name.startswith(prefix) and unit.name.endswith(".service")]

    def _publish(self, *, force: bool = False) -> None:
        statuses = self.statuses
        if force or statuses != self._shown:
            self._shown = statuses
            self._on_status(statuses)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)
        return task
