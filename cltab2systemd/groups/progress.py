"""How far a group has come on its way to a level, and what it waits for. Pure: read off its units.

It is worked out only when somebody looks. Times are CLOCK_MONOTONIC, and lengths of time are in µs, too.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cltab2systemd.groups.beginnings import is_given_up, is_rising, is_under_way
from cltab2systemd.groups.endings import signal_name
from cltab2systemd.groups.lifecycle import Phase, noted_life
from cltab2systemd.groups.state import State
from cltab2systemd.terminal import shortened
from cltab2systemd.units.names import HALT_LEVEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cltab2systemd.groups.lifecycle import Life
    from cltab2systemd.groups.state import GroupStatus
    from cltab2systemd.groups.units import GroupUnits, UnitStatus
    from cltab2systemd.table.model import Entry

# Entries that are told one by one; of more there is only the number.
MOST_AWAITED = 8
# Likewise groups, of those that a halt stops.
MOST_HALTING = 8


class ProgressPhase(enum.StrEnum):
    """What is being done on the way to a level, in this order. Not every switch has all of them."""

    CHECKING = "checking"  # what has to hold is checked, and nothing that the group runs has been touched
    WAITING = "waiting"  # it is asked for, and nothing that the group runs has been touched but failed tests
    STOPPING = "stopping"  # what the level does not have is being stopped
    LOADING = "loading"  # the new units are written, and systemd loads them
    STARTING = "starting"  # what the level has is being started, one entry after the other
    RESTARTING = "restarting"  # single entries are stopped and started again, one after the other, as somebody asked
    SETTLING = "settling"  # all is done; whether it stays so is seen in a moment


class Doing(enum.StrEnum):
    """What an entry does that is waited for."""

    QUEUED = "queued"  # its job waits for its turn, or for something else of systemd's
    STARTING = "starting"  # its command runs, and is to end before the next entry is started; or is being executed
    STOPPING = "stopping"
    CHECKING = "checking"  # its preflight runs


@dataclass(frozen=True, slots=True)
class StopSettings:
    """What systemd does when a service is stopped: the signals by their numbers, and how long each may take."""

    first_signal: int
    abort_signal: int  # the one of the second stage
    last_signal: int
    stop_limit: int | None  # of the first stage, and of the last; None is for ever
    abort_limit: int | None  # of the second stage
    is_aborted: bool  # whether there is a second stage


class Timings(Protocol):
    """More about units that are on their way. It is asked for the few that are told."""

    def changed_time(self, unit: str) -> int:
        """When a unit last went from one state or substate to another."""

    def start_limit(self, unit: str) -> int | None:
        """How long the start of a service may take; None is for ever."""

    def stop_settings(self, unit: str) -> StopSettings:
        """How a service is stopped."""

    def status_text(self, unit: str) -> str:
        """What a service says of itself (STATUS= of sd_notify); empty if it says nothing."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """An entry that is waited for.

    Attributes:
        tag: the entry's.
        mode: the entry's.
        unit: its service.
        doing: what it does.
        since: when it began with this, or with this stage of its stop; None if it has not begun.
        limit: how long this may take; None is for ever.
        signal: the signal that was sent last to stop it, as `SIGINT`; empty if none was.
        next_signal: the signal that is sent at the limit; empty if none is.
        says: what the service says of itself; empty if it says nothing. A readiness says what was answered last.
        ready_of: the tag of the entry whose readiness it is; empty if it is none.
    """

    tag: str
    mode: str
    unit: str
    doing: Doing
    since: int | None = None
    limit: int | None = None
    signal: str = ""
    next_signal: str = ""
    says: str = ""
    ready_of: str = ""


@dataclass(frozen=True, slots=True)
class Handling:
    """What is being done to single entries of a group, which stays at its level.

    Attributes:
        level: that level.
        phase: CHECKING and RESTARTING, or STOPPING; then SETTLING.
        units: the services of the entries, in file order.
        done: how many of these have been restarted.
        request: what the request is known by in the log.
    """

    level: str
    phase: ProgressPhase
    units: tuple[str, ...]
    done: int = 0
    request: str = ""


@dataclass(frozen=True, slots=True)
class Checking:
    """A preflight that runs.

    Attributes:
        tag: of its entry.
        mode: of its entry.
        unit: the service that runs it.
        since: when it was begun.
        limit: how long it may take.
        done: how many others have passed.
        total: how many there are.
    """

    tag: str
    mode: str
    unit: str
    since: int
    limit: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Way:
    """Where a group comes from, where it goes to, and what is being done.

    Attributes:
        origin: the level that it was at; None if it was at none, or if that is not known.
        level: the level that it goes to; None if somebody takes it to none. `units.names.HALT_LEVEL` in a halt.
        phase: what is being done.
        handling: what is being done to single entries, if the group stays at its level.
        checking: the preflight that runs, in phase CHECKING.
    """

    origin: str | None
    level: str | None
    phase: ProgressPhase
    handling: Handling | None = None
    checking: Checking | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a group has come.

    Attributes:
        group: its name.
        way: from where to where, and in which phase.
        done: how many entries have come to their end in this phase.
        total: of how many; 0 if none are counted in this phase, or nobody has counted them.
        waiting: how many entries are waited for.
        awaited: the first of these, in file order.
    """

    group: str
    way: Way
    done: int = 0
    total: int = 0
    waiting: int = 0
    awaited: tuple[Awaited, ...] = ()


