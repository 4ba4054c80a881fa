"""How groups and their entries are, as values for JSON: what varlink answers, and what `clinitctl --json` prints. Pure.

Names are strings as the daemon has them: bytes that are not UTF-8 are lone surrogates (`text.decoded`). Times are µs
since 1970, and null if they are not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.groups import endings
from cltab2systemd.groups.cures import cure

if TYPE_CHECKING:
    from cltab2systemd.groups.failure import Reason
    from cltab2systemd.groups.state import GroupStatus
    from cltab2systemd.groups.units import Process

Object = dict[str, object]


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


def reason_object(reason: Reason, group: str, level: str, offset: int) -> Object:
    """One thing that is wrong with a group at a level; the offset as for `status_object`."""
    attempt = reason.attempt
    return {
        "code": str(reason.cause),
        "failure": reason.is_failure,
        "unit": reason.unit,
        "tag": reason.tag or None,
        "mode": reason.mode or None,
        "text": reason.text,
        "command": reason.command or None,
        "since_usec": since_1970(attempt.since, offset),
        "ending": None if attempt.process is None else ending_object(attempt.process, offset),
        "invocation": attempt.invocation or None,
        "cure": cure(reason, group, level) or None,
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
