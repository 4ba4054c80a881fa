"""One cluster of three nodes for all tests here: groups of real programs, and fencing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from threenodes import TABLE, Groups

from lab import packaged, programs
from lab.cluster import PACKAGES, Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# Those that take a minute and more.
LONGEST = ("test_document.py", "test_nodes.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest come first: two clusters side by side are then through at about the same time."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session")
def project_layer(lab: None) -> Path:
    """What ships: the project's Debian packages, installed by dpkg over Debian's of the cluster."""
    return packaged.installed(programs.installed(*PACKAGES))


@pytest.fixture(scope="session")
def cluster(project_layer: Path) -> Iterator[Cluster]:
    """A cluster with all groups as resources, which outlives the tests: each leaves it as it has found it."""
    with Cluster([project_layer], TABLE) as made:
        Groups(made).configure()
        yield made


@pytest.fixture
def groups(cluster: Cluster) -> Iterator[Groups]:
    """The groups, all well before the test, and never on two nodes at once in it."""
    found = Groups(cluster)
    found.await_all()
    found.forget()
    yield found
    assert cluster.violations() == ""
