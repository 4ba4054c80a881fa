"""docs/high-availability.md on two nodes with keepalived, joined by a network: a group is where the address is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from documents import block
from realkeepalived import DEFAULTS, READER, bound, install
from shipped import Shipped

from lab.install import PROJECT
from lab.network import Network
from lab.node import Node
from lab.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT = PROJECT / "docs/high-availability.md"
TABLE = "web:db:3:respawn:exec sleep 1000\n"
# The example's instance lies in their network.
ADDRESSES = {"n1": "192.0.2.1", "n2": "192.0.2.2"}
ADDRESS = "192.0.2.80/24"


def follow_the_document(node: Node) -> None:
    """Do what it says, with its examples."""
    shipped = Shipped(node)
    shipped.write_table(TABLE)
    shipped.start()
    # Only sooner.
    configuration = block(DOCUMENT, "example", "keepalived").replace("global_defs {", "global_defs {\n vrrp_version 3")
    install(node, configuration.replace("priority 100", "priority 100\n advert_int 0.1"))
    node.write(DEFAULTS, block(DOCUMENT, "example", "keepalived-defaults"))
    node.run("systemctl", "enable", "--now", "--quiet", READER)
    node.run("systemctl", "restart", "keepalived")
    node.run("systemctl", "enable", "--quiet", "keepalived")  # which Debian's package does


def has_group(node: Node) -> bool | None:
    """Whether a node has the group and the address; None while it has one of them, or the group is on its way."""
    status = node.run("clinit", "-v", check=False).stdout.strip()
    has_address = ADDRESS in node.run("ip", "-oneline", "address").stdout
    return {("web 3 DONE", True): True, ("web stop DONE", False): False}.get((status, has_address))


def test_two_nodes(project_layer: Path) -> None:
    """It runs on one of them, on the other one when that is gone, and on one of them again after a boot."""
    with (
        Network(ADDRESSES) as network,
        Node("n1", layers=[project_layer], binds=[bound()], network=network) as n1,
        Node("n2", layers=[project_layer], binds=[bound()], network=network) as n2,
    ):
        nodes = [n1, n2]
        for node in nodes:
            follow_the_document(node)

        def one_has_it() -> bool:
            return sorted(map(str, map(has_group, nodes))) == ["False", "True"]

        wait_until(one_has_it, what="the group on one node", timeout=30)
        first = next(node for node in nodes if has_group(node))
        second = next(node for node in nodes if node is not first)
        first.crash()
        wait_until(lambda: has_group(second), what="the group on the other node", timeout=30)
        first.start()
        wait_until(one_has_it, what="the group on one node after a boot", timeout=30)
        second.reboot()
        wait_until(one_has_it, what="the group on one node after another boot", timeout=30)
