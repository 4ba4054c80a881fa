"""Whether entries have begun: are being started, were refused their start, or are not their command yet. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.groups.execution import Execution

if TYPE_CHECKING:
    from cltab2systemd.groups.units import GroupUnits, Process, UnitStatus
    from cltab2systemd.table.model import Entry


def is_under_way(entry: Entry, unit: UnitStatus | None) -> bool:
    """Whether an entry is being started: its job waits, or it is a wait or test that runs."""
    if unit is None:
        return False
    if unit.starting and unit.active in {"inactive", "failed"}:
        return True
    return entry.mode.is_waited_for and (unit.starting or unit.active == "activating")


def is_rising(group: GroupUnits, entry: Entry) -> bool:
    """Whether an entry was started, and none of its processes has been its command since.

    systemd says that it runs, and may fail to execute it, or come to it never. One of which that is known already has
    failed: it does not rise each time that it is tried again. One that did not say in time that it is ready is rising
    until systemd has stopped it, for only then does its start job end.
    """
    unit = group.entry(entry)
    if not entry.mode.may_run_on or unit is None or unit.load != "loaded" or unit.sub == "exited":
        return False
    if not unit.runs and not is_given_up(entry, unit):
        return False
    if group.probe.execution(unit, entry) is not Execution.NOT_YET or group.probe.trouble(unit.name):
        return False
    return not has_given_up(group, unit)


def has_given_up(group: GroupUnits, unit: UnitStatus) -> bool:
    """Whether systemd has ended the start of a respawn entry, for it took too long, and is about to try it again."""
    return unit.is_restarting and group.probe.process(unit.name).result == "timeout"


def is_given_up(entry: Entry, unit: UnitStatus) -> bool:
    """Whether systemd stops an entry whose start it has given up: it did not say in time that it is ready."""
    return entry.notifies and unit.job == "start" and unit.active == "deactivating"


def was_unready(group: GroupUnits, entry: Entry, process: Process) -> bool:
    """Whether an entry that is to say that it is ready has not done so in the run of a process.

    If it has, it was active behind the start of the process, and is, or has left that behind it. What the start of the
    next process would say is not that.
    """
    unit = group.entry(entry)
    if unit is None or not entry.notifies or unit.active in {"active", "reloading"}:
        return False
    began = process.began_at or group.probe.started_time(unit.name)
    is_of_next = 0 < process.ended_at < began
    return group.probe.left_time(unit.name) < began and not is_of_next


def never_began(group: GroupUnits, unit: UnitStatus, level: str) -> bool:
    """Whether a unit at rest has not been active since the level was asked for, and not because of its conditions."""
    reached = group.asked_at(level)
    return group.probe.inactive_time(unit.name) < reached and group.probe.condition_time(unit.name) < reached
