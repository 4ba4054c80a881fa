"""A group and each of its entries at a glance: for people who look, and for programs that watch. Pure.

docs/unit-scheme.md has the states of entries as a table.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from cltab2systemd.groups.beginnings import is_rising
from cltab2systemd.groups.changes import is_member, pending_tags
from cltab2systemd.groups.health import is_healthy
from cltab2systemd.groups.reasons import Cause
from cltab2systemd.groups.state import State, current_level, level_of_members
from cltab2systemd.groups.units import Process
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cltab2systemd.groups.progress import Progress
    from cltab2systemd.groups.state import GroupStatus
    from cltab2systemd.groups.tally import Tally
    from cltab2systemd.groups.trial import Trial
    from cltab2systemd.groups.units import GroupUnits, UnitStatus
    from cltab2systemd.table.model import Entry, ResourceGroup


class EntryState(enum.StrEnum):
    """How an entry is, in one word."""

    RUNNING = "running"  # its process runs
    STARTING = "starting"  # a wait or test that runs, or what systemd has not brought to its command yet
    WAITING = "waiting"  # its turn to be started has not come
    STOPPING = "stopping"
    RESTARTING = "restarting"  # a respawn has ended, and is about to be started again
    BACKING_OFF = "backing-off"  # a respawn has ended too often and too fast, and pauses
    PASSED = "passed"  # a test that exited with 0
    ENDED = "ended"  # a wait or once that has run
    FAILED = "failed"  # as the group's reason says
    DOWN = "down"  # it should run, and does not
    UNHEALTHY = "unhealthy"  # it runs, and its health check has failed
    SKIPPED = "skipped"  # a condition in a drop-in did not hold
    STOPPED = "stopped"  # it is not in the level, and does not run
    OFF = "off"  # its mode


class Health(enum.StrEnum):
    """How well a group is, in one word."""

    FAILED = "failed"
    DEGRADED = "degraded"  # all that should run does, and something is worth a look: an entry backs off, say
    MOVING = "moving"  # on its way to a level
    WELL = "well"
    AT_REST = "at-rest"  # at no level


_STATE_OF_CAUSE = {
    Cause.PAUSED: EntryState.BACKING_OFF,
    Cause.RESTARTING: EntryState.RESTARTING,
    Cause.UNHEALTHY: EntryState.UNHEALTHY,
    Cause.DOWN: EntryState.DOWN,
    Cause.NEVER_STARTED: EntryState.DOWN,
    Cause.KEPT_BACK: EntryState.DOWN,
    Cause.SKIPPED: EntryState.SKIPPED,
    Cause.NOT_RUN: EntryState.ENDED,
    Cause.ENDED_BADLY: EntryState.ENDED,
}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a control group uses. None is what the kernel does not count for it."""

    memory: int | None = None  # bytes
    cpu: int | None = None  # µs since its start
    tasks: int | None = None


class Facts(Protocol):
    """What else can be asked about an entry's unit. Times are CLOCK_MONOTONIC, in µs."""

    def pid(self, unit: str) -> int:
        """The main process of a service; 0 if it has none."""

    def process(self, unit: str) -> Process:
        """How the last main process of a service went."""

    def ending_before(self, unit: str, pid: int) -> Process | None:
        """How the run before that of a main process ended; None if that is not known for sure."""

    def restarts(self, unit: str) -> int:
        """How often systemd has restarted a service by itself, since its last start by a request."""

    def changed_time(self, unit: str) -> int:
        """When the state of a unit changed last; 0 if never."""

    def status_text(self, unit: str) -> str:
        """What a service says of itself; empty if it says nothing."""

    def usage(self, group_slice: str, unit: str) -> Usage:
        """What the control group of a service uses."""


@dataclass(frozen=True, slots=True)
class EntryOverview:
    """An entry as it is."""

    entry: Entry
    unit: str
    state: EntryState
    in_level: bool  # whether the level that the group is at, or goes to, has it
    loaded: UnitStatus | None  # as systemd has its unit; None if that is not loaded
    since: int = 0  # when its unit changed last, or it began to wait for its turn; 0 if never
    pid: int = 0
    restarts: int = 0
    process: Process | None = None
    usage: Usage = Usage()
    healthy: bool | None = None  # None if it does not run, or has no health check
    says: str = ""  # STATUS= of sd_notify(3), of an entry with Type=notify
    before: Process | None = None  # of a respawn entry that was started again by itself: how it ended, if that is known


@dataclass(frozen=True, slots=True)
class GroupOverview:
    """A group as it is."""

    group: str
    status: GroupStatus | None  # None if it is at no level and was at none
    since: int  # when it came to that; 0 if that is not known
    applied: ResourceGroup  # the lines that its units were made from
    wanted: ResourceGroup  # what the table says of it
    pending: tuple[str, ...]  # the tags of entries that change at its next request
    entries: tuple[EntryOverview, ...]
    progress: Progress | None = None  # how far it has come; None if it is not on its way, or nobody can tell
    tally: Tally | None = None  # how its requests have ended; None if nobody has counted
    trial: Trial | None = None  # the one that it is on

    @property
    def health(self) -> Health:
        """How well it is."""
        if self.status is None or self.status.state is State.CONFIGURED:
            return Health.AT_REST
        if self.status.state is State.FAILED:
            return Health.FAILED
        if not self.status.state.settled:
            return Health.MOVING
        return Health.DEGRADED if (*self.status.reasons, *self.status.momentary) else Health.WELL


