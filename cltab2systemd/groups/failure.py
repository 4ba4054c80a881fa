"""Why an entry is not as its level wants it, and what a request does about it. Pure.

docs/unit-scheme.md has the rules as a table.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cltab2systemd.groups.beginnings import never_began
from cltab2systemd.groups.culprit import as_asked, by
from cltab2systemd.groups.endings import (
    EXITED,
    SHELL_STATUSES,
    SIGKILL,
    was_killed,
    why_not_executed,
    worded,
)
from cltab2systemd.groups.reasons import Cause, Remedy, Verdict
from cltab2systemd.groups.respawn import skipped, verdict_on_respawn
from cltab2systemd.groups.settings import settings_of

if TYPE_CHECKING:
    from cltab2systemd.groups.settings import Settings
    from cltab2systemd.groups.units import GroupUnits, Process, UnitStatus
    from cltab2systemd.table.model import Entry

# Of what has begun once. What is to be done has the command that runs it again.
_NOT_REPEATED = "a request does not run it again"


def verdict(group: GroupUnits, entry: Entry, level: str) -> Verdict:
    """How an entry of the group's level stands. The caller has made sure that it is not under way."""
    unit = group.entry(entry)
    if unit is None or unit.load != "loaded":
        return _verdict_without_unit(unit, settings_of(group, entry))
    if entry.mode.is_restarted:
        return verdict_on_respawn(group, entry, unit, level)
    if unit.at_rest and never_began(group, unit, level):
        return Verdict(Cause.NEVER_STARTED, "was not started", Remedy.START)
    process = group.probe.process(unit.name)
    if process.result == "timeout" and _was_stopped(group, entry, unit):
        process = replace(process, result="success")
    if entry.mode.is_judged:
        return _verdict_on_test(group, unit, process, settings_of(group, entry))
    if unit.active == "inactive" and not process.pid and not group.probe.condition_holds(unit.name):
        return skipped(unit, settings_of(group, entry))
    return _verdict_on_command(group, entry, unit, process)


def _was_stopped(group: GroupUnits, entry: Entry, unit: UnitStatus) -> bool:
    """Whether the timeout of a unit is that of its stop by hand, and not of its command.

    An example: a `wait` has ended, and left a process in the background. A shell has such processes ignore SIGINT, so
    a stop needs its second stage, which systemd calls a timeout.
    """
    if not unit.at_rest:
        return False
    if not entry.mode.is_waited_for:
        return all(directive.name != "RuntimeMaxSec" for directive in entry.directives)
    return group.probe.active_time(unit.name) >= group.probe.began_time(unit.name) > 0


def _is_unfinished(group: GroupUnits, unit: UnitStatus) -> bool:
    """Whether a command that is waited for was started, and never came to its end."""
    return group.probe.began_time(unit.name) > group.probe.active_time(unit.name)


def _remedy_if_ended(unit: UnitStatus) -> Remedy:
    """What a request does about an entry that has begun. If it is down or going down, systemd would run it again.

    That is right if it is being restarted, for somebody has asked for it.
    """
    stays = unit.active == "active" and unit.job != "stop"
    return Remedy.LEAVE if stays or unit.job == "restart" else Remedy.HOLD


def _verdict_without_unit(unit: UnitStatus | None, settings: Settings) -> Verdict:
    if unit is None or unit.load == "not-found":
        return Verdict(Cause.NOT_LOADED, "has no unit any more; the next request makes it")
    if unit.load == "masked":
        return Verdict(Cause.MASKED, f"is masked; 'systemctl unmask {unit.name}' undoes that")
    drop_ins = f", with {found}" if (found := settings.drop_ins()) else ""
    return Verdict(Cause.NOT_LOADED, f"cannot be loaded ({unit.load}){drop_ins}; see 'systemctl status {unit.name}'")


def _verdict_on_test(group: GroupUnits, unit: UnitStatus, process: Process, settings: Settings) -> Verdict:
    if process.succeeded and (unit.active != "failed" or process.result == "success"):
        return Verdict(remedy=_remedy_if_ended(unit))
    if words := why_not_executed(process, settings):
        return Verdict(Cause.NOT_EXECUTED, words, Remedy.RERUN)
    cause = _CAUSE_OF_RESULT.get(process.result, Cause.TEST_FAILED)
    if words := _broken_off(cause, process, settings):
        return Verdict(cause, words, Remedy.RERUN)
    words = worded(process, settings) + _as_asked(group, unit, process)
    return Verdict(cause, words, Remedy.RERUN, may_be_by_hand=was_killed(process))


def _verdict_on_command(group: GroupUnits, entry: Entry, unit: UnitStatus, process: Process) -> Verdict:
    """How a wait or once stands. Its exit status does not matter; it matters whether its command could be executed."""
    settings = settings_of(group, entry)
    if words := why_not_executed(process, settings):
        return Verdict(Cause.NOT_EXECUTED, words, Remedy.RERUN)
    remedy = _remedy_if_ended(unit)
    if entry.mode.is_waited_for and unit.active == "inactive" and _is_unfinished(group, unit):
        words = f"was stopped{by(group.probe.culprit(unit.name))} before it ended; {_NOT_REPEATED}"
        return Verdict(Cause.BROKEN_OFF, words, remedy, may_be_by_hand=True)
    if cause := _why_broken_off(group, unit, process):
        words = _broken_off(cause, process, settings) or f"{worded(process, settings)} ({process.result})"
        return Verdict(cause, f"{words}; {_NOT_REPEATED}", remedy)
    if process.code == EXITED and process.status in SHELL_STATUSES:
        return Verdict(Cause.NOT_RUN, worded(process), remedy)
    if unit.active == "active" and process.code and not process.succeeded:
        words = f"{worded(process)}{_as_asked(group, unit, process)}, which is no failure of a {entry.mode}"
        return Verdict(Cause.ENDED_BADLY, words, remedy, may_be_by_hand=was_killed(process))
    return Verdict(remedy=remedy)


def _as_asked(group: GroupUnits, unit: UnitStatus, process: Process) -> str:
    """On whose account a process was killed, in words; empty if it was not, or nobody knows."""
    return as_asked(group.probe.culprit(unit.name)) if was_killed(process) else ""


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
