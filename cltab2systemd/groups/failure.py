"""Why an entry is not as its level wants it, and what a request does about it. Pure.

docs/unit-scheme.md has the rules as a table.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cltab2systemd.groups.beginnings import never_began, was_unready
from cltab2systemd.groups.culprit import as_somebody_asked, by
from cltab2systemd.groups.endings import (
    EXITED,
    NOT_REPEATED,
    READINESS,
    SHELL_STATUSES,
    SIGKILL,
    unready,
    was_killed,
    why_not_executed,
    worded,
)
from cltab2systemd.groups.health import with_health
from cltab2systemd.groups.readiness import verdict_on_readiness
from cltab2systemd.groups.reasons import Cause, Remedy, Verdict
from cltab2systemd.groups.respawn import skipped, verdict_on_respawn
from cltab2systemd.groups.settings import settings_of
from cltab2systemd.units.requirements import PASSED

if TYPE_CHECKING:
    from cltab2systemd.groups.settings import Settings
    from cltab2systemd.groups.units import GroupUnits, Process, UnitStatus
    from cltab2systemd.table.model import Entry


def verdict(group: GroupUnits, entry: Entry, level: str) -> Verdict:
    """How an entry of the group's level stands. The caller has made sure that it is not under way."""
    found = _verdict_on_unit(group, entry, level)
    return found if found.cause is not None else with_health(group, entry, found)


def _verdict_on_unit(group: GroupUnits, entry: Entry, level: str) -> Verdict:
    unit = group.entry(entry)
    if group.holding_back and unit is not None and (because := _why_kept_back(group, unit, level)):
        # A readiness is kept back with its entry, of which that is told. But the entry may run on behind what fails.
        subject = group.subject_of(entry)
        other = None if subject is None else group.entry(subject)
        is_told = other is not None and other.at_rest
        return Verdict(None if is_told else Cause.KEPT_BACK, f"{_untried(entry)}, because {because}", Remedy.START)
    return _verdict_on_own(group, entry, unit, level)


def _verdict_on_own(group: GroupUnits, entry: Entry, unit: UnitStatus | None, level: str) -> Verdict:
    """How an entry stands that none before it has kept back."""
    if unit is None or unit.load != "loaded":
        return _verdict_without_unit(unit, settings_of(group, entry))
    if entry.mode.is_restarted:
        return verdict_on_respawn(group, entry, unit, level)
    if unit.at_rest and never_began(group, unit, level):
        return Verdict(Cause.NEVER_STARTED, _untried(entry), Remedy.START)
    process = group.probe.process(unit.name)
    if process.result == "timeout" and _was_stopped(group, entry, unit):
        process = replace(process, result="success")
    if entry.mode.is_judged or (entry.holds_back and entry.mode.is_waited_for):
        return _verdict_on_judged(group, entry, unit, process, level)
    if unit.active == "inactive" and not process.pid and not group.probe.condition_holds(unit.name):
        return skipped(unit, settings_of(group, entry))
    return _verdict_on_command(group, entry, unit, process)


def _untried(entry: Entry) -> str:
    return "was not asked whether it is ready" if entry.ready_of else "was not started"


def _was_stopped(group: GroupUnits, entry: Entry, unit: UnitStatus) -> bool:
    """Whether the timeout of a unit is that of its stop by hand, and not of its command.

    An example: a `wait` has ended, and left a process in the background. A shell has such processes ignore SIGINT, so
    a stop needs its second stage, which systemd calls a timeout.
    """
    if not unit.at_rest:
        return False
    if not entry.mode.is_waited_for:
        if was_unready(group, entry, process := group.probe.process(unit.name)):
            return not settings_of(group, entry).time_limit(process)
        return all(directive.name != "RuntimeMaxSec" for directive in entry.directives)
    return group.probe.active_time(unit.name) >= group.probe.began_time(unit.name) > 0


def _is_unfinished(group: GroupUnits, unit: UnitStatus) -> bool:
    """Whether a command that is waited for was started, and never came to its end."""
    return group.probe.began_time(unit.name) > group.probe.active_time(unit.name)


def _is_required(group: GroupUnits, entry: Entry) -> bool:
    """Whether an entry, or its readiness, holds back what is behind it."""
    return entry.holds_back or any(other.holds_back for other in group.entries if other.ready_of == entry.tag)


def _remedy_if_ended(group: GroupUnits, unit: UnitStatus, entry: Entry) -> Remedy:
    """What a request does about an entry that has begun. If it is down or going down, systemd would run it again.

    That is right if it is being restarted, for somebody has asked for it; and of what is required, for nothing else
    tells whether it still does well.
    """
    stays = unit.active == "active" and unit.job != "stop"
    if stays or unit.job == "restart":
        return Remedy.LEAVE
    return Remedy.START if _is_required(group, entry) else Remedy.HOLD


def _why_kept_back(group: GroupUnits, unit: UnitStatus, level: str) -> str:
    """Why a unit was not started, if that is for an entry before it which is required, as words; else empty."""
    probe = group.probe
    if not unit.at_rest or probe.condition_holds(unit.name) or probe.condition_time(unit.name) < group.asked_at(level):
        return ""
    conditions = probe.settings(unit.name, "Condition")
    names = (name for path, _, name in (text.rpartition("/") for text in conditions) if path.endswith(f"/{PASSED}"))
    needed = [required for name in names if (required := group.holding_back.get(name))]
    found = (
        (entry.ready_of or entry.tag, _verdict_on_own(group, entry, group.entry(entry), level)) for entry in needed
    )
    because = [f"{tag} {judged.words}" for tag, judged in found if judged.cause is not None]
    if because:
        return because[0]
    # All of these do well by now. After a daemon-reload it may have been any of its conditions: systemd has forgotten
    # which. Those files were missing that are of what did well only afterwards.
    if len(conditions) > 1:
        checked = probe.condition_time(unit.name)
        needed = [required for required in needed if probe.active_time(group.name_of(required)) > checked]
    tags = " or ".join(required.ready_of or required.tag for required in needed)
    return f"{tags} had not done well" if tags else ""


