"""Carries out one request for a group: what is done to systemd, in which order."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from cltab2systemd.core.group import now_in_microseconds
from cltab2systemd.core.request import SwitchRefusedError
from cltab2systemd.groups import advice, changes
from cltab2systemd.groups.beginnings import is_under_way
from cltab2systemd.groups.lifecycle import Event
from cltab2systemd.groups.reasons import Remedy
from cltab2systemd.groups.refusals import Refusal
from cltab2systemd.groups.state import Asked, remedies_at
from cltab2systemd.groups.units import patterns_of
from cltab2systemd.systemd.buserrors import BusError
from cltab2systemd.table import declared
from cltab2systemd.units.names import HALT_LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cltab2systemd.core.applier import Applier
    from cltab2systemd.core.group import Group
    from cltab2systemd.core.membership import Membership
    from cltab2systemd.core.observer import Observer
    from cltab2systemd.core.preflights import Preflights
    from cltab2systemd.core.request import Request
    from cltab2systemd.disk.marks import Marks
    from cltab2systemd.groups.units import GroupUnits, UnitStatus
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.table.model import Entry, ResourceGroup
    from cltab2systemd.units.names import Names


class _UnitsGoneError(Exception):
    """Units that were installed are not on disk any more."""


class Switcher:
    """Switches groups.

    Args:
        names: the unit names of the instance.
        held: the units that are kept from being started again.
        bus: its connection to systemd.
        applier: puts units on disk.
        observer: knows how groups are.
        preflights: runs what has to hold before anything is stopped.
    """

    def __init__(
        self, names: Names, held: Marks, bus: Bus, applier: Applier, observer: Observer, *, preflights: Preflights
    ) -> None:
        self._names = names
        self._held = held
        self._bus = bus
        self._applier = applier
        self._observer = observer
        self._preflights = preflights

    async def carry_out(self, group: Group, request: Request, membership: Membership) -> None:
        """Carry out a request; returns when its start job is queued and clstat shows it.

        Args:
            group: the group.
            request: what is asked. Its `started` is set as soon as something has begun.
            membership: knows the lines that the group is to have, and the groups that may still run an entry of these.

        Raises:
            SwitchRefusedError: the switch cannot be made in order.
            BusError: systemd says no, or cannot be reached.
            OSError: the units cannot be written.
        """
        for last_try in (False, True):
            if request.is_for_good:
                group.happens(Event.NOTHING_TO_INSTALL)
            else:
                await self._take_lines(group, request, membership)
            try:
                await self._stop_strangers(group)
                if group.life.fresh is not None:
                    await self._settle_past(group, request.level, group.life.fresh)
                await self._start(group, request.level)
                await self._bus.persist(lambda: self._cancel_other_levels(group, request.level))
                break
            except _UnitsGoneError as error:
                if request.is_for_good:
                    await self._bus.persist(lambda: self._stop_one_by_one(group))
                    break
                if last_try:
                    raise SwitchRefusedError(Refusal.NO_UNIT, str(error)) from error
                group.is_installed = False
        group.happens(Event.QUEUED)
        self._observer.forget_vain(group.name)
        try:
            await self._bus.persist(lambda: self._observer.refresh([group.name]))
        except BusError:  # the start is queued; the next look shows how it goes
            self._observer.refresh_soon([group.name])
        request.has_started()
        self._observer.refresh_soon([group.name])  # the level may have settled before its start was told

    async def _await_ends(self, group: Group, lines: ResourceGroup, level: str) -> bool:
        """Wait in a group that stops in order for what is ending behind entries that are to be stopped.

        If the level has it, its stop is replaced by a start: there is no stop any more for the others to wait for.
        Nothing has begun for the request meanwhile. Returns whether there was anything to wait for.
        """
        if not group.applied.stops_in_order:
            return False
        await self._bus.persist(lambda: self._observer.refresh([group.name]))
        going = changes.tags_to_stop(group.applied.entries, lines.entries, level)
        if group.units is None or not group.units.ending_behind(going):
            return False
        await group.next_observation()
        return True

    async def _stop_moved(self, others: list[Group], wanted: tuple[Entry, ...], level: str) -> bool:
        """Stop entries that the table has in this group, and that still run in the one that they have left.

        Returns whether there was anything to wait for. Meanwhile another group may have begun to run one of them.
        """
        started = tuple(entry for entry in wanted if changes.is_member(entry, level))
        for other in others:
            if other.left_to_cluster and (moved := changes.tags_moved_here(other.applied.entries, started)):
                raise SwitchRefusedError(
                    Refusal.LEFT_TO_CLUSTER,
                    f"{min(moved)} is still an entry of {other.name}, which has left the table, and which the "
                    "cluster that started it is to stop first",
                )
        has_waited = False
        for other in others:
            if other.left_to_cluster:
                continue
            if moved := changes.tags_moved_here(other.applied.entries, wanted):
                stopping = await self._stop(other, moved)
                await other.at_rest(stopping)
                await self._reset_after_stop(other, moved)
                has_waited = has_waited or bool(stopping)
        return has_waited

    async def _stop_strangers(self, group: Group) -> None:
        """Have a look at the group, and stop what runs of it that none of its lines stands for."""
        await self._bus.persist(lambda: self._observer.refresh([group.name]))
        assert group.units is not None
        strangers = frozenset(unit.name for unit in group.units.strangers())
        with group.awaiting(strangers):
            await group.at_rest(await self._stop_units(group, strangers))

    async def _settle_past(self, group: Group, level: str, fresh: frozenset[str]) -> None:
        """Prepare for the start the entries that both the present level and the next one have, and that have ended.

        systemd runs all of these again that are not active. That is right for tests that failed, so they are stopped.
        It is wrong for a wait or once that has begun, so they are held: a file keeps the condition of their unit from
        being true until the level is reached.

        Args:
            group: the group.
            level: the level that is asked for.
            fresh: the tags of entries that were stopped on the way, or whose lines have changed. These are like new.
        """
        units, remedies = await self._bus.persist(lambda: _judged(group, level, fresh))
        held = frozenset(units.name_of(e) for e in units.entries if remedies.get(e.tag) is Remedy.HOLD)
        # What an earlier request has held stays held while its start waits. Else it would run.
        waiting = (
            units.name_of(e) for e in units.members(level) if e.tag not in fresh and is_under_way(e, units.entry(e))
        )
        self._hold(group, held | group.held.intersection(waiting))
        failed = frozenset(tag for tag, remedy in remedies.items() if remedy is Remedy.RERUN)
        stopping = await self._stop(group, failed)
        await group.at_rest(stopping)

    def _hold(self, group: Group, units: frozenset[str]) -> None:
        if units != group.held:
            before, group.held = group.held, group.held | units  # if this fails halfway, any of them may be held
            self._held.add(units - before)
            self._held.discard(before - units)
            group.held = units

    async def _take_lines(self, group: Group, request: Request, membership: Membership) -> None:
        """Give the group the table's lines: first stop what may not outlive its old ones, under the old units.

        A table may come meanwhile. Then there may be more to stop, here and in the groups that entries come from.
        """
        while True:
            lines = membership.lines_for(group)
            if not lines.entries:
                raise SwitchRefusedError(Refusal.LEFT_TABLE, advice.on_group_that_leaves(group.name))
            if declared.is_refused(lines, request.level):
                raise SwitchRefusedError(Refusal.UNDECLARED_LEVEL, advice.on_level(lines, request.level))
            if await self._preflights.before_switch(group, request, lines) or membership.lines_for(group) != lines:
                continue
            if await self._await_ends(group, lines, request.level):
                continue
            others = [*membership.others(group)]
            if await self._stop_moved(others, lines.entries, request.level) or membership.lines_for(group) != lines:
                continue
            if lines == group.applied and group.is_installed:
                group.happens(Event.NOTHING_TO_INSTALL)
                return
            await self._make_room(group, request, lines)
            async with self._applier.table_lock:
                if membership.lines_for(group) != lines:
                    continue
                group.happens(Event.AT_REST)
                before = {changes.definition(entry) for entry in group.applied.entries}
                self._applier.write({group: lines})
            # Other groups write theirs meanwhile, and the next reload is for all of them. This goes to its end, even if
            # a later request takes over: that would not know how far it came.
            await asyncio.shield(asyncio.ensure_future(self._applier.load({group: lines})))
            group.freshen(frozenset(e.tag for e in lines.entries if changes.definition(e) not in before))
            group.happens(Event.LOADED)
            return

    async def _make_room(self, group: Group, request: Request, lines: ResourceGroup) -> None:
        """Stop what may not outlive the group's old lines."""
        # From here on, entries of the present level may be down. If the daemon dies before the start, the next one has
        # to know.
        group.happens(Event.LINES_DIFFER)
        await self._bus.persist(lambda: self._cancel_jobs(group))
        going = changes.tags_to_stop(group.applied.entries, lines.entries, request.level)
        group.freshen(going)
        stopping = await self._stop(group, going)
        if stopping:
            group.happens(Event.STOPS_BEGIN)
            request.has_started()
            await group.at_rest(stopping)
        await self._reset_after_stop(group, going)
        await self._stop_asking(group, lines)

    async def _stop_asking(self, group: Group, lines: ResourceGroup) -> None:
        """Stop the health checks of entries that have none any more. Their units are about to go.

        First the timers, to their end: one that fires once more leaves a service that has failed, and no file for it.
        """
        old, new = ({e.tag for e in found.entries if e.health is not None} for found in (group.applied, lines))
        gone, names, name = sorted(old - new), self._names, group.name
        if not gone:
            return
        timers = frozenset(names.health_timer(name, tag) for tag in gone)
        checks = frozenset(names.health(name, tag) for tag in gone)
        for units in (timers, checks):
            with group.awaiting(units):
                await group.at_rest(await self._stop_units(group, units))

        def reset() -> None:
            for unit in self._bus.list_units([names.health_pattern(name)]):
                if unit.name in checks and unit.active == "failed":
                    self._bus.reset_failed(unit.name)

        await self._bus.persist(reset)

    async def _reset_after_stop(self, group: Group, tags: frozenset[str]) -> None:
        """Reset failed entries, such as those whose stop needed SIGTERM. Soon their units are gone, or new."""

        def reset(unit: str) -> None:
            if not self._bus.outlived_stop(unit):
                self._bus.reset_failed(unit)

        for tag in sorted(tags):
            unit = group.units and group.units.units.get(self._names.entry(group.name, tag))
            if unit and unit.active == "failed":
                with suppress(BusError):
                    await self._bus.persist(partial(reset, unit.name))

    def _stop_one_by_one(self, group: Group) -> None:
        """Stop all that runs of a group, unit by unit. Somebody has removed the target that would stop it."""
        found = self._bus.list_units(self._names.patterns(group.name))
        running = (u.name for u in found if u.name.startswith(self._names.entry_prefix) and not u.at_rest)
        for unit in self._last_first(group, running):
            self._bus.stop(unit)

    def _last_first(self, group: Group, units: Iterable[str]) -> list[str]:
        """Services of a group in the order in which their stops are queued.

        Each stop is a job of its own, and in a group that stops in order it has to find those that it waits for.
        """
        rank = self._ranks(group)
        return sorted(sorted(units), key=lambda unit: rank.get(unit, 0), reverse=True)

    def _ranks(self, group: Group) -> dict[str, int]:
        """The first gate, entries and gates of a group by the order of the file, from 1."""
        names = self._names
        order = [names.first_gate(group.name)]
        for entry in group.applied.entries:
            order += [names.entry(group.name, entry.tag), names.gate(group.name, entry.tag)]
        return {unit: number for number, unit in enumerate(order, 1)}

    def _cancel_jobs(self, group: Group) -> None:
        """Cancel a group's jobs, for a cancelled job lets those run that are ordered after it.

        So the last start comes first. Behind all starts comes the first entry's stop: in a group that stops in order,
        the others go before it.
        """
        rank = self._ranks(group)

        def turn(unit: UnitStatus) -> tuple[bool, int]:
            number = rank.get(unit.name, len(rank) + 1 if unit.name.endswith(".target") else 0)
            return unit.job == "stop", number if unit.job == "stop" else -number

        jobs = [unit for unit in self._bus.list_units(self._names.all_patterns(group.name)) if unit.job_id]
        for unit in sorted(jobs, key=turn):
            self._bus.cancel(unit.job_id)

    async def _stop(self, group: Group, tags: frozenset[str]) -> frozenset[str]:
        """Begin to stop entries of a group, as far as it has them stop at once. Returns the units not at rest yet."""
        return await self._stop_units(group, frozenset(self._names.entry(group.name, tag) for tag in tags))

    async def _stop_units(self, group: Group, units: frozenset[str]) -> frozenset[str]:
        """Likewise units of a group."""

        def begin() -> frozenset[str]:
            present = self._bus.list_units(patterns_of(self._names, group.applied))
            stopping = frozenset(unit.name for unit in present if unit.name in units and not unit.at_rest)
            for unit in self._last_first(group, stopping):
                self._bus.stop(unit)
            self._observer.refresh([group.name])
            return stopping

        return await self._bus.persist(begin) if units else frozenset()

    async def _start(self, group: Group, level: str) -> None:
        """Queue the start of a level target, if all units that order it are loaded."""
        asked = Asked(level, 0)

        def start() -> None:
            nonlocal asked
            asked = Asked(level, now_in_microseconds())
            self._bus.start(self._names.level(group.name, level))

        await self._bus.order(start, lambda: self._require_units(group, level))
        group.asked = asked  # only now, for systemd may refuse the start

    def _require_units(self, group: Group, level: str) -> None:
        """SwitchRefusedError, _UnitsGoneError if a unit that orders a level cannot be loaded."""
        names = self._names
        needed = [names.level(group.name, level), names.barrier(group.name, level)]
        entries: set[str] = set()
        if level != HALT_LEVEL:  # it starts nothing, so it needs no gates
            gates = (names.gate(group.name, entry.tag) for entry in group.applied.entries if entry.runnable)
            needed += [names.first_gate(group.name), *gates]
            entries = {names.entry(group.name, entry.tag) for entry in group.applied.entries if entry.runnable}
        for unit in self._bus.load_units([*needed, *entries]):
            if unit.load == "not-found":
                raise _UnitsGoneError(f"{unit.name} is not there any more; somebody has removed it")
            if unit.load != "loaded" and unit.name not in entries:  # for an entry, its level is FAILED
                raise SwitchRefusedError(
                    Refusal.BAD_UNIT,
                    f"{unit.name} is {unit.load}, and {group.name} cannot be switched in order without it; "
                    f"{advice.on_unusable_unit(unit.name, unit.load)}",
                )

    def _cancel_other_levels(self, group: Group, level: str) -> None:
        """Cancel the starts of other levels: those that no entry names do not conflict, and the later has to win."""
        units = {unit.name: unit for unit in self._bus.list_units(self._names.patterns(group.name))}
        for unit in units.values():
            other = self._names.level_of(unit.name, group.name)
            if other is None or other == level or not unit.starting:
                continue
            self._bus.cancel(unit.job_id)
            barrier = units.get(self._names.barrier(group.name, other))
            if barrier is not None and barrier.job_id:
                self._bus.cancel(barrier.job_id)


def _judged(group: Group, level: str, fresh: frozenset[str]) -> tuple[GroupUnits, dict[str, Remedy]]:
    """A group's units, and what a start of a level needs for each entry. BusError if systemd does not answer."""
    assert group.units is not None
    return group.units, remedies_at(group.units, level, fresh)
