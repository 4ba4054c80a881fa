"""The network between nodes: links are cut and mended, and the host sees nothing of it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import processes_in

from lab.errors import LabError
from lab.network import Network
from lab.node import Node
from lab.waiting import wait_until

ADDRESSES = {"n1": "198.51.100.1", "n2": "198.51.100.2"}


@pytest.fixture(scope="module")
def network(lab: None) -> Iterator[Network]:
    """Make a network for two nodes."""
    with Network(ADDRESSES) as made:
        yield made


@pytest.fixture(scope="module")
def nodes(network: Network) -> Iterator[tuple[Node, Node]]:
    """Boot both nodes of the network."""
    with Node("n1", network=network) as one, Node("n2", network=network) as two:
        yield one, two


def reaches(node: Node, other: str) -> bool:
    # One datagram, answered by the other node's kernel: ping(8) is not everywhere.
    script = f"""
import socket
try:
    socket.create_connection(({other!r}, 9), timeout=0.5)
except ConnectionRefusedError:
    print("there")
except OSError:
    pass
"""
    return node.run("/usr/bin/python3", "-c", script).stdout == "there\n"


def addresses_of_host() -> str:
    return subprocess.run(["ip", "-oneline", "address"], capture_output=True, text=True, check=True).stdout


def test_nodes_reach_each_other_by_name(nodes: tuple[Node, Node]) -> None:
    """Each node reaches the other by its name."""
    one, two = nodes
    assert reaches(one, "n2")
    assert reaches(two, "n1")


def test_nothing_is_seen_on_the_host(nodes: tuple[Node, Node]) -> None:
    """The host has neither addresses nor interfaces of the network."""
    assert "198.51.100." not in addresses_of_host()
    assert "port" not in addresses_of_host()


def test_link_is_cut_and_mended(network: Network, nodes: tuple[Node, Node]) -> None:
    """A node that is cut off reaches nobody and is not reached, until it is joined again."""
    one, two = nodes
    network.cut("n2")
    assert not reaches(one, "n2")
    assert not reaches(two, "n1")
    network.mend("n2")
    wait_until(lambda: reaches(one, "n2"))


def test_reboot_joins_again(network: Network, nodes: tuple[Node, Node]) -> None:
    """A node that boots again on the same files is in the network again, also one that was cut off."""
    one, two = nodes
    network.cut("n2")
    two.reboot()
    wait_until(lambda: reaches(one, "n2"))


def test_unknown_node_is_refused(network: Network) -> None:
    """A node whose name the network does not have is told which names it has."""
    with pytest.raises(LabError, match="n3 is not in this network: n1, n2"):
        Node("n3", network=network)


def test_bad_address_is_refused() -> None:
    """What is no IPv4 address makes no network."""
    with pytest.raises(ValueError, match="nonsense"):
        Network({"n1": "nonsense"})


def test_leaves_no_process(lab: None) -> None:
    """A network that was closed leaves no process in its namespace."""
    with Network(ADDRESSES) as network, Path(network.port("n1").namespace).open("rb") as kept:
        space = str(Path(network.port("n1").namespace).readlink())
        with Node("n1", network=network):
            assert processes_in({space})
        network.close()
        assert not processes_in({space}), kept.name
