"""The control daemon's core: what a request does, in which order, and when its outcome is known.

systemd holds all the state. A request is one start job of a level target; what the daemon keeps is which lines of the
table each group's units were made from (on disk, by `store`), which level clstat shows, and who waits for what.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cltab2systemd.bus import BusRefusedError, BusUnavailableError
from cltab2systemd.compiler import compile_group
from cltab2systemd.groupstate import HALT_LEVEL, GroupStatus, GroupUnits, State, UnitStatus, group_status
from cltab2systemd.names import LONGEST_UNIT_NAME
from cltab2systemd.tablesource import TableRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from cltab2systemd.bus import Bus
    from cltab2systemd.names import Names
    from cltab2systemd.store import Store
    from cltab2systemd.table import Entry
    from cltab2systemd.tablesource import TableSource

log = logging.getLogger(__name__)

# At most one look at systemd in this time, so that a burst of signals costs one list and not one each. Seconds.
_REFRESH_INTERVAL = 0.01


class NoSuchGroupError(Exception):
    """Neither the table nor what runs has this group."""

    def __init__(self, group: str) -> None:
        super().__init__(f"no such group: {group}")
        self.group = group


class SwitchRefusedError(Exception):
    """The switch cannot begin; the text says why and what to do."""


class SupersededError(Exception):
    """A later request, a halt, or somebody at systemctl took the group elsewhere."""


class Request:
    """One request for a group: `started` and `outcome` are set once each, with a result or an exception."""

    def __init__(self, group: str, level: str) -> None:
        loop = asyncio.get_running_loop()
        self.group = group
        self.level = level
        self.started: asyncio.Future[None] = loop.create_future()
        self.outcome: asyncio.Future[GroupStatus] = loop.create_future()
        self.task: asyncio.Task[None] | None = None
        # Nobody may be waiting, and that is fine.
        self.started.add_done_callback(_retrieve)
        self.outcome.add_done_callback(_retrieve)

    def fail(self, error: Exception) -> None:
        """End the request, wherever it is."""
        if self.task is not None:
            self.task.cancel()
        if not self.started.done():
            self.started.set_exception(error)
        if not self.outcome.done():
            self.outcome.set_exception(error)


def _retrieve(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


class Group:
    """One group: its applied entries, what clstat shows of it, and the request at work on it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.applied: tuple[Entry, ...] = ()
        self.current = False  # the units on disk are those of the applied lines, as this version writes them
        self.status: GroupStatus | None = None
        self.request: Request | None = None
        # Entries are being stopped under the old units, new ones are being installed, nothing is started yet.
        self.emptying = False
        self.units: GroupUnits | None = None
        self.changed = asyncio.Event()

    @property
    def active(self) -> bool:
        """Whether the group is at a level, anything of it runs, or a request is at work on it."""
        return self.request is not None or (self.units is not None and self.units.is_active())


