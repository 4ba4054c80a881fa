"""The state of a group, from the states of its units. Pure: nothing is remembered but the level shown last.

A group has at most one current level: the level target that is active, or whose start job is queued. Targets cannot
fail, so how a level went is read off its entries. docs/architecture.md has the states as a table.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cltab2systemd.changes import counts
from cltab2systemd.names import HALT_LEVEL
from cltab2systemd.table import Entry, Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cltab2systemd.names import Names


class State(enum.StrEnum):
    """What clstat says of a group."""

    CONFIGURED = "CONFIGURED"  # known, at no level, nothing runs
    STOPPING = "STOPPING"  # entries of the old level are going; the level shown is still the old one
    STARTING = "STARTING"  # entries of the level are being started, or a wait or test still runs
    CHECKING = "CHECKING"  # kept for readers of the ancestor's clstat: judging takes no time here
    DONE = "DONE"  # settled
    PASSED = "PASSED"  # settled: every entry of the level is a test, and all passed
    FAILED = "FAILED"  # settled: a test failed, or an entry could not be started
    HALTING = "HALTING"  # being stopped for good

    @property
    def settled(self) -> bool:
        """Whether the level has come to its end."""
        return self in {State.DONE, State.PASSED, State.FAILED}


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """One line of clstat."""

    group: str
    level: str
    state: State


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """What systemd's ListUnits says of a unit; `job` is the type of its queued job, or empty."""

    name: str
    load: str
    active: str
    sub: str
    job_id: int = 0
    job: str = ""

    @property
    def starting(self) -> bool:
        """Whether a start job is queued or at work."""
        return self.job in {"start", "restart"}

    @property
    def runs(self) -> bool:
        """Whether it is active, or on its way there, and not being stopped."""
        return self.active in {"active", "activating"} and self.job != "stop"

    @property
    def at_rest(self) -> bool:
        """Whether nothing of it runs and no job is about to change that."""
        return not self.job and self.active in {"inactive", "failed"}


@dataclass(frozen=True, slots=True)
class MainProcess:
    """How the last main process of a service ended: pid (0: never ran), si_code (1: exited), status."""

    pid: int
    code: int
    status: int

    @property
    def succeeded(self) -> bool:
        """Whether it ran and exited with 0."""
        return self.pid != 0 and self.code == 1 and self.status == 0


class Probe(Protocol):
    """Properties that only some judgements need, asked of systemd when they do. Times are CLOCK_MONOTONIC, in µs."""

    def main_process(self, unit: str) -> MainProcess:
        """How the last main process of a service ended."""

    def condition_time(self, unit: str) -> int:
        """When the conditions of a unit were last checked; 0 if never."""

    def inactive_time(self, unit: str) -> int:
        """When a unit last became inactive; 0 if never."""

    def outlived_stop(self, unit: str) -> bool:
        """Whether processes of a failed service are left that its stop was to end, and could not in time."""


@dataclass(frozen=True)
class GroupUnits:
    """The loaded units of one group, and how to ask for more about them."""

    names: Names
    group: str
    entries: tuple[Entry, ...]
    units: Mapping[str, UnitStatus]
    probe: Probe

    def entry(self, entry: Entry) -> UnitStatus | None:
        """The unit of an entry, if it is loaded."""
        return self.units.get(self.names.entry(self.group, entry.tag))

    def levels(self) -> dict[str, UnitStatus]:
        """The loaded level targets."""
        found = ((self.names.level_of(unit.name, self.group), unit) for unit in self.units.values())
        return {level: unit for level, unit in found if level is not None}

    def is_active(self) -> bool:
        """Whether the group is at a level, or anything of it runs or is about to."""
        return any(not unit.at_rest for unit in self.units.values() if unit.name.startswith(self.names.entry_prefix))


