"""When `respawn` entries pause that die too fast."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

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


def is_next_too_many(starts: list[float], count: int = 0) -> bool:
    """Whether the next fast start is the first that is one too many: the sixth, if all of them are fast.

    A start less than 1 s after the last one counts up. A later one counts down. Above 5 is too many.

    Args:
        starts: when the entry was started.
        count: how many are counted with the first of them, 6 after a pause. That one is not put off.
    """
    counts = [count]
    for last, start in pairwise(starts):
        counts.append(counts[-1] + 1 if start - last < 1 else max(counts[-1] - 1, 0))
    return counts[-1] >= 5 >= max(counts[1:], default=5)
