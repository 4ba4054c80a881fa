"""Chains of moves: how few steps see every pair of places. Pure."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

P = TypeVar("P")


def walk(steps: Mapping[P, Sequence[P]], wanted: Iterable[tuple[P, P]], start: P) -> list[P]:
    """A way that takes every wanted step, if it can be reached, and few others.

    Args:
        steps: where one can go from each place.
        wanted: the steps that are to be taken.
        start: where the way begins.

    Returns:
        The places behind the start, in order. If every step is wanted, and as many lead to each place as from it, each
        is taken once: such a way can only come to an end where it began, and it avoids that place.
    """
    left = Counter(wanted)
    way: list[P] = []
    here = start
    while left.total():
        # The place that most steps are left from; among these the first one, but rather none than the start.
        nexts = [place for place in steps.get(here, ()) if left[here, place]]
        if nexts:
            there = max(nexts, key=lambda place: (_left_from(left, place), place != start))
        else:
            towards = _first_step(steps, {origin for origin, _ in left.elements()}, here)
            if towards is None:
                break
            there = towards
        left[here, there] -= left[here, there] > 0
        way.append(there)
        here = there
    return way


def _left_from(left: Counter[tuple[P, P]], place: P) -> int:
    return sum(number for (origin, _), number in left.items() if origin == place)


def _first_step(steps: Mapping[P, Sequence[P]], goals: set[P], start: P) -> P | None:
    """The first step of the shortest way to one of several places; None if there is none."""
    pending = deque((place, place) for place in steps.get(start, ()))
    seen = {start}
    while pending:
        first, place = pending.popleft()
        if place in goals:
            return first
        if place not in seen:
            seen.add(place)
            pending.extend((first, following) for following in steps.get(place, ()))
    return None
