"""Fixtures of the catalogue: a daemon that a file's tests share, groups of a test's own, a daemon of a test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from instance import Group, Instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node


@pytest.fixture(scope="module")
def instance(node: Node) -> Instance:
    """Run a daemon that all tests of a module share; each test has groups of its own."""
    return Instance(node).share()


def _lent(instance: Instance) -> Iterator[Group]:
    group = Group(instance)
    yield group
    group.define()
    instance.clinit()


@pytest.fixture
def group(instance: Instance) -> Iterator[Group]:
    """Give the test its own group; it leaves the table at the test's end."""
    yield from _lent(instance)


@pytest.fixture
def other(instance: Instance) -> Iterator[Group]:
    """Give the test a second group."""
    yield from _lent(instance)


@pytest.fixture
def alone(fresh_node: Node) -> Instance:
    """Run a daemon on a node of the test's own."""
    return Instance(fresh_node).share()
