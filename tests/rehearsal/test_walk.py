"""Chains of moves: each wanted step is taken, and hardly another."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cltab2systemd.rehearsal.walk import walk


def taken(start: int, way: list[int]) -> list[tuple[int, int]]:
    return list(itertools.pairwise([start, *way]))


@pytest.mark.parametrize("size", range(1, 7))
def test_all_pairs_in_as_many_steps(size: int) -> None:
    """From level to level of one table: each ordered pair once."""
    places = range(size)
    steps = {place: [other for other in places if other != place] for place in places}
    wanted = [(one, other) for one, others in steps.items() for other in others]
    assert sorted(taken(0, walk(steps, wanted, 0))) == sorted(wanted)


@pytest.mark.parametrize(("old", "new"), itertools.product(range(1, 6), repeat=2))
def test_there_and_back_in_as_many_steps(old: int, new: int) -> None:
    """From each level of one table to each of another, and from each of that back to each."""
    before, after = range(old), range(100, 100 + new)
    steps = {**dict.fromkeys(before, tuple(after)), **dict.fromkeys(after, tuple(before))}
    wanted = [(one, other) for one, others in steps.items() for other in others]
    assert sorted(taken(100, walk(steps, wanted, 100))) == sorted(wanted)


@given(st.sets(st.tuples(st.integers(0, 4), st.integers(100, 104)), min_size=1), st.integers(100, 104))
def test_what_is_wanted_is_taken(wanted: set[tuple[int, int]], start: int) -> None:
    """If only some steps are wanted, all of these are taken, with one more at most between two of them."""
    before, after = range(5), range(100, 105)
    steps = {**dict.fromkeys(before, tuple(after)), **dict.fromkeys(after, tuple(before))}
    way = walk(steps, sorted(wanted), start)
    assert wanted <= {*taken(start, way)}
    assert len(way) <= 2 * len(wanted)


def test_what_cannot_be_reached_is_left_out() -> None:
    """A step from a place that no way leads to ends nothing."""
    assert walk({0: [1], 1: [0], 5: [6]}, [(0, 1), (5, 6)], 0) == [1]
