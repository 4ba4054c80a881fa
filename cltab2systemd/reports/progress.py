"""Progress as varlink has it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.groups.progress import Doing

if TYPE_CHECKING:
    from cltab2systemd.groups.progress import Awaited, HaltProgress, Progress

# By so much systemd may be late with a limit. µs.
_TOLERANCE = 1_000_000


def halt_object(halt: HaltProgress, now: int) -> dict[str, object]:
    """The object of type HaltProgress; times as in `progress_object`."""
    return {"done": halt.done, "total": halt.total, "groups": [progress_object(group, now) for group in halt.groups]}


def progress_object(progress: Progress, now: int) -> dict[str, object]:
    """The object of type Progress; times are told as what has passed until now (CLOCK_MONOTONIC, in µs)."""
    return {
        "group": progress.group,
        "origin": progress.way.origin,
        "level": progress.way.level,
        "phase": str(progress.way.phase),
        "done": progress.done,
        "total": progress.total,
        "waiting": progress.waiting,
        "awaited": [awaited_object(entry, now) for entry in progress.awaited],
    }


def awaited_object(entry: Awaited, now: int) -> dict[str, object]:
    """The object of type Awaited."""
    elapsed, limit = None if entry.since is None else max(0, now - entry.since), entry.limit
    if entry.doing is Doing.STARTING and limit is not None and (elapsed or 0) > limit + _TOLERANCE:
        limit = None  # the program has asked systemd for more time (EXTEND_TIMEOUT_USEC=), which does not tell how much
    return {
        "tag": entry.tag,
        "mode": entry.mode,
        "unit": entry.unit,
        "doing": str(entry.doing),
        "elapsed_usec": elapsed,
        "limit_usec": limit,
        "signal": entry.signal or None,
        "next_signal": entry.next_signal or None,
        "says": entry.says or None,
        "ready_of": entry.ready_of or None,
    }
