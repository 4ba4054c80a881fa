"""How a respawn entry stands. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.groups.beginnings import has_given_up, never_began, was_unready
from cltab2systemd.groups.culprit import by
from cltab2systemd.groups.endings import (
    EXEC,
    READINESS,
    not_executed,
    that_it_exited_well,
    unready,
    why_not_executed,
    worded,
)
from cltab2systemd.groups.execution import Execution
from cltab2systemd.groups.reasons import WELL, Cause, Remedy, Verdict
from cltab2systemd.groups.settings import settings_of

if TYPE_CHECKING:
    from cltab2systemd.groups.settings import Settings
    from cltab2systemd.groups.units import GroupUnits, UnitStatus
    from cltab2systemd.table.model import Entry

# Without a number, which would make each restart another reason, and another line in the log.
_KEEPS_ENDING = "ends again and again, each time within a minute, and is started again"
SURVIVES = "has processes that outlived SIGKILL"


def verdict_on_respawn(group: GroupUnits, entry: Entry, unit: UnitStatus, level: str) -> Verdict:
    if unit.is_ending:
        return _verdict_on_restart(group, entry, unit)
    if _is_down(unit):
        return _verdict_on_stopped(group, entry, unit, level)
    return _verdict_on_running(group, entry, unit)


def _is_down(unit: UnitStatus) -> bool:
    """Whether a respawn entry neither runs nor is about to."""
    return not (unit.runs or unit.starting)


def _verdict_on_running(group: GroupUnits, entry: Entry, unit: UnitStatus) -> Verdict:
    """How a respawn entry stands that runs, or is about to."""
    if trouble := group.probe.trouble(unit.name):
        remedy = Remedy.RERUN if group.probe.pause(unit.name) else Remedy.LEAVE  # it is being tried
        return Verdict(_cause_of(trouble), trouble, remedy)
    execution = group.probe.execution(unit, entry)
    if execution is Execution.NOT_YET and has_given_up(group, unit) and not entry.notifies:
        return Verdict(Cause.TIMED_OUT, worded(group.probe.process(unit.name), settings_of(group, entry)))
    if unit.is_restarting or execution is Execution.AGAIN:
        return _verdict_on_restart(group, entry, unit)
    if place := group.probe.strayed_to(unit.name):
        return Verdict(Cause.STRAYED, f"has left its control group for {place}", Remedy.RERUN)
    return _verdict_on_pause(group, entry, unit)


def _cause_of(trouble: str) -> Cause:
    return Cause.NOT_READY if READINESS in trouble else Cause.NOT_EXECUTED


def _verdict_on_restart(group: GroupUnits, entry: Entry, unit: UnitStatus) -> Verdict:
    """How one stands that has ended, and is not its command again yet."""
    process, settings = group.probe.process(unit.name), settings_of(group, entry)
    if words := why_not_executed(process, settings):
        return Verdict(Cause.NOT_EXECUTED, words)
    if process.code and was_unready(group, entry, process):
        return Verdict(Cause.NOT_READY, unready(process, settings))
    if group.probe.keeps_ending(unit.name):
        return _keeps_ending(group, entry, unit)
    running = "ends" if unit.is_ending else "has ended"  # systemd stops it itself, or the next process is there already
    how = worded(process, settings) if process.code else running
    return Verdict(Cause.RESTARTING, f"{how}, and is started again")


def _verdict_on_pause(group: GroupUnits, entry: Entry, unit: UnitStatus) -> Verdict:
    if not (words := group.probe.pause(unit.name)):
        return _keeps_ending(group, entry, unit) if group.probe.keeps_ending(unit.name) else WELL
    if group.probe.was_not_executed(unit.name):
        words = f"{not_executed(EXEC, settings_of(group, entry))}; it is tried again every 60 s"
        return Verdict(Cause.NOT_EXECUTED, words, Remedy.RERUN)  # a request tries it at once: it may be mended
    return Verdict(Cause.PAUSED, words + that_it_exited_well(group.probe.latest_ending(unit.name)))


def _keeps_ending(group: GroupUnits, entry: Entry, unit: UnitStatus) -> Verdict:
    latest = group.probe.latest_ending(unit.name)
    how = that_it_exited_well(latest)
    if not how and latest is not None and latest.code:
        how = f"; its last run {worded(latest, settings_of(group, entry))}"
    return Verdict(Cause.KEEPS_ENDING, _KEEPS_ENDING + how)


def _verdict_on_stopped(group: GroupUnits, entry: Entry, unit: UnitStatus, level: str) -> Verdict:
    """How a respawn entry stands that does not run. It should, whoever stopped it."""
    stopped = f"stopped{by(group.probe.culprit(unit.name))}"
    if not unit.at_rest and not group.probe.trouble(unit.name):  # else we stop it ourselves, until its next try
        return Verdict(Cause.DOWN, f"is being {stopped}", Remedy.START, may_be_by_hand=True)
    if is_survivor(group, entry, unit):
        return Verdict(Cause.OUTLIVED, f"was stopped, and {SURVIVES}", Remedy.START)
    settings = settings_of(group, entry)
    if not group.probe.condition_holds(unit.name) and group.probe.condition_time(unit.name) >= group.asked_at(level):
        return skipped(unit, settings)
    if never_began(group, unit, level):
        return Verdict(Cause.NEVER_STARTED, "was not started", Remedy.START)
    process = group.probe.process(unit.name)
    if words := group.probe.trouble(unit.name) or why_not_executed(process, settings):
        return Verdict(_cause_of(words), words, Remedy.START)
    # One that was stopped may have failed, too: it says how it has ended itself, not even by its stop.
    by_itself = process.result != "timeout" or settings.time_limit(process)
    has_failed = unit.active == "failed" and process.code != 0 and by_itself
    how = worded(process, settings) if has_failed else f"was {stopped}"
    return Verdict(Cause.DOWN, f"does not run: it {how}", Remedy.START, may_be_by_hand=not has_failed)


def is_survivor(group: GroupUnits, entry: Entry, unit: UnitStatus) -> bool:
    """Whether processes of an entry have survived its stop, and systemd has given it up as failed."""
    # What the table itself lets live is no survivor.
    may_survive = any(directive.name == "KillMode" for directive in entry.directives)
    return unit.active == "failed" and not unit.job and not may_survive and group.probe.outlived_stop(unit.name)


def skipped(unit: UnitStatus, settings: Settings) -> Verdict:
    condition = settings.condition() or "a condition"
    return Verdict(Cause.SKIPPED, f"is skipped, for {condition} does not hold; see 'systemctl status {unit.name}'")
