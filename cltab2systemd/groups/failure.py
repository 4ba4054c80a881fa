"""Why an entry is not as its level wants it, and what a request does about it. Pure.

docs/unit-scheme.md has the rules as a table.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cltab2systemd.groups.culprit import as_asked, by
from cltab2systemd.groups.endings import (
    EXEC,
    EXITED,
    SHELL_STATUSES,
    SIGKILL,
    not_executed,
    that_it_exited_well,
    was_killed,
    why_not_executed,
    worded,
)
from cltab2systemd.groups.execution import Execution
from cltab2systemd.groups.settings import settings_of
from cltab2systemd.terminal import printable, shortened

if TYPE_CHECKING:
    from cltab2systemd.groups.culprit import Culprit
    from cltab2systemd.groups.settings import Settings
    from cltab2systemd.groups.units import GroupUnits, Process, UnitStatus
    from cltab2systemd.table.model import Entry


class Cause(enum.StrEnum):
    """What is wrong: the codes that programs go by."""

    TEST_FAILED = "test-failed"  # a test ran, and did not exit with 0
    NOT_EXECUTED = "not-executed"  # systemd could not start the command
    TIMED_OUT = "timed-out"  # TimeoutStartSec= or RuntimeMaxSec= was over
    OUT_OF_MEMORY = "out-of-memory"
    BROKEN_OFF = "broken-off"  # anything else that makes systemd call the unit failed
    DOWN = "down"  # a respawn entry that does not run
    NEVER_STARTED = "never-started"  # its start was refused
    MASKED = "masked"
    NOT_LOADED = "not-loaded"  # there is no unit, or a drop-in has a mistake
    STRAYED = "strayed"  # its main process has left its control group, so that a stop may not find all of it
    NOT_STOPPED = "not-stopped"  # an entry outside of the level runs on
    OUTLIVED = "outlived"  # processes have outlived SIGKILL
    NOT_SWITCHED = "not-switched"  # the level's barrier did not run
    NO_LEVEL = "no-level"  # entries run, and the group is at no level
    UNREACHED = "unreached"  # the switch was broken off before the start
    # What does not make a group FAILED, but is no good news:
    PAUSED = "paused"  # a respawn entry has ended too often and too fast
    RESTARTING = "restarting"  # a respawn entry has ended, and is about to be started again
    KEEPS_ENDING = "keeps-ending"  # a respawn entry has ended again and again, each time within a minute
    ENDED_BADLY = "ended-badly"  # a wait or once did not exit with 0
    NOT_RUN = "not-run"  # the shell of a wait or once did not find its program
    SKIPPED = "skipped"  # a condition in a drop-in did not hold


# These are told, but do not make a group FAILED.
REMARKS = frozenset(
    {Cause.PAUSED, Cause.RESTARTING, Cause.KEEPS_ENDING, Cause.ENDED_BADLY, Cause.NOT_RUN, Cause.SKIPPED}
)


class Remedy(enum.StrEnum):
    """What a request for a level that has an entry already does about it."""

    LEAVE = "leave"  # nothing: it is well, or a request cannot mend it
    START = "start"  # it does not run, or never has, and is started
    RERUN = "rerun"  # it has ended badly, and is run again
    HOLD = "hold"  # it has begun once and is not active: that is not repeated


@dataclass(frozen=True, slots=True)
class Attempt:
    """The run of a unit that a reason is about. Times are CLOCK_MONOTONIC, in µs."""

    since: int = 0  # from when on it is wrong; 0 if that is not known
    process: Process | None = None  # how its last main process went; None if the reason is not about one
    invocation: str = ""  # the run's id, by which the journal has its lines; empty if it has none
    may_be_by_hand: bool = False  # somebody has stopped it, or may have killed it
    by: Culprit | None = None  # who has done so, if that is known


_UNKNOWN = Attempt()


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that is wrong with a group: a code, the unit, and a line for a person.

    `tag`, `mode` and `command` are those of the entry. They are empty if the reason is not about an entry of the level.
    Two reasons are the same, however often it was tried: `attempt` does not count.
    """

    cause: Cause
    unit: str
    text: str
    words: str = ""  # what of it is wrong, as it stands in `text` behind the name
    tag: str = ""
    mode: str = ""
    command: str = ""
    attempt: Attempt = field(default=_UNKNOWN, compare=False)

    @property
    def is_failure(self) -> bool:
        """Whether it makes the group FAILED."""
        return self.cause not in REMARKS


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an entry of a level stands: what is wrong, if anything is, and what a request does about it."""

    cause: Cause | None = None
    words: str = ""  # what is wrong, behind the entry's name
    remedy: Remedy = Remedy.LEAVE
    may_be_by_hand: bool = False  # as of `Attempt`


_WELL = Verdict()
# Without a number, which would make each restart another reason, and another line in the log.
_KEEPS_ENDING = "ends again and again, each time within a minute, and is started again"


# Of what has begun once. What is to be done has the command that runs it again.
_NOT_REPEATED = "a request does not run it again"


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
    failed: it does not rise each time that it is tried again.
    """
    unit = group.entry(entry)
    if not entry.mode.may_run_on or unit is None or unit.load != "loaded" or not unit.runs or unit.sub == "exited":
        return False
    if group.probe.execution(unit, entry.command) is not Execution.NOT_YET or group.probe.trouble(unit.name):
        return False
    return not _has_given_up(group, unit)


