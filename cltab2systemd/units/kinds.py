"""The kinds of units that stand for a table, each with the values that its template takes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cltab2systemd.table.model import Mode


@dataclass(frozen=True, slots=True)
class Unit:
    """What every unit has. All text is ready for a unit file."""

    name: str
    description: str
    group_slice: str


@dataclass(frozen=True, slots=True)
class EntryUnit(Unit):
    """The service of an entry: starts after the gate before it."""

    line: str
    mode: Mode
    notifies: bool
    command_line: str
    syslog_identifier: str
    after_gate: str
    held: str  # the directory of the files that keep it from being started again
    runtime_directory: str  # in which a `respawn` entry counts, if it does
    throttle: str  # what counts
    errors_to_output: bool  # no shell does that
    stopped_before: tuple[str, ...]  # what is stopped only when this is gone
    health_timer: str  # what has the entry asked whether it is well; empty if nothing does
    directives: tuple[str, ...]
    needs: tuple[str, ...]  # the files of the required entries before it
    notes: str = ""  # the command that notes that it did well, if it is required
    forgets: str = ""  # and the one that it is not up any more
    bound: str = ""  # the directory of these files, if directives may hide it
    subject: str = ""  # the service of the entry whose readiness this is
    start_limit: str = ""  # of a readiness, in seconds


@dataclass(frozen=True, slots=True)
class GateUnit(Unit):
    """An ordering point behind an entry; the first gate, before all entries, has no entry and no gate before it."""

    line: str = ""
    entry: str = ""
    gate_before: str = ""


@dataclass(frozen=True, slots=True)
class HealthUnit(Unit):
    """The service that asks once whether an entry is well. It fails if the entry is unhealthy."""

    line: str
    entry: str
    command_line: str
    syslog_identifier: str
    runtime_directory: str  # where it keeps how often the entry was not well in a row
    time_limit: str  # for all of it, if it does not keep to the timeout itself
    restart_line: str  # what restarts an unhealthy entry, after each check; empty if nothing does
    directives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HealthTimerUnit(Unit):
    """The timer that has an entry asked again and again while its unit is up."""

    line: str
    entry: str
    behind: str  # the units whose start it waits for
    interval: str
    accuracy: str
    service: str


@dataclass(frozen=True, slots=True)
class BarrierUnit(Unit):
    """What has to be gone before the first gate opens, for one level."""

    first_gate: str
    stops: tuple[str, ...]
    sets: str = ""  # the command that says what is required in the level; empty if nothing of the group is
    others: tuple[str, ...] = ()  # barriers of other levels that do so, and are not to come later


@dataclass(frozen=True, slots=True)
class LevelUnit(Unit):
    """The target of a level that entries name, or the template for all levels that none names."""

    last_gate: str
    barrier: str
    starts: tuple[str, ...]
    other_levels: tuple[str, ...]
    marker: str = ""


@dataclass(frozen=True, slots=True)
class MarkerUnit(Unit):
    """The target that is active at any level that no entry names."""

    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SliceUnit(Unit):
    """The slice that holds a group's processes."""

    directives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BootUnit(Unit):
    """The drop-in for the target of the boot that brings a group to its boot level."""

    line: str
    level: str


@dataclass(frozen=True, slots=True)
class PreflightUnit(Unit):
    """A service that is started once, ends, and is removed."""

    line: str
    command_line: str
    syslog_identifier: str
    limit: str
    directives: tuple[str, ...]
