"""Fixtures for tests that need a real systemd: nodes of the lab."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from support import NodeFactory

from lab import host
from lab.install import installed_layer
from lab.node import Node

# In CI the same examples in every run, on machines that may be slow; elsewhere, new ones each time.
settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(scope="session")
def lab() -> None:
    """Skip the test if nodes cannot be booted here; fail it where they must be, in CI."""
    if reason := host.shortcoming():
        if os.environ.get("CI"):
            pytest.fail(f"no lab: {reason}")
        pytest.skip(f"no lab: {reason}")


@pytest.fixture(scope="session")
def project_layer(lab: None) -> Path:
    """The project installed in an overlay layer."""
    return installed_layer()


@pytest.fixture
def node_factory(lab: None) -> Iterator[NodeFactory]:
    """Boot nodes (arguments as for Node), without the project; they end with the test."""
    nodes: list[Node] = []

    def boot(name: str, **options: Any) -> Node:
        node = Node(name, **options)
        nodes.append(node)
        node.boot()
        return node

    yield boot
    for node in nodes:
        node.stop()


@pytest.fixture(scope="module")
def node(request: pytest.FixtureRequest, project_layer: Path) -> Iterator[Node]:
    """Boot a node with the project installed, shared by all tests of a module."""
    with Node(_host_name(request.node.name), layers=[project_layer]) as booted:
        yield booted


@pytest.fixture
def fresh_node(request: pytest.FixtureRequest, project_layer: Path) -> Iterator[Node]:
    """Boot a node with the project installed, for one test."""
    with Node(_host_name(request.node.name), layers=[project_layer]) as booted:
        yield booted


def _host_name(test: str) -> str:
    name = re.sub("[^a-z0-9]+", "-", test.removesuffix(".py").rpartition("/")[2].removeprefix("test_").lower())
    return name[:42].strip("-")
