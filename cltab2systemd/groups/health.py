"""What health checks say of the entries of a group. Pure.

The service that asks about an entry has failed if the entry is unhealthy, and has noted why (`probing.notes`). A note
is about one run of the entry. So it is over when the entry is started again; unless it was restarted for that, for then
nobody knows that it is well until a check holds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cltab2systemd.groups.endings import why_not_executed, worded
from cltab2systemd.groups.reasons import Cause, Verdict
from cltab2systemd.groups.settings import settings_of
from cltab2systemd.probing.notes import UNHEALTHY

if TYPE_CHECKING:
    from cltab2systemd.groups.units import GroupUnits, Process, UnitStatus
    from cltab2systemd.probing.notes import Note
    from cltab2systemd.table.model import Entry


def with_health(group: GroupUnits, entry: Entry, found: Verdict) -> Verdict:
    """How an entry stands that is well as far as its unit tells: what its health check says is told, too."""
    unit = group.entry(entry)
    if entry.health is None or unit is None or unit.at_rest or unit.sub == "exited":
        return found
    note = _note(group, entry)
    if (note is None or not note.is_unhealthy) and (latest := _restarted_for(group, entry)):
        words = f"was restarted, for it was unhealthy, and no check has held since: {latest.words}"
        return replace(found, cause=Cause.UNHEALTHY, words=words, since=latest.unwell_since)
    service = group.units.get(group.names.health(group.group, entry.tag))
    if note is not None and note.is_unhealthy:
        answer = f"{note.words} ({note.count} in a row)"
        if note.restarts and (unit.starting or (service is not None and service.active != "failed")):
            return replace(found, cause=Cause.RESTARTING, words=f"is unhealthy, and is restarted: {answer}")
        return replace(found, cause=Cause.UNHEALTHY, words=f"is unhealthy: {answer}", since=note.unwell_since)
    return found if service is None or service.active != "failed" else _with_broken(group, entry, service, found)


def _with_broken(group: GroupUnits, entry: Entry, service: UnitStatus, found: Verdict) -> Verdict:
    """The same, where the service that asks has failed: perhaps for a reason of its own."""
    since = group.probe.inactive_time(service.name)
    began = group.probe.active_time(group.name_of(entry))
    if since < began or not is_broken(process := group.probe.process(service.name)):
        return found
    how = why_not_executed(process, settings_of(group, entry)) or worded(process)
    words = f"may be unhealthy, for its health check {how}; see 'systemctl status {service.name}'"
    return replace(found, cause=Cause.UNHEALTHY, words=words, since=since)


def is_broken(process: Process) -> bool:
    """Whether a health check has failed, and not because of what it has found."""
    return process.result != "success" and process.status != UNHEALTHY


def is_restarted_for_health(group: GroupUnits, entry: Entry) -> bool:
    """Whether an entry is being restarted, for it is unhealthy.

    The id of its run says nothing: the next run may have begun since the units were listed. The service that has asked
    has failed, until it asks again.
    """
    unit = group.entry(entry)
    if entry.health is None or unit is None or not unit.starting:
        return False
    service = group.units.get(group.names.health(group.group, entry.tag))
    note = group.probe.health(unit.name)
    return note is not None and note.restarts and service is not None and service.active in {"failed", "deactivating"}


def is_healthy(group: GroupUnits, entry: Entry, cause: Cause | None) -> bool | None:
    """Whether an entry that runs is healthy; None if it does not run, or nobody asks."""
    unit = group.entry(entry)
    if entry.health is None or unit is None or not unit.runs or unit.sub != "running":
        return None
    return cause is not Cause.UNHEALTHY


def _restarted_for(group: GroupUnits, entry: Entry) -> Note | None:
    """What was noted last if the run before was ended for it, and no check has found the present one well yet."""
    name = group.name_of(entry)
    note = group.probe.health(name)
    if note is None:
        return None
    if note.invocation == group.probe.invocation(name):
        return note if note.before else None
    return note if note.led_to(group.probe.began_time(name)) else None


def _note(group: GroupUnits, entry: Entry) -> Note | None:
    """What was noted of the present run of an entry."""
    name = group.name_of(entry)
    note = group.probe.health(name)
    return note if note is not None and note.invocation == group.probe.invocation(name) else None
