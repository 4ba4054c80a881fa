"""What can be wrong with a group, and with an entry of it: the codes, and the reasons made of them. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cltab2systemd.terminal import printable, shortened

if TYPE_CHECKING:
    from cltab2systemd.groups.culprit import Culprit
    from cltab2systemd.groups.units import GroupUnits, Process
    from cltab2systemd.table.model import Entry


class Cause(enum.StrEnum):
    """What is wrong: the codes that programs go by."""

    TEST_FAILED = "test-failed"  # a test ran, and did not exit with 0
    NOT_EXECUTED = "not-executed"  # systemd could not start the command
    TIMED_OUT = "timed-out"  # TimeoutStartSec= or RuntimeMaxSec= was over
    OUT_OF_MEMORY = "out-of-memory"
    NOT_READY = "not-ready"  # an entry was started, and is not ready
    BROKEN_OFF = "broken-off"  # anything else that makes systemd call the unit failed
    DOWN = "down"  # a respawn entry that does not run
    NEVER_STARTED = "never-started"  # its start was refused
    REQUIRED_FAILED = "required-failed"  # a wait that is required did not exit with 0
    KEPT_BACK = "kept-back"  # it was not started, for what is required before it did not do well
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
    UNHEALTHY = "unhealthy"  # its health check has failed, often enough in a row; or cannot be executed
    SKIPPED = "skipped"  # a condition in a drop-in did not hold


# These are told, but do not make a group FAILED.
REMARKS = frozenset(
    {
        Cause.PAUSED, Cause.RESTARTING, Cause.KEEPS_ENDING, Cause.ENDED_BADLY, Cause.NOT_RUN, Cause.UNHEALTHY,
        Cause.SKIPPED,
    }
)  # fmt: skip


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
# Of these there was no run.
_UNTRIED = frozenset({Cause.NEVER_STARTED, Cause.KEPT_BACK, Cause.NOT_LOADED, Cause.MASKED})


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
    since: int = 0  # likewise, if it is about something that no property of the unit tells the time of


WELL = Verdict()


def about_entry(group: GroupUnits, entry: Entry, level: str, found: Verdict) -> Reason:
    """The reason for a verdict that is not good, such as `web: config (test) exited with 1: test -d /srv/www`."""
    assert found.cause is not None
    subject = group.subject_of(entry)
    named = f"{entry.tag} ({entry.mode})" if subject is None else f"{subject.tag} ({subject.mode})"
    command = f": {shortened(entry.command)}" if subject is None else f" ({shortened(entry.command)})"
    command = "" if found.cause is Cause.KEPT_BACK else command  # of these there may be many
    text = printable(f"{group.group}: {named} {found.words}{command}")
    attempt = _attempt(group, entry, level, found)
    unit, mode = group.name_of(entry), str(entry.mode)
    return Reason(found.cause, unit, text, found.words, entry.tag, mode, entry.command, attempt)


def _attempt(group: GroupUnits, entry: Entry, level: str, found: Verdict) -> Attempt:
    """The run that a verdict is about."""
    unit, probe, cause = group.entry(entry), group.probe, found.cause
    if unit is None or cause in _UNTRIED:
        return Attempt(0 if cause in {Cause.NOT_LOADED, Cause.MASKED} else group.asked_at(level))
    if cause is Cause.UNHEALTHY:
        return Attempt(found.since, None, probe.invocation(unit.name))
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
