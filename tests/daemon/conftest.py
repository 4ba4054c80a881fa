"""Fixtures of the daemon's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from instance import Instance
from twogroups import ENTRIES, TABLE

if TYPE_CHECKING:
    from lab.node import Node


@pytest.fixture
def instance(fresh_node: Node) -> Instance:
    """A daemon of the test's own, with two groups at level 1."""
    instance = Instance(fresh_node)
    instance.write_table(TABLE)
    instance.start()
    for group in ENTRIES:
        assert instance.clinit("-w", group, "1").returncode == 0
    return instance