def _has_given_up(group: GroupUnits, unit: UnitStatus) -> bool:
    """Whether systemd has ended the start of a respawn entry, for it took too long, and is about to try it again."""
    return unit.is_restarting and group.probe.process(unit.name).result == "timeout"


def verdict(group: GroupUnits, entry: Entry, level: str) -> Verdict:
    """How an entry of the group's level stands. The caller has made sure that it is not under way."""
    unit = group.entry(entry)
    if unit is None or unit.load != "loaded":
        return _verdict_without_unit(unit, settings_of(group, entry))
    if entry.mode.is_restarted:
        return _verdict_on_respawn(group, entry, unit, level)
    if unit.at_rest and _never_began(group, unit, level):
        return Verdict(Cause.NEVER_STARTED, "was not started", Remedy.START)
    process = group.probe.process(unit.name)
    if process.result == "timeout" and _was_stopped(group, entry, unit):
        process = replace(process, result="success")
    if entry.mode.is_judged:
        return _verdict_on_test(group, unit, process, settings_of(group, entry))
    if unit.active == "inactive" and not process.pid and not group.probe.condition_holds(unit.name):
        return _skipped(unit, settings_of(group, entry))
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


def _is_down(unit: UnitStatus) -> bool:
    """Whether a respawn entry neither runs nor is about to."""
    return not (unit.runs or unit.starting)


def _verdict_on_respawn(group: GroupUnits, entry: Entry, unit: UnitStatus, level: str) -> Verdict:
    if unit.is_ending:
        return _verdict_on_restart(group, entry, unit)
    if _is_down(unit):
        return _verdict_on_stopped(group, entry, unit, level)
    return _verdict_on_running(group, entry, unit)


def _verdict_on_running(group: GroupUnits, entry: Entry, unit: UnitStatus) -> Verdict:
    """How a respawn entry stands that runs, or is about to."""
    if trouble := group.probe.trouble(unit.name):
        remedy = Remedy.RERUN if group.probe.pause(unit.name) else Remedy.LEAVE  # it is being tried
        return Verdict(Cause.NOT_EXECUTED, trouble, remedy)
    execution = group.probe.execution(unit, entry.command)
    if execution is Execution.NOT_YET and _has_given_up(group, unit):
        return Verdict(Cause.TIMED_OUT, worded(group.probe.process(unit.name), settings_of(group, entry)))
    if unit.is_restarting or execution is Execution.AGAIN:
        return _verdict_on_restart(group, entry, unit)
    if place := group.probe.strayed_to(unit.name):
        return Verdict(Cause.STRAYED, f"has left its control group for {place}", Remedy.RERUN)
    return _verdict_on_pause(group, entry, unit)


