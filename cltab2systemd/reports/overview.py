"""How groups and their entries are, as values for JSON: what varlink answers, and what `clinitctl --json` prints. Pure.

Names are strings as the daemon has them: bytes that are not UTF-8 are lone surrogates (`text.decoded`). Times are µs
since 1970, and null if they are not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.groups import endings
from cltab2systemd.groups.cures import cure
from cltab2systemd.groups.overview import Health
from cltab2systemd.groups.state import State
from cltab2systemd.groups.tally import Counted
from cltab2systemd.reports.digests import digest, lines_digest
from cltab2systemd.reports.progress import progress_object

if TYPE_CHECKING:
    from cltab2systemd.groups.culprit import Culprit
    from cltab2systemd.groups.overview import EntryOverview, GroupOverview
    from cltab2systemd.groups.reasons import Reason
    from cltab2systemd.groups.state import GroupStatus
    from cltab2systemd.groups.tally import Tally
    from cltab2systemd.groups.trial import Trial
    from cltab2systemd.groups.units import Process

Object = dict[str, object]


def table_object(path: str, refusal: str, in_force: bytes | None, *, unread: bool) -> Object:
    """The table.

    Args:
        path: of the file.
        refusal: why it is refused; empty if it is not.
        in_force: the bytes of the table that took effect last; None if that is not known.
        unread: whether the file has changed since it was read.
    """
    return {
        "path": path,
        "refusal": refusal or None,
        "unread": unread,
        "digest": None if in_force is None else digest(in_force),
    }


def status_object(status: GroupStatus, offset: int) -> Object:
    """A group as clstat shows it, with the reasons for its state.

    Args:
        status: the group's.
        offset: µs to be added to CLOCK_MONOTONIC to get the time since 1970.
    """
    reasons = (*status.reasons, *status.momentary)
    return {
        "group": status.group,
        "level": status.level,
        "state": str(status.state),
        "reasons": [reason_object(reason, status.group, status.level, offset) for reason in reasons],
    }


def group_object(overview: GroupOverview, offset: int, now: int) -> Object:
    """A group with its entries. One of which nothing runs, at no level, has none, whatever it was at before.

    Args:
        overview: of the group.
        offset: as for `status_object`.
        now: CLOCK_MONOTONIC in µs.
    """
    status = overview.status
    shown = status_object(status, offset) if status is not None else {}
    return {
        "group": overview.group,
        "level": None if overview.health is Health.AT_REST else shown.get("level"),
        "state": shown.get("state", str(State.CONFIGURED)),
        "since_usec": since_1970(overview.since, offset),
        "health": str(overview.health),
        "progress": None if overview.progress is None else progress_object(overview.progress, now),
        "boot_level": overview.wanted.boot_level,
        "declared": [*overview.wanted.declared],
        "in_table": bool(overview.wanted.entries),
        "digest": lines_digest(overview.applied),
        "pending": [*overview.pending],
        "trial": None if overview.trial is None else trial_object(overview.trial, offset),
        "transitions": None if overview.tally is None else tally_object(overview.tally),
        "reasons": shown.get("reasons", []),
        "entries": [entry_object(entry, offset) for entry in overview.entries],
    }


def trial_object(trial: Trial, offset: int) -> Object:
    """A level on trial; the offset as for `status_object`."""
    return {"level": trial.level, "back": trial.back, "until_usec": since_1970(trial.deadline, offset)}


def tally_object(tally: Tally) -> Object:
    """How requests for a group have ended."""
    counts = tally.counts
    return {
        "done": counts[Counted.DONE],
        "passed": counts[Counted.PASSED],
        "failed": counts[Counted.FAILED],
        "stopped": counts[Counted.STOPPED],
        "refused": counts[Counted.REFUSED],
        "superseded": counts[Counted.SUPERSEDED],
        "last_usec": tally.duration,
    }


def entry_object(overview: EntryOverview, offset: int) -> Object:
    """An entry; the offset as for `status_object`."""
    entry, unit, usage = overview.entry, overview.loaded, overview.usage
    return {
        "tag": entry.tag,
        "levels": entry.levels.text,
        "mode": str(entry.mode),
        "command": entry.command,
        "state": str(overview.state),
        "in_level": overview.in_level,
        "unit": overview.unit,
        "load": unit.load if unit is not None else None,
        "active": unit.active if unit is not None else None,
        "sub": unit.sub if unit is not None else None,
        "since_usec": since_1970(overview.since, offset),
        "pid": overview.pid or None,
        "restarts": overview.restarts,
        "healthy": overview.healthy,
        "ending": None if overview.process is None else ending_object(overview.process, offset),
        "previous_ending": None if overview.before is None else ending_object(overview.before, offset),
        "memory_bytes": usage.memory,
        "cpu_usec": usage.cpu,
        "tasks": usage.tasks,
        "ready_of": entry.ready_of or None,
        "says": overview.says or None,
    }


def reason_object(reason: Reason, group: str, level: str, offset: int) -> Object:
    """One thing that is wrong with a group at a level; the offset as for `status_object`."""
    attempt = reason.attempt
    return {
        "code": str(reason.cause),
        "failure": reason.is_failure,
        "unit": reason.unit,
        "tag": reason.tag or None,
        "mode": reason.mode or None,
        "words": reason.words,
        "text": reason.text,
        "command": reason.command or None,
        "since_usec": since_1970(attempt.since, offset),
        "ending": None if attempt.process is None else ending_object(attempt.process, offset),
        "by": None if attempt.by is None else culprit_object(attempt.by),
        "invocation": attempt.invocation or None,
        "cure": cure(reason, group, level) or None,
    }


def culprit_object(culprit: Culprit) -> Object:
    """Who has stopped or killed an entry."""
    return {
        "user": culprit.user,
        "uid": culprit.uid,
        "pid": culprit.pid,
        "command": culprit.command,
        "time_usec": culprit.time,
    }


def ending_object(process: Process, offset: int) -> Object | None:
    """How a main process ended; None if there was none, or it runs; the offset as for `status_object`."""
    kind = endings.kind(process)
    if kind in {"none", "running"} and process.result == "success":
        return None
    by_signal = kind in {"killed", "dumped"}
    return {
        "kind": kind,
        "status": process.status,
        "signal": (endings.signal_name(process.status) or str(process.status)) if by_signal else None,
        "result": process.result,
        "at_usec": since_1970(process.ended_at, offset),
    }


def since_1970(monotonic: int, offset: int) -> int | None:
    """A moment of CLOCK_MONOTONIC as µs since 1970; None for 0, which is no moment."""
    return monotonic + offset if monotonic else None
