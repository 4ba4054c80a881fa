"""Progress as varlink has it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cltab2systemd.groups.progress import Awaited, HaltProgress, Progress


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
    return {
        "tag": entry.tag,
        "mode": entry.mode,
        "unit": entry.unit,
        "doing": str(entry.doing),
        "elapsed_usec": None if entry.since is None else max(0, now - entry.since),
        "limit_usec": entry.limit,
        "signal": entry.signal or None,
        "next_signal": entry.next_signal or None,
        "says": entry.says or None,
        "ready_of": entry.ready_of or None,
    }