def group_status(group: GroupUnits, shown_level: str | None) -> GroupStatus | None:
    """The line of clstat for a group.

    Args:
        group: its units and its applied entries.
        shown_level: the level that clstat shows at present, if any; it is what STOPPING and HALTING go on showing.

    Returns:
        The status, or None for a group that is at no level and was at none.
    """
    targets = group.levels()
    pending = [level for level, target in targets.items() if target.starting]
    if pending:
        # More than one only among levels that no entry names: the latest request counts.
        level = max(pending, key=lambda level: targets[level].job_id)
        if level == HALT_LEVEL:
            return GroupStatus(group.group, shown_level or level, State.HALTING)
        if shown_level is not None and _is_stopping(group, level):
            return GroupStatus(group.group, shown_level, State.STOPPING)
        return GroupStatus(group.group, level, State.STARTING)
    active = [level for level, target in targets.items() if target.active == "active"]
    if not active:
        return _without_level(group, shown_level) if shown_level is not None else None
    level = active[0] if len(active) == 1 else max(active, key=lambda name: _barrier_time(group, name))
    if level == HALT_LEVEL:
        return GroupStatus(group.group, shown_level or level, State.HALTING)
    return GroupStatus(group.group, level, _judge(group, level))


def _without_level(group: GroupUnits, shown_level: str) -> GroupStatus:
    # If something of it runs on, somebody has cancelled a switch.
    lost = any(unit is not None and unit.runs for unit in map(group.entry, group.entries))
    return GroupStatus(group.group, shown_level, State.FAILED if lost else State.CONFIGURED)


def _is_stopping(group: GroupUnits, level: str) -> bool:
    barrier = group.units.get(group.names.barrier(group.group, level))
    if barrier is None or not barrier.job:
        return False
    outside = (group.entry(entry) for entry in group.entries if not counts(entry, level))
    return any(unit is not None and not unit.at_rest for unit in outside)


def _judge(group: GroupUnits, level: str) -> State:
    """How a level that was reached stands: STARTING while a wait or test runs (again), else settled."""
    entries = [entry for entry in group.entries if counts(entry, level)]
    if any(_is_running(group.entry(entry)) for entry in entries if entry.mode in {Mode.WAIT, Mode.TEST}):
        return State.STARTING
    if any(_has_failed(group, entry, level) for entry in entries) or survivors(group, level):
        return State.FAILED
    return State.PASSED if entries and _all_tests(entries) else State.DONE


def survivors(group: GroupUnits, level: str | None) -> list[str]:
    """The units outside of a level whose processes even SIGKILL did not end; systemd has given them up as failed."""
    outside = (
        group.entry(entry)
        for entry in group.entries
        # What the table itself lets live is no survivor.
        if (level is None or not counts(entry, level)) and all(d.name != "KillMode" for d in entry.directives)
    )
    failed = (unit.name for unit in outside if unit is not None and unit.active == "failed" and not unit.job)
    return [name for name in failed if group.probe.outlived_stop(name)]


def _all_tests(entries: Iterable[Entry]) -> bool:
    return all(entry.mode is Mode.TEST for entry in entries)


def _is_running(unit: UnitStatus | None) -> bool:
    return unit is not None and (unit.starting or unit.active == "activating")


def _has_failed(group: GroupUnits, entry: Entry, level: str) -> bool:
    unit = group.entry(entry)
    name = group.names.entry(group.group, entry.tag)
    if unit is None or unit.load != "loaded":
        return True  # masked, gone, or not loadable
    if entry.mode is Mode.TEST and not group.probe.main_process(name).succeeded:
        return True
    if not unit.at_rest:
        return False
    # Stopped by hand, it has ended and counts as it did. But one that was not active since the level was asked for, and
    # was not skipped by a condition of its own (a drop-in's), has been refused a start.
    reached = _barrier_time(group, level)
    return group.probe.inactive_time(name) < reached and group.probe.condition_time(name) < reached


def _barrier_time(group: GroupUnits, level: str) -> int:
    """When the level was last asked for: its barrier's condition is checked at every request."""
    return group.probe.condition_time(group.names.barrier(group.group, level))