def _verdict_on_restart(group: GroupUnits, entry: Entry, unit: UnitStatus) -> Verdict:
    """How one stands that has ended, and is not its command again yet."""
    process, settings = group.probe.process(unit.name), settings_of(group, entry)
    if words := why_not_executed(process, settings):
        return Verdict(Cause.NOT_EXECUTED, words)
    if group.probe.keeps_ending(unit.name):
        return _keeps_ending(group, entry, unit)
    running = "ends" if unit.is_ending else "has ended"  # systemd stops it itself, or the next process is there already
    how = worded(process, settings) if process.code else running
    return Verdict(Cause.RESTARTING, f"{how}, and is started again")


def _verdict_on_pause(group: GroupUnits, entry: Entry, unit: UnitStatus) -> Verdict:
    if not (words := group.probe.pause(unit.name)):
        return _keeps_ending(group, entry, unit) if group.probe.keeps_ending(unit.name) else _WELL
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
        return _skipped(unit, settings)
    if _never_began(group, unit, level):
        return Verdict(Cause.NEVER_STARTED, "was not started", Remedy.START)
    process = group.probe.process(unit.name)
    if words := group.probe.trouble(unit.name) or why_not_executed(process, settings):
        return Verdict(Cause.NOT_EXECUTED, words, Remedy.START)
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


SURVIVES = "has processes that outlived SIGKILL"


def _skipped(unit: UnitStatus, settings: Settings) -> Verdict:
    condition = settings.condition() or "a condition"
    return Verdict(Cause.SKIPPED, f"is skipped, for {condition} does not hold; see 'systemctl status {unit.name}'")


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


def _never_began(group: GroupUnits, unit: UnitStatus, level: str) -> bool:
    """Whether a unit at rest has not been active since the level was asked for, and not because of its conditions."""
    reached = group.asked_at(level)
    return group.probe.inactive_time(unit.name) < reached and group.probe.condition_time(unit.name) < reached


def about_entry(group: GroupUnits, entry: Entry, level: str, found: Verdict) -> Reason:
    """The reason for a verdict that is not good, such as `web: config (test) exited with 1: test -d /srv/www`."""
    assert found.cause is not None
    text = printable(f"{group.group}: {entry.tag} ({entry.mode}) {found.words}: {shortened(entry.command)}")
    attempt = _attempt(group, entry, level, found)
    unit, mode = group.name_of(entry), str(entry.mode)
    return Reason(found.cause, unit, text, found.words, entry.tag, mode, entry.command, attempt)


def _attempt(group: GroupUnits, entry: Entry, level: str, found: Verdict) -> Attempt:
    """The run that a verdict is about."""
    unit, probe, cause = group.entry(entry), group.probe, found.cause
    if unit is None or cause in {Cause.NEVER_STARTED, Cause.NOT_LOADED, Cause.MASKED}:
        return Attempt(group.asked_at(level) if cause is Cause.NEVER_STARTED else 0)
    process = probe.process(unit.name)
    # For want of a file there is no process.
    ended = process.ended_at or probe.changed_time(unit.name)
    since = probe.active_time(unit.name) if unit.sub == "running" else ended  # as one that pauses: it has run since
    culprit = probe.culprit(unit.name) if found.may_be_by_hand else None
    return Attempt(since, process, probe.invocation(unit.name), found.may_be_by_hand, culprit)


def about_unit(group: GroupUnits, cause: Cause, unit: str, words: str) -> Reason:
    """What is wrong with a unit that is no entry of the level."""
    see = "" if cause is Cause.MASKED else f"; see 'systemctl status {unit}'"  # it says what to do itself
    return Reason(cause, unit, printable(f"{group.group}: {unit} {words}{see}"), words)
