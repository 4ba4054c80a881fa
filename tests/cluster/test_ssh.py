"""Nodes reach each other by ssh, for what goes from node to node that way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab import ssh
from lab.cluster import NAMES

if TYPE_CHECKING:
    from lab.cluster import Cluster


def test_between_the_nodes(cluster: Cluster) -> None:
    """Root of each node can run commands on all nodes, by ClusterShell; allowing it twice does no harm."""
    for _ in range(2):
        ssh.allow(cluster.nodes.values())

    for name in NAMES:
        found = cluster.run(f"clush -bL -w {','.join(NAMES)} uname -n", on=name)
        assert found == "n1: n1\nn2: n2\nn3: n3\n"
