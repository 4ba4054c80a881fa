"""The stand-in for systemd, held against the real one: the same histories come to the same, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from simulation.onnode import Real, compare

if TYPE_CHECKING:
    from lab.node import Node

SEEDS = range(5)


@pytest.fixture(scope="module")
def real(node: Node) -> Real:
    """A node for all histories."""
    return Real(node)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_history_is_the_same_on_both(real: Real, seed: int) -> None:
    """Answers, clstat and the states of units are those of the real systemd, after each step."""
    assert compare(real, seed) == []
