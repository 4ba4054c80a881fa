"""How the readiness of an entry stands. Pure.

It is active from when the entry was ready until the entry is stopped or started again. So after a restart by systemd it
is down: the group stays as it was then, and the next request asks again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cltab2systemd.groups.culprit import as_somebody_asked, by
from cltab2systemd.groups.endings import NOT_REPEATED, was_killed, why_not_executed, worded
from cltab2systemd.groups.reasons import Cause, Remedy, Verdict
from cltab2systemd.groups.settings import settings_of, span
from cltab2systemd.probing.exits import HAS_ENDED, HAS_PAUSED, TIME_IS_UP

if TYPE_CHECKING:
    from collections.abc import Callable

    from cltab2systemd.groups.units import GroupUnits, Process, UnitStatus
    from cltab2systemd.table.model import Entry

_ENDED = "ended before it was ready"


def verdict_on_readiness(
    group: GroupUnits, entry: Entry, unit: UnitStatus, process: Process, remedy_of: Callable[[Entry], Remedy]
) -> Verdict:
    """How a readiness stands that was asked for, and is not under way.

    Args:
        group: the units of its group.
        entry: the readiness.
        unit: its unit, loaded.
        process: how its last main process went.
        remedy_of: what a request does about another entry of the level.
    """
    subject = group.subject_of(entry)
    if process.succeeded and unit.active == "failed" and process.result != "success":
        if process.result == "signal" and _is_over(group, unit, subject):  # its end has stopped what notes that
            return _verdict(_ENDED)
        return _verdict(f"is ready, but could not note that in /run; see 'systemctl status {unit.name}'")
    if process.succeeded:
        return Verdict(remedy=_remedy_if_ready(group, unit, subject, remedy_of))
    if words := why_not_executed(process, settings_of(group, entry)):
        return Verdict(Cause.NOT_EXECUTED, words, Remedy.RERUN)
    found = _not_ready(group, entry, unit, process)
    if subject is not None and remedy_of(subject) is Remedy.HOLD:  # it has not got ready by being stopped
        return replace(found, words=f"{found.words}{NOT_REPEATED}", remedy=Remedy.HOLD)
    return found


def _remedy_if_ready(
    group: GroupUnits, unit: UnitStatus, subject: Entry | None, remedy_of: Callable[[Entry], Remedy]
) -> Remedy:
    """What a request does about one that was ready: it asks again unless the entry has run on since."""
    if subject is not None and remedy_of(subject) is Remedy.HOLD:
        return Remedy.HOLD
    if unit.active != "active" or unit.job == "stop":
        return Remedy.START
    return Remedy.RERUN if _has_begun_since(group, unit, subject) else Remedy.LEAVE


def _has_begun_since(group: GroupUnits, unit: UnitStatus, subject: Entry | None) -> bool:
    """Whether the entry was started after its readiness was.

    systemd 252 does not stop the readiness when somebody restarts the entry by hand.
    """
    return subject is not None and group.probe.began_time(group.name_of(subject)) > group.probe.began_time(unit.name)


def _is_over(group: GroupUnits, unit: UnitStatus, subject: Entry | None) -> bool:
    """Whether the run of the entry has ended that its readiness was about."""
    other = None if subject is None else group.entry(subject)
    return other is None or not other.runs or _has_begun_since(group, unit, subject)


def _not_ready(group: GroupUnits, entry: Entry, unit: UnitStatus, process: Process) -> Verdict:
    assert entry.ready is not None
    said = f": {answer}" if (answer := group.probe.status_text(unit.name)) else ""
    status = process.status if process.code == 1 else None
    if status == TIME_IS_UP or process.result == "timeout":
        return _verdict(f"is not ready after {span(entry.ready.timeout_usec)}{said}")
    if status == HAS_PAUSED:
        return _verdict(f"has ended too often, and pauses, before it was ready{said}")
    subject = group.subject_of(entry)
    if status == HAS_ENDED or (was_killed(process) and _is_over(group, unit, subject)):
        return _verdict(f"{_ENDED}{said}")
    if was_killed(process) and unit.at_rest:
        culprit = group.probe.culprit(unit.name)
        return _verdict(f"was not asked any further whether it is ready{by(culprit)}{said}", may_be_by_hand=True)
    by_whom = as_somebody_asked(group.probe, unit.name, process)
    return _verdict(f"was asked in vain whether it is ready: what asks {worded(process)}{by_whom}")


def _verdict(words: str, *, may_be_by_hand: bool = False) -> Verdict:
    return Verdict(Cause.NOT_READY, words, Remedy.RERUN, may_be_by_hand=may_be_by_hand)
