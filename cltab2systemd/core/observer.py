"""Follows the units of all groups by systemd's signals, and keeps what clstat says true to them."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.core import telling
from cltab2systemd.core.group import now_in_microseconds
from cltab2systemd.core.healthchecks import HealthChecks
from cltab2systemd.core.killings import Killings
from cltab2systemd.core.probe import UnitProbe
from cltab2systemd.groups.lifecycle import Shown
from cltab2systemd.groups.reasons import Cause, Reason
from cltab2systemd.groups.state import (
    GroupStatus,
    State,
    group_status,
    is_started,
    level_of_members,
    stays_at,
    survivors,
)
from cltab2systemd.groups.units import GroupUnits, UnitStatus, patterns_of
from cltab2systemd.systemd.buserrors import BusBusyError, BusError
from cltab2systemd.systemd.runsignal import Killing
from cltab2systemd.terminal import printable
from cltab2systemd.units.names import HALT_LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cltab2systemd.core.culprits import Culprits
    from cltab2systemd.core.group import Group
    from cltab2systemd.core.pacer import Pacer
    from cltab2systemd.disk.marks import UnitNotes
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.systemd.kernel import Kernel
    from cltab2systemd.systemd.runsignal import RunSignal
    from cltab2systemd.units.names import Names

log = logging.getLogger(__name__)

# Seconds between two looks at systemd, at least. So a burst of signals costs one list, and not one each.
_INTERVAL = 0.01
# Seconds until another look at a process that is not its command yet, first and at most. No signal tells when it is.
_EXECUTION, _LONGEST_EXECUTION = 0.01, 0.5
# Seconds until a second look, after a respawn entry was seen to end. By then the shell before it pauses, if it does.
_SECOND_LOOK = 0.5
# Seconds until another look at a group, one of whose entries ends again and again, or runs by now.
_RESTLESS = 5.0
# What no signal tells the beginning or the end of.
_UNTOLD = {Cause.STRAYED, Cause.PAUSED, Cause.KEEPS_ENDING}
# Seconds until systemd is asked again, if it gave no answer.
_RETRY = 1.0


class Observer:
    """Knows how the groups are.

    Args:
        names: the unit names of the instance.
        groups: all groups by name, as the controller keeps them.
        bus: the connection to systemd.
        pacer: slows down what is started in vain.
        kernel: tells of processes.
        culprits: knows who has stopped entries.
        restless: notes on units that end again and again, for the next daemon.
        on_observed: called with each group after its units were asked for.
        on_refreshed: called when all groups that were asked for at a time are observed.
    """

    def __init__(
        self,
        names: Names,
        groups: Mapping[str, Group],
        bus: Bus,
        pacer: Pacer,
        kernel: Kernel,
        *,
        culprits: Culprits,
        restless: UnitNotes,
        on_observed: Callable[[Group], None],
        on_refreshed: Callable[[], None],
    ) -> None:
        self._names = names
        self._groups = groups
        self._bus = bus
        self._pacer = pacer
        self.probe = UnitProbe(bus, pacer.trouble, kernel, restless, culprits.of)
        self._culprits = culprits
        self._on_observed = on_observed
        self._on_refreshed = on_refreshed
        self.reloads = 0  # how often systemd could not be asked, and can again
        self._due: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0
        self._second_looks: set[str] = set()  # groups that are due for one
        self._restless_looks: set[str] = set()  # likewise for one at entries that ended again and again
        self._third_looks: set[str] = set()  # likewise for one at a process that is not its command yet
        self._rising: dict[str, float] = {}  # seconds until the next look at groups whose processes are no commands yet
        self._survivors: set[str] = set()  # units with processes that outlived SIGKILL, as was told
        self._killings = Killings(names, self.probe)
        self._health = HealthChecks(names, groups, kernel)
        bus.follow(self._unit_changed, self._connected, self._reloaded)
        bus.follow_runs(self._is_followed, self._saw_run)

    def refresh_soon(self, groups: Iterable[str]) -> None:
        """Look at groups in a moment. Several calls become one look."""
        self._due.update(groups)
        if self._due and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(loop.time(), self._last + _INTERVAL), self._refresh_due)

    def refresh_if_due(self, group: str) -> None:
        """Look at all groups of which there is news, if the group is one of them; not while systemd has a rest.

        All at a time, for systemd looks through all its units for each list. BusUnavailableError if it does not answer.
        """
        if group in self._due and self._last <= asyncio.get_running_loop().time():
            self.refresh(sorted(self._due))

    def refresh(self, groups: Iterable[str]) -> None:
        """Ask systemd how groups are, now. BusUnavailableError if it does not answer."""
        asked = [self._groups[name] for name in groups if name in self._groups]
        if not asked:
            return
        units: dict[str, dict[str, UnitStatus]] = {group.name: {} for group in asked}
        patterns = [pattern for group in asked for pattern in patterns_of(self._names, group.applied)]
        due = self._due & units.keys()
        self._due -= due  # before they are listed, for what a signal tells after that needs another look
        try:
            listed = self._bus.list_units(patterns)
        except BusError:
            self._due |= due
            raise
        for unit in listed:
            name = self._names.group_of(unit.name)
            if name in units:
                units[name][unit.name] = unit
        unread = {group.name for group in asked}
        try:
            for group in asked:
                if self._read(group, units[group.name]):
                    unread.discard(group.name)
        finally:
            self._due |= unread
            self._on_refreshed()
            self.refresh_soon([])

    def _read(self, group: Group, units: Mapping[str, UnitStatus]) -> bool:
        """Observe a group; whether its properties could be read."""
        later = asyncio.get_running_loop().time() + _RETRY
        try:
            self._observe(group, units)
            self._on_observed(group)
        except BusBusyError:
            return False
        except BusError:
            self._last = later
            return False
        except Exception:
            self._last = later
            raise
        return True

    def look_at_processes(self) -> None:
        """Look for what no signal tells: processes that have left their control group, and pauses."""
        for group in self._groups.values():
            if group.units is None or group.status is None or not group.status.state.settled:
                continue
            told = {r.unit: r.cause for r in group.status.reasons if r.cause in _UNTOLD}
            for entry in group.units.members(group.status.level):
                unit = group.units.entry(entry)
                if entry.mode.is_restarted and unit is not None and unit.sub == "running":
                    strayed, paused = self.probe.strayed_to(unit.name), self.probe.pause(unit.name)
                    ends = Cause.KEEPS_ENDING if self.probe.keeps_ending(unit.name) else None
                    now = Cause.STRAYED if strayed else Cause.PAUSED if paused else ends
                    if now is not told.get(unit.name):
                        self.refresh_soon([group.name])

    def _look_later(self, due: set[str], group: str, seconds: float) -> None:
        """Look at a group once more, if that is not due already."""
        if group not in due:
            due.add(group)
            asyncio.get_running_loop().call_later(seconds, self._look_again, due, group)

    def _look_again(self, due: set[str], group: str) -> None:
        due.discard(group)
        if group in self._groups:
            self.refresh_soon([group])

    def forget_vain(self, group: str) -> None:
        """The group was asked to go to a level. That starts anew what was started in vain, if the level has it."""
        self._pacer.forget_group(group)

    def _unit_changed(self, unit: str) -> None:
        self.probe.forget(unit)
        group = self._groups.get(self._names.group_of(unit) or "")
        # Of a check, its end tells whether there is news, but for whoever has stopped it.
        if group is not None and (not self._names.is_health(unit) or group.awaits(unit)):
            self.refresh_soon([group.name])

    def _is_followed(self, unit: str) -> bool:
        """Whether it is read what signals say of a unit: of services that were up, or stopping, at the last look.

        So most signals of a switch are not read: they have come before the look at what they are about.
        """
        if self._names.is_health(unit):
            return unit.endswith(".service")
        is_up = self._last_state(unit) in {"active", "activating", "deactivating"}
        return (is_up and unit.endswith(".service")) or self._has_runs(unit)

    def _last_state(self, unit: str) -> str:
        """The ActiveState of a unit when it was looked at last; empty if it was not loaded."""
        status = self._status(unit)
        return "" if status is None else status.active

    def _status(self, unit: str) -> UnitStatus | None:
        """A unit when it was looked at last; None if it was not loaded."""
        group = self._groups.get(self._names.group_of(unit) or "")
        return None if group is None or group.units is None else group.units.units.get(unit)

    def _has_runs(self, unit: str) -> bool:
        """Whether the runs of a unit are followed.

        Those of respawn entries are, unless their group is on its way; and those of units that are no commands yet.
        """
        if self.probe.is_being_executed(unit) or self._pacer.knows(unit):
            return True
        group = self._groups.get(self._names.group_of(unit) or "")
        is_settled = group is not None and group.status is not None and group.status.state.settled
        return is_settled and self.probe.follows(unit)

    def _saw_run(self, unit: str, seen: RunSignal | Killing) -> None:
        if self._names.is_health(unit):
            self.refresh_soon(self._health.news_of(unit, seen))
            return
        is_stopping = self._last_state(unit) == "deactivating"
        if is_stopping:
            self._killings.saw(unit, seen)
        if isinstance(seen, Killing):
            return
        group = self._groups.get(self._names.group_of(unit) or "")
        if group is not None and group.units is not None and seen.has_ended:
            self._pacer.count(group.units, unit, seen)
        if self._has_runs(unit):
            self.probe.saw_run(unit, seen)
            if seen.has_ended:
                self._pacer.has_ended(unit, seen)
        else:
            self.probe.saw_last_run(unit, seen)

    def _connected(self) -> None:
        self.reloads += 1
        # Whatever happened while there was no connection was missed.
        self.probe.forget_all()
        self.refresh_soon(self._groups)

    def _reloaded(self) -> None:
        self.reloads += 1
        # Other groups have no units that are loaded.
        self.refresh_soon([*self._due, *(group.name for group in self._groups.values() if group.status is not None)])

    def _refresh_due(self) -> None:
        self._timer = None
        self._last = asyncio.get_running_loop().time()
        try:
            self.refresh(sorted(self._due))
        except BusBusyError:
            return  # _reloaded comes
        except BusError as error:
            events.SYSTEMD_SILENT(why=error)
            if self._bus.connected:  # else _connected comes
                self._last += _RETRY
                self.refresh_soon([*self._due])

    def _observe(self, group: Group, units: Mapping[str, UnitStatus]) -> None:
        entries, given_away, before = group.applied.entries, group.given_away, group.units
        self.probe.saw(units.values(), [unit for unit in (before.units if before else ()) if unit not in units])
        group.units = GroupUnits(self._names, group.name, entries, units, self.probe, given_away)
        self._pacer.look(group.units, level_of_members(group.units), is_switching=group.request is not None)
        status = group_status(group.units, group.shown_level, group.asked)
        if group.request is None and status and status.state is State.DONE and not _is_same(status, group.status):
            self.probe.doubt_commands(units)  # one may have been started again, and no signal has told of that yet
            status = group_status(group.units, group.shown_level, group.asked)
        life = group.life
        if life.shown is Shown.STOPPING and group.shown_level is not None:
            state = State.HALTING if life.level == HALT_LEVEL else State.STOPPING
            status = GroupStatus(group.name, group.shown_level, state)
        elif group.restarting and stays_at(group.units, group.restarting):  # what is down for it is no failure
            status = GroupStatus(group.name, group.restarting, State.STARTING)
        elif life.shown is Shown.FAILED:
            # It was emptied and not started again. So whatever its units say, it has not reached its level.
            assert life.level is not None
            level = group.shown_level or life.level if life.level == HALT_LEVEL else life.level
            status = GroupStatus(group.name, level, State.FAILED, (_unreached(group, level),))
        is_momentary = status is not None and _is_momentary(status)
        if status is not None and group.request is None:
            self._pacer.learn(group.units, status.reasons)
        status = _steady(group, status)
        if status is not None and status != group.told and not _will_be_told(group, status):
            telling.tell(status, {"unit": self._names.level(group.name, status.level)}, group.told, self._runs_on)
            group.told = status
        if not _is_same(status, group.status):
            group.since = now_in_microseconds()
        group.status = None if status is None else replace(status, since=group.since)
        if is_momentary or group.troubles.is_waiting:
            self._look_later(self._second_looks, group.name, _SECOND_LOOK)
        if status is not None and any(reason.cause is Cause.KEEPS_ENDING for reason in status.reasons):
            self._look_later(self._restless_looks, group.name, _RESTLESS)
        self._culprits.look(group.units, status)
        self._look_at_rising(group)
        self._killings.look(group, before)
        self._reset_failed(group)
        group.observed(before)

    def _runs_on(self, reason: Reason) -> bool:
        """Whether the run of an entry that a reason is about goes on."""
        status = self._status(reason.unit)
        is_up = status is not None and status.sub == "running" and status.job == ""
        return is_up and self.probe.invocation(reason.unit) == reason.attempt.invocation

    def _look_at_rising(self, group: Group) -> None:
        """Look again soon at a group all of whose entries are started, if it waits for one to be its command."""
        assert group.units is not None
        status = group.status
        # By the units as they were listed, as the status is: a process may be its command since then.
        if status is None or status.state is not State.STARTING or not is_started(group.units, status.level):
            self._rising.pop(group.name, None)
            return
        if group.name not in self._third_looks:
            pause = self._rising.get(group.name, _EXECUTION)
            self._rising[group.name] = min(2 * pause, _LONGEST_EXECUTION)
            self._look_later(self._third_looks, group.name, pause)

    def _reset_failed(self, group: Group) -> None:
        """Reset entries that have failed because their stop needed SIGTERM or SIGKILL. The machine is not degraded."""
        status = group.status
        if group.units is None or status is None or not (status.state.settled or status.state is State.CONFIGURED):
            return
        left = survivors(group.units, status.level if status.state.settled else None)
        for name in left:
            if name not in self._survivors:
                events.OUTLIVED(group=group.name, unit=name)
        self._survivors = {name for name in self._survivors if self._names.group_of(name) != group.name} | {*left}
        for entry in group.applied.entries:
            unit = group.units.entry(entry)
            inside = status.state.settled and entry.runnable and status.level in entry.levels
            if unit is not None and unit.active == "failed" and not unit.job and not inside and unit.name not in left:
                self._reset(unit.name)
            check = entry.health and group.units.units.get(self._names.health(group.name, entry.tag))
            if check and check.active == "failed" and (unit is None or unit.at_rest):
                self._reset(check.name)

    def _reset(self, unit: str) -> None:
        try:
            self._bus.reset_failed(unit)
        except BusError as error:
            log.debug("%s: %s", unit, error)


def _is_same(one: GroupStatus | None, other: GroupStatus | None) -> bool:
    """Whether clstat has the same line for both."""
    if one is None or other is None:
        return one is other
    return (one.level, one.state) == (other.level, other.state)


def _steady(group: Group, status: GroupStatus | None) -> GroupStatus | None:
    """A status that does not flap while an entry is tried again. A request is told how all is at this moment."""
    if status is None or group.units is None or group.request is not None:
        group.troubles.forget()
        return status
    units = [group.units.name_of(entry) for entry in group.units.members(status.level)]
    return group.troubles.steady(status, units, asyncio.get_running_loop().time())


def _unreached(group: Group, level: str) -> Reason:
    assert group.units is not None
    unit = group.units.names.level(group.name, level)
    why = group.life.why or "the daemon ended meanwhile"
    words = f"the switch to level {level} was broken off before its start: {why}"
    return Reason(Cause.UNREACHED, unit, printable(f"{group.name}: {words}"), words)


def _will_be_told(group: Group, status: GroupStatus) -> bool:
    """Whether the end of a request tells this, or what it has become by then."""
    return group.request is not None and status.state.settled and status.level == group.request.level


def _is_momentary(status: GroupStatus) -> bool:
    """Whether a respawn entry has just ended. Soon it runs, or pauses, and no signal tells which."""
    recently = now_in_microseconds() - 1_000_000
    return bool(status.momentary) or any(
        reason.cause is Cause.KEEPS_ENDING and reason.attempt.since > recently for reason in status.reasons
    )