class Controller:
    """All groups of one instance.

    Args:
        names: the unit names of the instance.
        source: its table.
        store: its files; open.
        bus: its connection to systemd; `unit_changed` and `reconnected` are to be called by it.
        on_status: called with all lines of clstat, at each change.
    """

    def __init__(
        self,
        names: Names,
        source: TableSource,
        store: Store,
        on_status: Callable[[tuple[GroupStatus, ...]], None],
    ) -> None:
        self.names = names
        self.source = source
        self.store = store
        self.bus: Bus
        self._on_status = on_status
        self._groups: dict[str, Group] = {}
        self._table_lock = asyncio.Lock()
        self._reload_lock = asyncio.Lock()
        self._reload_ticket = self._reload_done = 0
        self._unapplied: set[str] = set()  # groups whose applied lines are not those of the table
        self._dirty: set[str] = set()
        self._refresh_handle: asyncio.TimerHandle | None = None
        self._last_refresh = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._shown: tuple[GroupStatus, ...] = ()
        self._halting = False

    # -- life ----------------------------------------------------------------------------------------------------

    async def begin(self, bus: Bus, shown: Iterable[GroupStatus]) -> None:
        """Take over what an earlier daemon left: the applied groups, and what its clstat showed of them."""
        self.bus = bus
        for name, entries in self.store.applied().items():
            self._group(name).applied = entries
        for status in shown:
            if status.group in self._groups:
                self._groups[status.group].status = status
        await bus.connect()
        if self.store.reload_needed:
            await self._reload()
        self._refresh(self._groups)
        for group in self._groups.values():
            group.current = self.store.is_installed(self._compile(group.name, group.applied))
        stale = [group for group in self._groups.values() if not group.active and not group.current]
        await self._install({group.name: group.applied for group in stale})
        self._unapplied = set(self._groups)
        try:
            await self.reread()
        except TableRefusedError as error:
            log.error("%s; %s", error, "the groups stay as they are" if self._groups else "no group can be started")  # noqa: TRY400
        self._publish(force=True)

    @property
    def statuses(self) -> tuple[GroupStatus, ...]:
        """The lines of clstat, in the order of the table."""
        order = {name: index for index, name in enumerate(self.source.table.groups)}
        known = [group.status for group in self._groups.values() if group.status is not None]
        return tuple(sorted(known, key=lambda status: order.get(status.group, len(order))))

    # -- requests ------------------------------------------------------------------------------------------------

    async def switch(self, group: str, level: str) -> Request:
        """Move a group to a level; returns when the transition has started.

        Raises:
            TableRefusedError: the table has errors; nothing was changed.
            NoSuchGroupError: neither the table nor what runs has the group.
            SwitchRefusedError: systemd cannot do it.
            SupersededError: another request for the group came before this one could start.
        """
        self._check_level(group, level)
        if self._halting:
            raise SwitchRefusedError("all groups are halting, and then the daemon ends; start it again first")
        await self.reread()
        if group not in self._groups or (group not in self.source.table.groups and level != HALT_LEVEL):
            raise NoSuchGroupError(group)
        log.info("%s: going to level %s", group, level)
        return await self._started(self._request(self._groups[group], level))

    async def reread(self) -> None:
        """Read the table if it changed, and apply it to all groups that are not active.

        Groups that left the table are stopped. An active group keeps its lines until its own request.
        TableRefusedError: the table has errors; nothing was changed.
        """
        async with self._table_lock:
            if self.source.refresh(may_be_empty=not any(group.active for group in self._groups.values())):
                self._unapplied = {*self._groups, *self.source.table.groups}
            if self._unapplied:
                await self._apply()

    async def _apply(self) -> None:
        """Apply the table to all groups that are not active, and stop those that it no longer has."""
        wanted = self.source.table.groups
        for name in self._unapplied:
            self._group(name)
        self._refresh(self._unapplied)
        self._unapplied = {name for name in self._unapplied if self._groups[name].applied != wanted.get(name, ())}
        await self._install({name: wanted[name] for name in self._unapplied if self._can_apply(name)})
        for name in [name for name in self._groups if name not in wanted]:
            self._retire(self._groups[name])

    def _can_apply(self, name: str) -> bool:
        return name in self.source.table.groups and not self._groups[name].active

    async def halt(self) -> list[Request]:
        """Stop all groups; returns when all are going, with a request for each that waits for its end."""
        self._halting = True
        self._refresh(self._groups)
        requests = [self._request(group, HALT_LEVEL) for group in self._groups.values() if group.active]
        for request in requests:
            with suppress(SwitchRefusedError):
                await self._started(request)
        return requests

    def _check_level(self, group: str, level: str) -> None:
        if not level or any(character in level for character in " \t\n\r\f\v\0"):
            raise SwitchRefusedError(f"not a level: {level!r}; a level is a name without blanks")
        if len(self.names.barrier(group, level)) > LONGEST_UNIT_NAME:
            raise SwitchRefusedError(f"the names of group and level are too long: at most {LONGEST_UNIT_NAME} bytes")

    def _request(self, group: Group, level: str) -> Request:
        if group.request is not None:
            group.request.fail(SupersededError(f"a later request took {group.name} to level {level}"))
        request = group.request = Request(group.name, level)
        request.task = self._spawn(self._carry_out(group, request))
        return request

    async def _started(self, request: Request) -> Request:
        await asyncio.shield(request.started)
        return request

    async def _carry_out(self, group: Group, request: Request) -> None:
        group.emptying = False
        try:
            wanted = self.source.table.groups.get(group.name, ())
            if request.level != HALT_LEVEL:
                await self._stop_moved(group, wanted)
                if wanted != group.applied or not group.current:
                    await self._replace_units(group, wanted, request)
            async with self._reload_lock:  # a start while units are being reloaded would wait for it in a blocking call
                self._start(group, request.level)
            group.emptying = False
            self._refresh([group.name])
            if not request.started.done():
                request.started.set_result(None)
        except (BusUnavailableError, BusRefusedError) as error:
            self._refused(group, request, SwitchRefusedError(f"systemd refuses: {error}"))
        except SwitchRefusedError as error:
            self._refused(group, request, error)
        except OSError as error:
            self._refused(group, request, SwitchRefusedError(f"cannot write the units of {group.name}: {error}"))
        finally:
            if group.request is request:
                group.emptying = False

    def _refused(self, group: Group, request: Request, error: Exception) -> None:
        log.error("%s: %s", group.name, error)
        if group.request is request:
            group.request = None
        request.fail(error)
        self._mark_dirty(group.name)

    def _start(self, group: Group, level: str) -> None:
        """Queue the start of a level target, once all that orders it is known to be in place."""
        names = self.names
        target, barrier = names.level(group.name, level), names.barrier(group.name, level)
        points = [names.first_gate(group.name), *(names.gate(group.name, e.tag) for e in group.applied if e.runnable)]
        for unit in self.bus.load_units([target, barrier, *points]):
            if unit.load != "loaded":
                raise SwitchRefusedError(
                    f"{unit.name} is {unit.load}, and {group.name} cannot be switched in order without it; "
                    f"see 'systemctl status {unit.name}'"
                )
        self.bus.start(target)

    # -- units on disk -------------------------------------------------------------------------------------------

    async def _replace_units(self, group: Group, wanted: tuple[Entry, ...], request: Request) -> None:
        """Stop what may not outlive its definition, under the old units; then install the new ones."""
        unchanged = set(wanted)
        leaving = [
            self.names.entry(group.name, entry.tag)
            for entry in group.applied
            if entry not in unchanged or not (entry.runnable and request.level in entry.levels)
        ]
        # A change of the levels alone restarts nothing.
        kept = {
            self.names.entry(group.name, new.tag)
            for new in wanted
            for old in group.applied
            if (new.tag, new.mode, new.command) == (old.tag, old.mode, old.command)
            and new.runnable
            and request.level in new.levels
        }
        present = self.bus.list_units(self.names.all_patterns(group.name))
        for unit in present:
            if unit.job_id:
                self.bus.cancel(unit.job_id)
        going = {*leaving} - kept
        stopping = [unit.name for unit in present if unit.name in going and not unit.at_rest]
        if stopping:
            group.emptying = True
            self._stop(stopping)
            self._refresh([group.name])
            if not request.started.done():
                request.started.set_result(None)
            await self._until_at_rest(group, stopping)
        async with self._table_lock:
            await asyncio.shield(self._spawn(self._install({group.name: wanted})))

    async def _stop_moved(self, group: Group, wanted: tuple[Entry, ...]) -> None:
        """Stop entries of this group that still run in another one, which they have left in the table."""
        tags = {entry.tag for entry in wanted}
        for other in [self._groups[name] for name in self._unapplied if name in self._groups]:
            moved = {self.names.entry(other.name, entry.tag) for entry in other.applied if entry.tag in tags}
            if other is group or not moved:
                continue
            present = self.bus.list_units(self.names.patterns(other.name))
            stopping = [unit.name for unit in present if unit.name in moved and not unit.at_rest]
            self._stop(stopping)
            await self._until_at_rest(other, stopping)

    def _stop(self, units: Iterable[str]) -> None:
        for unit in units:
            self.bus.stop(unit)

    async def _until_at_rest(self, group: Group, units: Iterable[str]) -> None:
        self._refresh([group.name])
        while not self._are_at_rest(group, units):
            group.changed.clear()
            await group.changed.wait()

    def _are_at_rest(self, group: Group, units: Iterable[str]) -> bool:
        known: Mapping[str, UnitStatus] = group.units.units if group.units is not None else {}
        return all(unit not in known or known[unit].at_rest for unit in units)

    def _compile(self, group: str, entries: tuple[Entry, ...]) -> Mapping[str, bytes]:
        return compile_group(self.names, self.source.path, group, entries) if entries else {}

    async def _install(self, groups: Mapping[str, tuple[Entry, ...]]) -> None:
        """Put the units of groups on disk and have systemd load them; a group without entries is removed."""
        if not groups:
            return
        changed = self.store.install({name: (lines, self._compile(name, lines)) for name, lines in groups.items()})
        for name, entries in groups.items():
            group = self._group(name)
            group.applied, group.current = entries, True
            if entries == self.source.table.groups.get(name, ()):
                self._unapplied.discard(name)
        if changed:
            await self._reload()

    async def _reload(self) -> None:
        """Have systemd load what is on disk now; one reload at a time serves all who wait for it."""
        self._reload_ticket += 1
        ticket = self._reload_ticket
        async with self._reload_lock:
            if self._reload_done >= ticket:
                return
            newest = self._reload_ticket
            await self.bus.daemon_reload()
            self._reload_done = newest
            if newest == self._reload_ticket:
                self.store.reloaded()

    def _retire(self, group: Group) -> None:
        """Stop a group that left the table; then its units and its line in clstat go."""
        if group.request is not None and group.request.level == HALT_LEVEL:
            return
        if not group.active:
            self._spawn(self._remove_units(group))
            return
        log.info("%s: left the table, stopping", group.name)
        self._request(group, HALT_LEVEL)

    def _forget(self, group: Group) -> None:
        self._groups.pop(group.name, None)
        self._unapplied.discard(group.name)
        self._publish()

    # -- status --------------------------------------------------------------------------------------------------

    def unit_changed(self, unit: str) -> None:
        """Something about a unit changed, says systemd."""
        group = self.names.group_of(unit)
        if group is not None and group in self._groups:
            self._mark_dirty(group)

    def reconnected(self) -> None:
        """The connection to systemd is new: whatever happened in between was missed."""
        for group in self._groups:
            self._mark_dirty(group)

    def _mark_dirty(self, group: str) -> None:
        self._dirty.add(group)
        if self._refresh_handle is None:
            loop = asyncio.get_running_loop()
            due = max(loop.time(), self._last_refresh + _REFRESH_INTERVAL)
            self._refresh_handle = loop.call_at(due, self._refresh_dirty)

    def _refresh_dirty(self) -> None:
        self._refresh_handle = None
        self._last_refresh = asyncio.get_running_loop().time()
        try:
            self._refresh(self._dirty)
        except (BusUnavailableError, BusRefusedError) as error:
            log.warning("cannot ask systemd for the state of units: %s", error)
            if self.bus.connected:  # else reconnected() marks all groups
                self._last_refresh += 1.0
                for group in list(self._dirty):
                    self._mark_dirty(group)

    def _refresh(self, groups: Iterable[str]) -> None:
        """Ask systemd how groups are, and draw the conclusions."""
        asked = [self._groups[name] for name in groups if name in self._groups]
        if not asked:
            return
        units: dict[str, dict[str, UnitStatus]] = {group.name: {} for group in asked}
        patterns = [pattern for group in asked for pattern in self.names.patterns(group.name)]
        for unit in self.bus.list_units(patterns):
            name = self.names.group_of(unit.name)
            if name in units:
                units[name][unit.name] = unit
        for group in asked:
            self._dirty.discard(group.name)
            self._conclude(group, units[group.name])
        self._publish()

    def _conclude(self, group: Group, units: dict[str, UnitStatus]) -> None:
        shown = group.status.level if group.status is not None else None
        group.units = GroupUnits(self.names, group.name, group.applied, units, self.bus)
        status = group_status(group.units, shown)
        request = group.request
        if group.emptying and shown is not None:
            halting = request is not None and request.level == HALT_LEVEL
            status = GroupStatus(group.name, shown, State.HALTING if halting else State.STOPPING)
        if status != group.status and status is not None:
            log.log(
                logging.INFO if status.state.settled else logging.DEBUG,
                "%s: level %s %s", group.name, status.level, status.state,
            )  # fmt: skip
        group.status = status
        group.changed.set()
        if request is not None and request.started.done() and not group.emptying:
            self._settle(group, request, status)
        if group.request is None:
            self._reset_failed(group)

    def _settle(self, group: Group, request: Request, status: GroupStatus | None) -> None:
        """End a request whose outcome is known."""
        if request.level == HALT_LEVEL:
            self._settle_halt(group, request, status)
        elif status is None or status.state is State.CONFIGURED:
            group.request = None
            request.fail(SupersededError(f"{group.name} was stopped before it reached level {request.level}"))
        elif status.state.settled or status.level != request.level:
            if status.state is State.STOPPING:
                return
            group.request = None
            if status.level == request.level:
                request.outcome.set_result(status)
            else:
                request.fail(SupersededError(f"{group.name} was taken to level {status.level} instead"))

    def _settle_halt(self, group: Group, request: Request, status: GroupStatus | None) -> None:
        if group.units is None:
            return
        if status is not None and status.state is State.HALTING:
            target = group.units.units.get(self.names.level(group.name, HALT_LEVEL))
            if target is not None and target.active == "active" and not target.job:
                # All entries are gone. The marker takes the level targets along, which refuse a stop by hand.
                self.bus.stop(self.names.unnamed(group.name))
            return
        if group.units.is_active():
            return
        group.request = None
        request.outcome.set_result(status or GroupStatus(group.name, HALT_LEVEL, State.CONFIGURED))
        if group.name not in self.source.table.groups:
            self._spawn(self._remove_units(group))

    async def _remove_units(self, group: Group) -> None:
        async with self._table_lock:
            if group.name not in self.source.table.groups and group.request is None:
                await self._install({group.name: ()})
                self._forget(group)

    def _reset_failed(self, group: Group) -> None:
        """An entry that needed SIGTERM or SIGKILL ends failed: it was told to, so the machine is not degraded."""
        if group.units is None or group.status is None:
            return
        for entry in group.applied:
            unit = group.units.entry(entry)
            outside = not (entry.runnable and group.status.level in entry.levels) or not group.status.state.settled
            if unit is not None and unit.active == "failed" and not unit.job and outside:
                try:
                    self.bus.reset_failed(unit.name)
                except BusRefusedError as error:
                    log.debug("%s: %s", unit.name, error)

    def _publish(self, *, force: bool = False) -> None:
        statuses = self.statuses
        if force or statuses != self._shown:
            self._shown = statuses
            self._on_status(statuses)

    def _group(self, name: str) -> Group:
        return self._groups.setdefault(name, Group(name))

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)
        return task