def _verdict_without_unit(unit: UnitStatus | None, settings: Settings) -> Verdict:
    if unit is None or unit.load == "not-found":
        return Verdict(Cause.NOT_LOADED, "has no unit any more; the next request makes it")
    if unit.load == "masked":
        return Verdict(Cause.MASKED, f"is masked; 'systemctl unmask {unit.name}' undoes that")
    drop_ins = f", with {found}" if (found := settings.drop_ins()) else ""
    return Verdict(Cause.NOT_LOADED, f"cannot be loaded ({unit.load}){drop_ins}; see 'systemctl status {unit.name}'")


def _verdict_on_judged(group: GroupUnits, entry: Entry, unit: UnitStatus, process: Process, level: str) -> Verdict:
    """How an entry stands that has to exit with 0: a test, a readiness, or a wait that is required."""
    if entry.ready_of:
        return verdict_on_readiness(group, entry, unit, process, lambda other: verdict(group, other, level).remedy)
    settings = settings_of(group, entry)
    if process.succeeded and (unit.active != "failed" or process.result == "success"):
        return Verdict(remedy=_remedy_if_ended(group, unit, entry))
    if words := why_not_executed(process, settings):
        return Verdict(Cause.NOT_EXECUTED, words, Remedy.RERUN)
    failed = Cause.TEST_FAILED if entry.mode.is_judged else Cause.REQUIRED_FAILED
    cause = _CAUSE_OF_RESULT.get(process.result, failed)
    if words := _broken_off(cause, process, settings):
        return Verdict(cause, words, Remedy.RERUN)
    if process.succeeded and entry.holds_back:
        words = f"did well, but could not note that in /run; see 'systemctl status {unit.name}'"
        return Verdict(cause, words, Remedy.RERUN)
    words = worded(process, settings) + as_somebody_asked(group.probe, unit.name, process)
    return Verdict(cause, words, Remedy.RERUN, may_be_by_hand=was_killed(process))


def _verdict_on_command(group: GroupUnits, entry: Entry, unit: UnitStatus, process: Process) -> Verdict:
    """How a wait or once stands. Its exit status does not matter; it matters whether its command could be executed."""
    settings = settings_of(group, entry)
    if words := why_not_executed(process, settings):
        return Verdict(Cause.NOT_EXECUTED, words, Remedy.RERUN)
    remedy = _remedy_if_ended(group, unit, entry)
    if unfinished := _verdict_on_unfinished(group, entry, unit, process):
        return replace(unfinished, remedy=remedy)
    if cause := _why_broken_off(group, unit, process):
        words = _broken_off(cause, process, settings) or f"{worded(process, settings)} ({process.result})"
        return Verdict(cause, f"{words}{NOT_REPEATED}", remedy)
    if process.code == EXITED and process.status in SHELL_STATUSES:
        return Verdict(Cause.NOT_RUN, worded(process), remedy)
    if unit.active == "active" and process.code and not process.succeeded:
        by_whom = as_somebody_asked(group.probe, unit.name, process)
        words = f"{worded(process)}{by_whom}, which is no failure of a {entry.mode}"
        return Verdict(Cause.ENDED_BADLY, words, remedy, may_be_by_hand=was_killed(process))
    return Verdict(remedy=remedy)


def _verdict_on_unfinished(group: GroupUnits, entry: Entry, unit: UnitStatus, process: Process) -> Verdict | None:
    """How one stands that did not come to what is waited for: to its end, or to say that it is ready; else None."""
    left = "" if _is_required(group, entry) else NOT_REPEATED
    is_awaited = entry.mode.is_waited_for or entry.notifies
    is_stopped = unit.active == "inactive" or (unit.at_rest and process.result == "success")
    if is_awaited and is_stopped and _is_unfinished(group, unit):
        until = f"said {READINESS}" if entry.notifies else "ended"
        words = f"was stopped{by(group.probe.culprit(unit.name))} before it {until}{left}"
        return Verdict(Cause.BROKEN_OFF, words, may_be_by_hand=True)
    if was_unready(group, entry, process):
        return Verdict(Cause.NOT_READY, f"{unready(process, settings_of(group, entry))}{left}")
    return None


def _why_broken_off(group: GroupUnits, unit: UnitStatus, process: Process) -> Cause | None:
    if cause := _CAUSE_OF_RESULT.get(process.result):
        return cause
    if unit.active == "failed" and process.result != "success":
        return Cause.BROKEN_OFF
    # A kill by hand is no failure. Under OOMPolicy=continue, only the kernel's count tells it from a kill for memory.
    is_killed = process.code not in {0, EXITED} and process.status == SIGKILL and not unit.at_rest
    is_short = is_killed and group.probe.lacked_memory(group.names.slice(group.group))
    return Cause.OUT_OF_MEMORY if is_short else None


_CAUSE_OF_RESULT = {"timeout": Cause.TIMED_OUT, "oom-kill": Cause.OUT_OF_MEMORY}


def _broken_off(cause: Cause, process: Process, settings: Settings) -> str:
    """That an entry was stopped for its time or memory; empty if it was for anything else."""
    if cause is Cause.TIMED_OUT:
        return f"{settings.time_limit(process) or 'took longer than it may'}, and was stopped"
    return f"was killed, for there was no memory left{settings.memory()}" if cause is Cause.OUT_OF_MEMORY else ""