@dataclass(frozen=True, slots=True)
class HaltProgress:
    """How far a halt has come.

    Attributes:
        done: how many groups are stopped.
        total: of how many.
        groups: how far the first of the others have come, in the order of the table.
    """

    done: int
    total: int
    groups: tuple[Progress, ...]


def way(group: GroupUnits, life: Life, status: GroupStatus | None, origin: str | None, *, is_asked: bool) -> Way | None:
    """Where a group is on its way; None if it is on none.

    Args:
        group: its units.
        life: where it is in its life.
        status: its line of clstat.
        origin: the level at which it was settled last.
        is_asked: whether a request is at work.
    """
    if status is not None and status.state in {State.STOPPING, State.HALTING}:
        origin = status.level  # also where the daemon that saw it settle is gone
    if (phase := _PHASE_OF_LIFE.get(life.phase)) is not None:
        return Way(origin, life.level, phase)
    if status is None or life.phase not in {Phase.RESTING, Phase.MOVING} or (status.state.settled and not is_asked):
        return None
    level = life.level if life.phase is Phase.MOVING else _destination(group, status)
    if status.state.settled:
        return Way(origin, level, ProgressPhase.SETTLING)
    if (phase := _PHASE_OF_STATE.get(status.state)) is None:
        return None
    return Way(origin, level, phase)


def way_of_units(group: GroupUnits, status: GroupStatus | None, level: str | None) -> Way | None:
    """Where a group is on its way, as far as that is seen without its daemon.

    Args:
        group: its units.
        status: its line of clstat.
        level: where a note on disk says that it is to go.
    """
    return way(group, noted_life(level), status, None, is_asked=False)


_PHASE_OF_LIFE = {
    Phase.PREPARING: ProgressPhase.WAITING,
    Phase.RESUMED: ProgressPhase.WAITING,
    Phase.EMPTYING: ProgressPhase.STOPPING,
    Phase.INSTALLING: ProgressPhase.LOADING,
    Phase.QUEUEING: ProgressPhase.LOADING,
}
_PHASE_OF_STATE = {
    State.STOPPING: ProgressPhase.STOPPING,
    State.HALTING: ProgressPhase.STOPPING,
    State.STARTING: ProgressPhase.STARTING,
}


def _destination(group: GroupUnits, status: GroupStatus) -> str | None:
    """Where a group goes that no request of ours moves."""
    pending = {target.job_id: level for level, target in group.levels().items() if target.starting}
    if pending:
        return pending[max(pending)]
    if status.state is State.HALTING:
        return HALT_LEVEL
    return None if status.state is State.STOPPING else status.level


def leaving(group: GroupUnits) -> Mapping[str, Entry]:
    """The entries that are being stopped, by unit, in file order."""
    units = ((entry, group.entry(entry)) for entry in group.entries)
    return {unit.name: entry for entry, unit in units if unit is not None and _is_leaving(unit)}


def left(before: GroupUnits, now: GroupUnits) -> frozenset[str]:
    """The services that are being stopped, and those that are gone since the group was looked at before."""
    ran = [unit.name for entry in before.entries if (unit := before.entry(entry)) is not None and not unit.at_rest]
    gone = [name for name in ran if (unit := now.units.get(name)) is None or unit.at_rest]
    return frozenset((*leaving(now), *gone))


def _is_leaving(unit: UnitStatus) -> bool:
    return unit.job == "stop" or unit.active == "deactivating"


def progress(group: GroupUnits, timings: Timings, on: Way, seen: frozenset[str] | None = frozenset()) -> Progress:
    """How far a group has come on its way.

    Args:
        group: its units.
        timings: tells of times and limits. It is asked only for the entries that are told.
        on: its way.
        seen: the units that were seen being stopped on this way. Those that are gone by now are done. None if nobody
            has looked: then it is not known how many are done.
    """
    if on.checking is not None:
        return _checked(group, on, on.checking)
    if on.handling is not None:
        return _handled(group, timings, on, on.handling)
    if on.phase in {ProgressPhase.WAITING, ProgressPhase.STOPPING}:
        going = leaving(group)
        total = 0 if seen is None else len(seen | going.keys())
        told = [_stopping(group, timings, entry) for entry in [*going.values()][:MOST_AWAITED]]
        return Progress(group.group, on, total and total - len(going), total, len(going), tuple(told))
    if on.phase is ProgressPhase.LOADING or on.level is None:
        return Progress(group.group, on)
    members = group.members(on.level)
    due = [entry for entry in members if _is_due(group, entry)]
    at_work = [entry for entry in due if _runs(group, entry) or _is_restarted(group, entry)]
    now = at_work or due[:1]
    told = [_started(group, timings, entry) for entry in now[:MOST_AWAITED]]
    return Progress(group.group, on, len(members) - len(due), len(members), len(now), tuple(told))


