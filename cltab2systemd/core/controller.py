"""The control daemon's core: the groups, the table, and the requests.

systemd holds the state: a request is one start job of a level target. The daemon keeps four things besides:

1. the lines of the table that each group's units were made from (on disk, by `disk`),
2. the level that clstat shows of each group,
3. the phase of each group (`groups.lifecycle`),
4. who waits for what.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from cltab2systemd.core.carrier import Carrier, unwritten
from cltab2systemd.core.culprits import Culprits
from cltab2systemd.core.entryrequest import tell_if_refused
from cltab2systemd.core.glance import glance
from cltab2systemd.core.hands import Hands
from cltab2systemd.core.membership import Membership
from cltab2systemd.core.observer import Observer
from cltab2systemd.core.pacer import Pacer
from cltab2systemd.core.preflights import Preflights
from cltab2systemd.core.request import NoSuchGroupError, Request, SwitchRefusedError, tell_rejected
from cltab2systemd.core.settlement import Settlement
from cltab2systemd.core.shown import Shown
from cltab2systemd.core.switcher import Switcher
from cltab2systemd.core.tablesource import TableRefusedError
from cltab2systemd.core.takeover import Takeover
from cltab2systemd.core.trials import Trials
from cltab2systemd.core.updates import Update, Updates
from cltab2systemd.core.watch import Watch
from cltab2systemd.events import Asker, By
from cltab2systemd.groups import advice
from cltab2systemd.groups.advice import Empty
from cltab2systemd.groups.lifecycle import HALT_ROWS, MARKED, Event, HaltEvent, Phase, Serving
from cltab2systemd.groups.refusals import Refusal
from cltab2systemd.groups.state import GroupStatus, settled_level
from cltab2systemd.systemd.buserrors import BusError
from cltab2systemd.systemd.kernel import Kernel
from cltab2systemd.table import declared
from cltab2systemd.units.names import HALT_LEVEL, LONGEST_UNIT_NAME

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable

    from cltab2systemd.core.applier import Applier
    from cltab2systemd.core.boot import Boot
    from cltab2systemd.core.culprits import Search
    from cltab2systemd.core.entryrequest import Action
    from cltab2systemd.core.group import Group
    from cltab2systemd.core.tablesource import TableSource
    from cltab2systemd.core.trials import Running
    from cltab2systemd.disk.unitstore import UnitStore
    from cltab2systemd.groups.overview import GroupOverview
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.table.model import Table
    from cltab2systemd.table.tablefiles import TableFiles

log = logging.getLogger(__name__)

_HALTING = "all groups are halting, and then the daemon ends; start it again first"


class Controller:
    """All groups of one instance.

    Args:
        source: the table of the instance.
        units: its units on disk; open.
        bus: its connection to systemd; connected.
        applier: puts its units on disk.
        on_status: called with all lines of clstat, at each change.
        on_moment: called when only what will be otherwise in a moment has changed.
        on_table: called with each new table that takes effect, its files, and who asks.
        kernel: tells of processes; None for this machine's.
        search: asks the journal who has stopped entries; None if nobody is to be asked.
        service: the unit that this daemon is started by; empty for none.
    """

    def __init__(
        self,
        source: TableSource,
        units: UnitStore,
        bus: Bus,
        applier: Applier,
        *,
        on_status: Callable[[tuple[GroupStatus, ...]], None],
        on_table: Callable[[Table, TableFiles, Asker | None], Awaitable[None]],
        on_moment: Callable[[], None] = lambda: None,
        kernel: Kernel | None = None,
        search: Search | None = None,
        service: str = "",
    ) -> None:
        self._units, instance = units, units.instance
        self.names, self.source = (names := instance.names), source
        self._bus, self._applier = bus, applier
        self._groups: dict[str, Group] = {}
        self._shown = Shown(self._groups, source, on_status, on_moment)
        self._pacer = Pacer(names, bus, instance.paused, self._try_again, self._look_at)
        self._culprits = Culprits(names, instance.stopped, search, self._look_at)
        self._observer = Observer(
            names, self._groups, bus, self._pacer, kernel or Kernel(), culprits=self._culprits,
            restless=instance.restless, on_observed=self._settle, on_refreshed=self._shown.publish,
        )  # fmt: skip
        self._preflights = Preflights(names, bus, applier, self._observer)
        switcher = Switcher(names, instance.held, bus, applier, self._observer, preflights=self._preflights)
        self._settlement = Settlement(
            names, instance.held, bus, self._pacer, self._observer.probe,
            is_sought=self._culprits.is_sought, look_soon=self._observer.refresh_soon,
            on_refused=lambda group, request, error: self._spawn(self._carrier.refuse(group, request, error)),
            on_stopped=self._stopped, go_on=lambda group: self._stop_for_good(group, Asker(By.RESUMED)),
        )  # fmt: skip
        self._hands = Hands(
            names, bus, self._pacer, self._observer, self._settlement, culprits=self._culprits,
            preflights=self._preflights,
        )  # fmt: skip
        self._membership = Membership(
            self._groups, source, instance, bus, applier=applier, observer=self._observer, spawn=self._spawn,
            on_table=on_table, on_retired=self._stop_for_good, on_gone=self._shown.publish,
        )  # fmt: skip
        self._trials = Trials(
            self._groups, instance, bus, self._membership, service, take_back=self._request, on_change=on_moment
        )
        self.updates = Updates(self._groups, self._membership, source, self._observer, bus, request=self._request)
        self._carrier = Carrier(bus, switcher, self._membership, self._observer, on_moved=self._trials.has_moved)
        self._tasks: set[asyncio.Task[None]] = set()
        self._serving = Serving.SERVING

    async def begin(self, shown: Iterable[GroupStatus], boot: Boot | None = None) -> None:
        """Take over what an earlier daemon left, and go on with it; see `Takeover`."""
        self._culprits.resume()
        self._preflights.clear_up()
        takeover = Takeover(
            self.names, self._groups, self._units.instance, self._bus, applier=self._applier, observer=self._observer,
            pacer=self._pacer, membership=self._membership,
        )  # fmt: skip
        self._trials.load()
        due = await takeover.perform(shown, boot)
        gone_back = self._trials.take_over()
        for name, (level, by) in due.items():
            if name not in gone_back:
                self._request(self._groups[name], level, Asker(by))
        self._shown.publish(force=True)

    def look_at_processes(self) -> None:
        """Look for what no signal tells. To be called now and then."""
        try:
            self._observer.look_at_processes()
        except BusError as error:
            log.debug("processes: %s", error)

    @property
    def statuses(self) -> tuple[GroupStatus, ...]:
        """The lines of clstat, in the order of the table."""
        return self._shown.statuses

    @property
    def names_of_groups(self) -> tuple[str, ...]:
        """All groups: those of the table in its order, then those that have left it and are still there."""
        return self._shown.names

    async def overview(self, name: str) -> GroupOverview:
        """A group and its entries as they are. NoSuchGroupError; BusError if systemd does not answer."""
        group = await self._bus.persist(lambda: self._observed(name))
        wanted, trial = self._membership.wanted(group), self._trials.of(name)
        return await glance(group, wanted, self._bus, self._observer.probe, trial)

    async def quiet(self) -> None:
        """Wait until systemd can be asked."""
        await self._bus.quiet()

    @property
    def reloads(self) -> int:
        """How often systemd could not be asked, for a daemon-reload or so, and can again."""
        return self._observer.reloads

    def _observed(self, name: str) -> Group:
        """A group with its units, as far as signals tell. NoSuchGroupError; BusError."""
        group = self._known(name)
        if group.units is None or group.units.entries != group.applied.entries:
            self._observer.refresh([name])
        self._observer.refresh_if_due(name)
        return group

    def _known(self, name: str) -> Group:
        """A group. NoSuchGroupError if there is none."""
        if name not in self._groups:
            raise NoSuchGroupError(name, advice.on_group(name, self.source.table.groups))
        return self._groups[name]

    # What clients ask for

    async def switch(self, name: str, level: str, *, empty: Empty = Empty.ANY, asker: Asker | None = None) -> Request:
        """`ask` for a switch; returns when the transition has started. What is raised of a request's start, too."""
        request = await self.ask(name, level, empty=empty, asker=asker)
        await asyncio.shield(request.started)
        return request

    async def ask(
        self,
        name: str,
        level: str,
        *,
        empty: Empty = Empty.ANY,
        trial: float | None = None,
        asker: Asker | None = None,
    ) -> Request:
        """Ask for a move of a group to a level. The request's `started` tells when the transition has started.

        Args:
            name: the group.
            level: the level.
            empty: which levels that no entry names may be asked for.
            trial: seconds from now in which the move is to be confirmed, or it is taken back; None if it is for good.
            asker: who asks, if it is known.

        Raises:
            TableRefusedError: the table has errors; nothing was changed.
            NoSuchGroupError: neither the table nor what runs has the group.
            SwitchRefusedError: systemd cannot do it.
            SupersededError: another request for the group came before this one could start.
        """
        asker, running, asked = asker or Asker(), None, asyncio.get_running_loop().time()
        try:
            group, notes = await self._admit(name, level, asker, empty=empty)
            if trial is not None:
                running = self._trials.note(group, level, int((asked + trial) * 1_000_000), asker)
        except (TableRefusedError, NoSuchGroupError, SwitchRefusedError, BusError, OSError) as error:
            tell_rejected(name, level, asker, error)
            raise
        request = self._request(group, level, asker, running)
        request.notes += [*notes, *advice.on_own_units(self._units.own_units(group.applied))]
        return request

    async def _admit(
        self, name: str, level: str, asker: Asker | None, *, empty: Empty
    ) -> tuple[Group, tuple[str, ...]]:
        """The group of a request that can be begun with, and notes for whoever asks; errors as for `ask`."""
        # First by the lengths as they came: to escape names of 64 KiB would take megabytes.
        if max(len(name), len(level)) > LONGEST_UNIT_NAME or len(self.names.barrier(name, level)) > LONGEST_UNIT_NAME:
            raise SwitchRefusedError(
                Refusal.LONG_NAME, f"the names of group and level are too long: at most {LONGEST_UNIT_NAME} bytes"
            )
        if not level or any(character in level for character in " \t\n\r\f\v\0"):
            raise SwitchRefusedError(Refusal.BAD_LEVEL, f"not a level: {level!r}; a level is a name without blanks")
        notes: tuple[str, ...] = ()
        if self._serving is Serving.SERVING:
            notes = await self.reread(asker=asker)
        if self._serving is not Serving.SERVING:  # perhaps since a moment ago
            raise SwitchRefusedError(Refusal.HALTING, _HALTING)
        group = self._known(name)
        if name not in self.source.table.groups and not group.left_to_cluster:
            raise NoSuchGroupError(name, advice.on_left_group(name, group.shown_level) if group.active else "")
        wanted = self._membership.wanted(group)
        if doubt := advice.on_level(wanted, level, empty):
            if advice.is_refused(wanted, empty):
                is_undeclared = declared.is_refused(wanted, level)
                raise SwitchRefusedError(Refusal.UNDECLARED_LEVEL if is_undeclared else Refusal.UNNAMED_LEVEL, doubt)
            notes = (*notes, doubt)
        return group, notes

    def keep(self, name: str, asker: Asker) -> str:
        """Confirm the trial of a group; see `Trials.keep`. NoSuchGroupError, too."""
        return self._trials.keep(self._known(name), asker)

    def notes_on_trial(self, name: str) -> list[str]:
        """What whoever has begun a trial is told."""
        return self._trials.notes(name)

    def watch(self) -> Watch:
        """What somebody who begins to watch now sees of groups on their way."""
        return Watch(self._groups, self._observer.probe)

    async def act(self, name: str, action: Action, tags: Collection[str], asker: Asker) -> asyncio.Future[GroupStatus]:
        """Stop or restart single entries of a group; see `Hands.begin`. NoSuchGroupError, too."""
        with tell_if_refused(name, action, tags, asker):
            if self._serving is not Serving.SERVING:
                raise SwitchRefusedError(Refusal.HALTING, _HALTING)
            return await self._hands.begin(self._known(name), action, tags, asker)

    async def reread(
        self, *, always: bool = False, retire: bool = False, asker: Asker | None = None
    ) -> tuple[str, ...]:
        """Read the table if it changed, or `always`, and apply it; see `Membership.reread`."""
        return await self._membership.reread(asker, always=always, retire=retire)

    async def update(self, asker: Asker) -> tuple[list[Update], tuple[str, ...]]:
        """Begin to update all groups; see `Updates.begin`. SwitchRefusedError if they are halting."""
        if self._serving is not Serving.SERVING:
            raise SwitchRefusedError(Refusal.HALTING, _HALTING)
        return await self.updates.begin(asker)

    async def halt(self, asker: Asker | None = None) -> list[Request]:
        """Begin to stop all groups. Until `resume`, no group can be switched.

        Args:
            asker: who asks, if it is known.

        Returns:
            When all groups are going: a request for each of them, whose outcome is its end.

        Raises:
            SwitchRefusedError, BusError: not all groups can be stopped.
        """
        self._happens(HaltEvent.REQUESTED)
        async with self._applier.table_lock:  # whoever holds it may be about to request a switch
            await self._bus.persist(lambda: self._observer.refresh(self._groups))
            asker = replace(asker or Asker(), by=By.HALT)
            requests = [self._request(group, HALT_LEVEL, asker) for group in self._groups.values() if group.active]
            for group in self._groups.values():
                if not group.active:  # the next daemon must not go on with it
                    self._trials.halted(group)
                    if group.life.phase in MARKED:
                        group.happens(Event.HALTED)
        for request in requests:
            await asyncio.shield(request.started)
        return requests

    def resume(self) -> None:
        """The halt has failed. Groups can be switched again."""
        self._happens(HaltEvent.REFUSED)

    def retire(self) -> None:
        """The halt has ended. Nothing more is done for any group."""
        self._happens(HaltEvent.ENDED)

    def _happens(self, event: HaltEvent) -> None:
        self._serving = HALT_ROWS[self._serving, event]

    # Requests

    def _request(self, group: Group, level: str, asker: Asker, trial: Running | None = None) -> Request:
        """Begin with a request; the one before ends, unless this one cannot even be noted on disk.

        `trial` is the one for which the group goes there, or back.
        """
        target = self.names.level(group.name, level)
        earlier, request = group.request, Request(group.name, level, asker, group.level, target, on_end=group.count)
        request.tell_begin()
        self._trials.follow(group, request, trial)
        was_halting = group.halting and group.life.phase is Phase.MOVING
        try:
            group.happens(Event.REQUESTED, level)
        except OSError as error:
            refused = unwritten(group.name, error)
            request.tell_end(refused)
            if group.life.phase is Phase.RESUMED:  # and nobody else goes on with it
                group.happens(Event.REFUSED, why=str(refused))
                self._observer.refresh_soon([group.name])
            request.fail(refused)
            return request
        group.request = request
        group.supersede_halt(was_under_way=was_halting)
        superseding = request.supersession(is_serving=self._serving is Serving.SERVING)
        self._hands.give_way(group, superseding)
        if earlier is not None:
            earlier.replaced_by(request, superseding)
        request.task = self._spawn(self._carrier.carry_out(group, request))
        return request

    def _stop_for_good(self, group: Group, asker: Asker) -> Request:
        return self._request(group, HALT_LEVEL, asker)

    def _settle(self, group: Group) -> None:
        self._settlement.settle(group)
        self._trials.look(group)

    def _stopped(self, group: Group) -> None:
        """A group has been stopped for good."""
        if self._membership.has_left(group):
            self._membership.forget_soon(group)

    def _try_again(self, unit: str) -> bool:
        """Start a respawn entry that could not be started, if its group still wants it; False if it cannot be now."""
        group = self._groups.get(self.names.group_of(unit) or "")
        if group is None or group.request is not None or group.life.phase in MARKED or group.units is None:
            return False
        status = group.units.units.get(unit)
        level = settled_level(group.units)
        wanted = level is not None and any(group.units.name_of(entry) == unit for entry in group.units.members(level))
        if wanted and status is not None and status.at_rest:
            self._bus.start(unit)
        return True

    def _look_at(self, unit: str) -> None:
        self._observer.refresh_soon([self.names.group_of(unit) or ""])

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)
        return task
