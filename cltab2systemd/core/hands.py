"""What people do to single entries of a group that is at its level: stop them, or restart them.

A request for the group takes over from this at any time, and starts what it wants.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.core.entryrequest import Action, EntryRequest
from cltab2systemd.core.request import Request, SupersededError, SwitchRefusedError
from cltab2systemd.groups import advice
from cltab2systemd.groups.beginnings import is_under_way
from cltab2systemd.groups.entrycommands import move_command
from cltab2systemd.groups.lifecycle import MARKED
from cltab2systemd.groups.progress import Handling, ProgressPhase
from cltab2systemd.groups.refusals import Refusal, Supersession
from cltab2systemd.groups.state import State, stays_at
from cltab2systemd.systemd.buserrors import BusError
from cltab2systemd.table.model import levels_meant
from cltab2systemd.table.spelling import Spellings
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Collection

    from cltab2systemd.core.culprits import Culprits
    from cltab2systemd.core.group import Group
    from cltab2systemd.core.observer import Observer
    from cltab2systemd.core.pacer import Pacer
    from cltab2systemd.core.preflights import Preflights
    from cltab2systemd.core.settlement import Settlement
    from cltab2systemd.events import Asker
    from cltab2systemd.groups.state import GroupStatus
    from cltab2systemd.groups.units import UnitStatus
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.table.model import Entry
    from cltab2systemd.units.names import Names


class Hands:
    """Stops and restarts single entries.

    Args:
        names: the unit names of the instance.
        bus: its connection to systemd.
        pacer: starts respawn entries again that were started in vain.
        observer: knows how groups are.
        settlement: tells when a group is certain to have settled.
        culprits: takes note of who has stopped entries.
        preflights: runs what has to hold before anything is stopped.
    """

    def __init__(
        self,
        names: Names,
        bus: Bus,
        pacer: Pacer,
        observer: Observer,
        settlement: Settlement,
        *,
        culprits: Culprits,
        preflights: Preflights,
    ) -> None:
        self._names = names
        self._bus = bus
        self._pacer = pacer
        self._culprits = culprits
        self._preflights = preflights
        self._observer = observer
        self._settlement = settlement
        self._at_work: dict[str, EntryRequest] = {}

    async def begin(
        self, group: Group, action: Action, tags: Collection[str], asker: Asker
    ) -> asyncio.Future[GroupStatus]:
        """Begin with an action.

        Args:
            group: the group.
            action: what is done.
            tags: of which entries.
            asker: who asks.

        Returns:
            How the group is afterwards; fails with SwitchRefusedError, SupersededError or BusError.

        Raises:
            SwitchRefusedError: the group has no such entry, is not at a level that has it, or is at work; or an entry
                is to be restarted whose unit systemd would not start.
            BusError: systemd cannot be asked.
        """

        def admit() -> tuple[str, tuple[Entry, ...]]:
            self._observer.refresh([group.name])
            if group.name in self._at_work:
                raise SwitchRefusedError(
                    Refusal.ON_ITS_WAY, f"entries of {group.name} are being stopped or restarted; try again then"
                )
            level = _level_of(group)
            entries = _entries(group, level, tags)
            if action is Action.RESTART:
                self._require_units(group, entries)
            return level, entries

        level, entries = await self._bus.persist(admit)  # and nobody comes in between
        request = EntryRequest(self._names, group.name, level, action, entries=entries, asker=asker)
        self._at_work[group.name] = request
        request.tell_begin()
        request.task = asyncio.get_running_loop().create_task(self._carry_out(group, request))
        return request.outcome

    def _require_units(self, group: Group, entries: tuple[Entry, ...]) -> None:
        """SwitchRefusedError if systemd would stop one of the entries, and not start it again."""
        for unit in self._bus.load_units(self._names.entry(group.name, entry.tag) for entry in entries):
            if unit.load != "loaded":
                raise SwitchRefusedError(
                    Refusal.BAD_UNIT,
                    f"{unit.name} is {unit.load}, and could not be started again; "
                    f"{advice.on_unusable_unit(unit.name, unit.load)}",
                )

    def give_way(self, group: Group, code: Supersession) -> None:
        """End what is at work on a group, for something else takes over."""
        request = self._at_work.pop(group.name, None)
        if request is None:
            return
        if request.task is not None:
            request.task.cancel()
        group.handling = None
        request.end(SupersededError(code, f"a later request for {group.name} has taken over"))

    async def _carry_out(self, group: Group, request: EntryRequest) -> None:
        units = tuple(self._names.entry(group.name, entry.tag) for entry in request.entries)
        phase = ProgressPhase.CHECKING if request.action is Action.RESTART else ProgressPhase.STOPPING
        group.handling = handling = Handling(request.level, phase, units, request=request.id)
        try:
            if request.action is Action.RESTART:
                await self._preflights.before_restart(group, request.entries)
                group.handling = handling = replace(handling, phase=ProgressPhase.RESTARTING)
                await self._restart(group, request.entries, handling)
            else:
                await self._stop(group, units, request.asker)
            group.handling = replace(handling, phase=ProgressPhase.SETTLING)
            await self._bus.persist(lambda: self._observer.refresh([group.name]))
            status = await self._settled(group, request.level)
        except (BusError, SwitchRefusedError, SupersededError, OSError) as error:
            self._end(group)
            request.end(error)
        except Exception as error:  # noqa: BLE001
            events.FAULT(trace=True, group=group.name, why=f"while it was to {request.action} entries of {group.name}")
            self._end(group)
            request.end(SwitchRefusedError(Refusal.INTERNAL, f"internal error, see the journal: {error!r}"))
        else:
            self._end(group)
            request.end(status)

    def _end(self, group: Group) -> None:
        group.handling = None
        self._at_work.pop(group.name, None)
        self._observer.refresh_soon([group.name])

    async def _stop(self, group: Group, units: tuple[str, ...], asker: Asker) -> None:
        """Stop entries by their units, in file order; returns when they are at rest.

        As in a switch: all at once, or last first.
        """

        def begin() -> None:
            assert group.units is not None
            for unit in reversed(units):
                self._pacer.forget(unit)
                if (status := group.units.units.get(unit)) is not None and not status.at_rest:
                    invocation = group.units.probe.invocation(unit)
                    self._bus.stop(unit)
                    self._culprits.asks(asker, unit, invocation)
            self._observer.refresh([group.name])

        await self._bus.persist(begin)
        await group.at_rest(frozenset(units))

    async def _restart(self, group: Group, entries: tuple[Entry, ...], handling: Handling) -> None:
        """Restart entries, one after the other; returns when the last one is started.

        Each has one job, which stops and starts it, or just starts it. So whatever becomes of us, none is left down.
        And a switch of levels that comes meanwhile, anybody's, replaces the job if its level does not have the entry.
        """
        level = handling.level
        for done, (entry, unit) in enumerate(zip(entries, handling.units, strict=True)):
            group.handling = replace(handling, done=done)

            def require() -> None:
                self._observer.refresh([group.name])
                _require(group, level)

            await self._bus.order(partial(self._bus.restart, unit), require)
            self._pacer.forget(unit)
            await self._bus.persist(lambda: self._observer.refresh([group.name]))
            while group.units is not None and _is_being_restarted(entry, group.units.entry(entry)):
                await group.next_observation()
                await self._bus.persist(lambda: _require(group, level))

    async def _settled(self, group: Group, level: str) -> GroupStatus:
        """Wait until it is certain how the group is."""
        request = Request(group.name, level)  # of nobody: what it remembers is what counts

        def certain() -> GroupStatus | None:
            status = group.status
            if status is None or status.level != level:
                raise _taken_away(group, level)
            return status if status.state.settled and self._settlement.is_certain(group, request, status) else None

        while (status := await self._bus.persist(certain)) is None:
            await group.next_observation()
        return status


def _require(group: Group, level: str) -> None:
    """SupersededError if somebody has taken the group away from a level, or is about to."""
    if group.units is None or not stays_at(group.units, level):
        raise _taken_away(group, level)


def _taken_away(group: Group, level: str) -> SupersededError:
    return SupersededError(Supersession.BY_HAND, f"{group.name} is not at level {level} any more")


def _is_being_restarted(entry: Entry, unit: UnitStatus | None) -> bool:
    return unit is not None and (unit.starting or is_under_way(entry, unit))


def _level_of(group: Group) -> str:
    """The level that a group is at. SwitchRefusedError if it is at none, or on its way."""
    status = group.status
    if status is None or status.state is State.CONFIGURED:
        raise SwitchRefusedError(
            Refusal.NOT_IN_LEVEL,
            f"{group.name} is at no level; {move_command(group.name, levels_meant(group.applied.entries))} starts it",
        )
    if group.request is not None or group.life.phase in MARKED or not status.state.settled:
        raise SwitchRefusedError(
            Refusal.ON_ITS_WAY,
            f"{group.name} is {status.state}; try again when it has come to its level, or take it to another",
        )
    return status.level


def _entries(group: Group, level: str, tags: Collection[str]) -> tuple[Entry, ...]:
    """The entries of a group that tags name, in the order of the table. SwitchRefusedError if the level lacks one."""
    assert group.units is not None
    known = {entry.tag: entry for entry in group.applied.entries}
    for tag in tags:
        if tag not in known:
            like = Spellings(known).like(tag)
            hint = f"; did you mean '{shortened(like)}'?" if like is not None else ""
            raise SwitchRefusedError(Refusal.NO_SUCH_ENTRY, f"{group.name} has no entry {shortened(tag)}{hint}")
    members = group.units.members(level)
    for tag in tags:
        if known[tag] not in members:
            move = move_command(group.name, known[tag].levels.meant)
            has = f"{move} starts it" if known[tag].runnable else "it is off"
            raise SwitchRefusedError(
                Refusal.NOT_IN_LEVEL, f"{group.name} is at level {level}, which does not have {shortened(tag)}; {has}"
            )
    return tuple(entry for entry in members if entry.tag in tags or entry.ready_of in tags)
