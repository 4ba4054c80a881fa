"""When `respawn` entries pause that die too fast."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

from cltab2systemd import events
from lab.waiting import wait_until

if TYPE_CHECKING:
    from instance import Group


def said(group: Group, tag: str) -> int:
    """How often an entry's throttle said that it pauses."""
    journal = group.node.journal(group.unit(tag))
    return journal.count(f"{group.name}.{tag} respawning too rapidly: sleeping 60 seconds")


def paused(group: Group, tag: str, event: str = "ran") -> list[float]:
    """Wait until an entry pauses for having died too fast; when it was started until then."""
    wait_until(lambda: said(group, tag) == 1, what=f"{tag} pauses")
    starts = group.event_times(event)
    assert is_next_too_many(starts)
    return starts


def fastest(group: Group) -> float:
    """How long it takes from an entry's first start to its last one before the pause.

    The machine may hold up a start, so of five entries the fastest one tells.
    """
    levels = "12345"
    group.define(*(f"r{level}:{level}:respawn:@ ran{level}" for level in levels))
    took = []
    for level in levels:
        group.switch(level)
        starts = paused(group, f"r{level}", f"ran{level}")
        took.append(starts[-1] - starts[0])
    return min(took)


def were_fast(group: Group, tag: str) -> bool:
    """Whether each start of an entry that pauses came surely less than 1 s after the last one.

    Nobody says when the shell that counts them ran. It did so between two ends, the first time after the request.
    """
    asked = group.instance.told_at(events.REQUESTED, group=group.name)
    shown = group.node.run("journalctl", "--output=json", f"--unit={group.unit(tag)}").stdout
    ends = [
        int(line.get("_SOURCE_REALTIME_TIMESTAMP") or line["__REALTIME_TIMESTAMP"]) / 1e6
        for line in map(json.loads, shown.splitlines())
        if "Main process exited" in line["MESSAGE"] or "respawning too rapidly" in line["MESSAGE"]
    ]
    times = [asked, *sorted(ends)]
    return all(later - earlier < 1 for earlier, later in zip(times, times[2:], strict=False))


def is_next_too_many(starts: list[float], count: int = 0) -> bool:
    """Whether the next fast start is the first that is one too many: the seventh, if all are fast.

    A start less than 1 s after the last one counts up. A later one counts down. Above 5 is too many.

    Args:
        starts: when the entry was started.
        count: how many are counted with the first of them, 6 after a pause. That one is not put off.
    """
    counts = [count]
    for last, start in pairwise(starts):
        counts.append(counts[-1] + 1 if start - last < 1 else max(counts[-1] - 1, 0))
    return counts[-1] >= 5 >= max(counts[1:], default=5)