def _checked(group: GroupUnits, on: Way, run: Checking) -> Progress:
    """How far the preflights have come."""
    awaited = Awaited(run.tag, run.mode, run.unit, Doing.CHECKING, run.since, run.limit)
    return Progress(group.group, on, run.done, run.total, 1, (awaited,))


def _handled(group: GroupUnits, timings: Timings, on: Way, handling: Handling) -> Progress:
    """How far it has come what is being done to single entries."""
    total = len(handling.units)
    if on.phase is ProgressPhase.SETTLING:
        return Progress(group.group, on, total, total)
    entries = {group.name_of(entry): entry for entry in group.entries}
    if on.phase is ProgressPhase.RESTARTING:
        now = [entries[unit] for unit in handling.units[handling.done :][:1] if unit in entries]
        told = [_started(group, timings, entry) for entry in now]
        return Progress(group.group, on, handling.done, total, len(now), tuple(told))
    units = (group.units.get(unit) for unit in handling.units)
    alive = [entries[unit.name] for unit in units if unit is not None and not unit.at_rest and unit.name in entries]
    told = [_stopping(group, timings, entry) for entry in alive[:MOST_AWAITED]]
    return Progress(group.group, on, total - len(alive), total, len(alive), tuple(told))


def _is_due(group: GroupUnits, entry: Entry) -> bool:
    return is_under_way(entry, group.entry(entry)) or _is_restarted(group, entry) or is_rising(group, entry)


def _is_restarted(group: GroupUnits, entry: Entry) -> bool:
    """Whether an entry is being stopped, or is about to be, to be started again."""
    unit = group.entry(entry)
    return unit is not None and unit.job == "restart" and unit.active not in {"inactive", "failed"}


def _runs(group: GroupUnits, entry: Entry) -> bool:
    unit = group.entry(entry)
    return unit is not None and (unit.active == "activating" or is_rising(group, entry))


def _started(group: GroupUnits, timings: Timings, entry: Entry) -> Awaited:
    """One that is to be started, and perhaps stopped before that, or since it was not ready in time."""
    unit = group.entry(entry)
    is_stopped = _is_restarted(group, entry) or (unit is not None and is_given_up(entry, unit))
    return (_stopping if is_stopped else _starting)(group, timings, entry)


def _starting(group: GroupUnits, timings: Timings, entry: Entry) -> Awaited:
    unit = group.name_of(entry)
    if not _runs(group, entry):
        return Awaited(entry.tag, str(entry.mode), unit, Doing.QUEUED, ready_of=entry.ready_of)
    # systemd has no limit for an execution.
    limit = None if is_rising(group, entry) and not entry.notifies else timings.start_limit(unit)
    if entry.ready_of and entry.ready:
        limit = entry.ready.timeout_usec  # which it keeps itself
    return Awaited(
        entry.tag, str(entry.mode), unit, Doing.STARTING,
        timings.changed_time(unit), limit, says=shortened(timings.status_text(unit)), ready_of=entry.ready_of,
    )  # fmt: skip


def _stopping(group: GroupUnits, timings: Timings, entry: Entry) -> Awaited:
    unit = group.entry(entry)
    assert unit is not None
    if unit.active != "deactivating":
        return Awaited(entry.tag, str(entry.mode), unit.name, Doing.QUEUED)
    signal, next_signal, limit = _stage(unit.sub, timings.stop_settings(unit.name))
    return Awaited(
        entry.tag, str(entry.mode), unit.name, Doing.STOPPING, timings.changed_time(unit.name), limit,
        signal, next_signal, shortened(timings.status_text(unit.name)),
    )  # fmt: skip


def _stage(sub: str, settings: StopSettings) -> tuple[str, str, int | None]:
    """The signal that was sent, the next one, and how long the stage may take; by the substate of a service.

    Stages whose names begin with `stop` are for the processes of the command, those with `final` for what a stop
    command has left behind. They have the same signals.
    """
    signals = (settings.first_signal, settings.abort_signal, settings.last_signal)
    first, abort, last = (signal_name(number) or f"signal {number}" for number in signals)
    second = abort if settings.is_aborted else last
    _, _, stage = sub.partition("-")
    if stage == "sigterm":
        return first, second, settings.stop_limit
    if stage == "watchdog":
        return abort, last, settings.abort_limit
    if stage == "sigkill":
        return last, "", settings.stop_limit
    return "", second if sub == "stop" else first, settings.stop_limit