def group_overview(
    units: GroupUnits,
    status: GroupStatus | None,
    wanted: ResourceGroup,
    entries: tuple[EntryOverview, ...],
    since: int = 0,
    *,
    applied: ResourceGroup,
    progress: Progress | None = None,
    tally: Tally | None = None,
    trial: Trial | None = None,
) -> GroupOverview:
    """An overview of a group.

    Args:
        units: its units, with the entries that they were made from.
        status: what clstat shows of it.
        wanted: what the table says of it now.
        entries: an overview of each of its entries.
        since: since when its status is so; 0 if nobody has noted that.
        applied: the lines that its units were made from.
        progress: how far it has come, if it is on its way and that is known.
        tally: how its requests have ended; None if nobody has counted.
        trial: the one that it is on.
    """
    is_at_level = status is not None and (level_of_members(units) is not None or current_level(units) is not None)
    pending = pending_tags(units.entries, wanted.entries) if is_at_level else ()
    since = since or _latest_failure(status)
    return GroupOverview(units.group, status, since, applied, wanted, pending, entries, progress, tally, trial)


def entry_overviews(
    units: GroupUnits, status: GroupStatus | None, entries: Iterable[Entry], facts: Facts
) -> tuple[EntryOverview, ...]:
    """An overview of each of some entries of a group.

    Args:
        units: its units.
        status: what clstat shows of it.
        entries: which entries.
        facts: tells of its units.
    """
    level = level_of_members(units)
    causes = {} if status is None else {r.unit: r.cause for r in (*status.reasons, *status.momentary) if r.tag}
    found = tuple(_entry_overview(units, entry, level, causes, facts) for entry in entries)
    if status is None or status.state is not State.STARTING:
        return found
    return tuple(
        replace(one, state=EntryState.STARTING)
        if one.state is EntryState.RUNNING and is_rising(units, one.entry)
        else one
        for one in found
    )


def _latest_failure(status: GroupStatus | None) -> int:
    times = (reason.attempt.since for reason in status.reasons if reason.is_failure) if status is not None else ()
    return max(times, default=0)


def _entry_overview(
    units: GroupUnits, entry: Entry, level: str | None, causes: Mapping[str, Cause], facts: Facts
) -> EntryOverview:
    name, unit = units.name_of(entry), units.entry(entry)
    in_level = level is not None and is_member(entry, level)
    cause = causes.get(name)
    if unit is None or unit.load != "loaded":
        state = EntryState.FAILED if cause is not None else _state_at_rest(entry)
        return EntryOverview(entry, name, state, in_level, unit)
    since, pid, restarts, usage, says = facts.changed_time(name), 0, 0, Usage(), ""
    if not unit.at_rest and unit.sub != "exited":
        pid, restarts = facts.pid(name), facts.restarts(name)
        usage = facts.usage(units.names.slice(units.group), name)
        says = shortened(facts.status_text(name)) if entry.notifies else ""  # no question for others
    # One that runs has not ended. It is not asked for, for that takes six questions to systemd.
    process = Process(pid, 0, 0) if unit.sub == "running" and pid else facts.process(name)
    state = entry_state(entry, unit, process, cause, in_level=in_level)
    if state is EntryState.WAITING and level is not None:
        since = _waits_since(units, name, level) or since
    before = facts.ending_before(name, pid) if pid else None
    healthy = is_healthy(units, entry, cause)
    return EntryOverview(
        entry, name, state, in_level, unit, since, pid, restarts, process, usage, healthy, says, before
    )


def _waits_since(units: GroupUnits, name: str, level: str) -> int:
    """Since when a service has waited for its turn: since its level was asked for, if it was not stopped for that."""
    asked = units.asked_at(level)
    return asked if units.probe.inactive_time(name) <= asked else 0


def entry_state(entry: Entry, unit: UnitStatus, process: Process, cause: Cause | None, *, in_level: bool) -> EntryState:
    """How an entry is, in one word.

    Args:
        entry: the entry.
        unit: its unit, loaded.
        process: how its last main process went.
        cause: what is wrong with it, if anything is.
        in_level: whether it is to run.
    """
    if unit.active == "deactivating" or unit.job == "stop":
        by_itself = (unit.is_ending or unit.starting) and cause in {Cause.RESTARTING, Cause.KEEPS_ENDING}
        return EntryState.RESTARTING if by_itself else EntryState.STOPPING
    if unit.starting and unit.active in {"inactive", "failed"}:
        return EntryState.WAITING
    if cause not in {None, Cause.KEEPS_ENDING}:
        return _STATE_OF_CAUSE.get(cause, EntryState.FAILED)
    if unit.runs and unit.sub != "exited":
        return _state_of_running(entry, unit)
    if not in_level and unit.at_rest:
        return _state_at_rest(entry)
    return _state_of_ended(entry, unit, process)


def _state_of_ended(entry: Entry, unit: UnitStatus, process: Process) -> EntryState:
    if entry.ready_of and unit.at_rest:  # kept back with its entry; or that was started again by itself since
        return EntryState.ENDED if process.succeeded else EntryState.DOWN
    return _state_of_test(process) if entry.mode.is_judged else EntryState.ENDED


def _state_of_test(process: Process) -> EntryState:
    """How a test is that does not run. That it has failed may not be told yet: a group on its way has no reasons."""
    if process.succeeded:
        return EntryState.PASSED
    return EntryState.FAILED if process.code or process.result != "success" else EntryState.ENDED


def _state_of_running(entry: Entry, unit: UnitStatus) -> EntryState:
    if unit.is_restarting:
        return EntryState.RESTARTING
    is_awaited = entry.mode.is_waited_for or entry.notifies
    return EntryState.STARTING if is_awaited and unit.active == "activating" else EntryState.RUNNING


def _state_at_rest(entry: Entry) -> EntryState:
    return EntryState.STOPPED if entry.runnable else EntryState.OFF
