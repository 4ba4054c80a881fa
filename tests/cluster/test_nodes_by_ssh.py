"""`clinitctl nodes -w` on three nodes without a cluster manager, over a real network by real ssh."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from answers import answered
from manynodes import kinds
from shipped import Shipped

from lab import ssh
from lab.cluster import PACKAGES
from lab.network import Network
from lab.node import Node
from lab.programs import installed
from lab.waiting import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from threenodes import Groups

ADDRESSES = {"n1": "198.51.100.1", "n2": "198.51.100.2", "n3": "198.51.100.3"}
ALL = "n[1-3]"
TABLE = """\
web:server:3:respawn:exec sleep 1000
web:slow:5:wait:sleep 1000
db:store:3:respawn:exec sleep 1000
"""


class ThreeNodes:
    """The nodes, with their daemons; the first can reach all of them by ssh."""

    def __init__(self, network: Network, nodes: dict[str, Node]) -> None:
        self.network = network
        self.nodes = nodes
        self.first = nodes["n1"]
        self.daemons = {name: self._daemon(node) for name, node in nodes.items()}
        ssh.allow(nodes.values())

    @staticmethod
    def _daemon(node: Node) -> Shipped:
        node.write("/etc/cltab", TABLE)
        daemon = Shipped(node).start()
        answered(daemon.clinit(), code=0)  # the package has started it before there was a table
        return daemon

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `clinitctl nodes -w` on the first node."""
        return self.first.run("clinitctl", "nodes", *words, check=False)

    def seen(self, *words: str) -> Any:
        return json.loads(self.ask("--json", "-w", ALL, *words).stdout)


@pytest.fixture(scope="module")
def booted(project_layer: Path) -> Iterator[ThreeNodes]:
    debian = installed(*PACKAGES)
    with Network(ADDRESSES) as network:
        nodes = {name: Node(name, layers=[project_layer, debian], network=network) for name in ADDRESSES}
        try:
            with ThreadPoolExecutor() as pool:
                list(pool.map(Node.boot, nodes.values()))
            yield ThreeNodes(network, nodes)
        finally:
            for node in nodes.values():
                node.stop()


@pytest.fixture
def three(booted: ThreeNodes) -> Iterator[ThreeNodes]:
    """Each test leaves the groups stopped, and the nodes as they were."""
    yield booted
    for name, daemon in booted.daemons.items():
        booted.network.mend(name)
        booted.nodes[name].shell("systemctl start ssh.service")
        if booted.nodes[name].read("/etc/cltab") != TABLE:
            booted.nodes[name].write("/etc/cltab", TABLE)
            answered(daemon.clinit(), code=0)
        for group in ("web", "db"):
            answered(daemon.clinit("--wait", group, "stop"), code=0)


def test_a_group_on_two_nodes(three: ThreeNodes) -> None:
    """It is a conflict, and moving one of them ends it; what nobody has started is nowhere."""
    answered(three.ask("-w", "n[1-2]", "switch", "web", "3"), code=0, out="n[1-2]: web 3 DONE\n")

    seen = three.seen()
    assert kinds(seen) == {"conflict": ["n1", "n2"], "nowhere": []}, seen["findings"]
    answered(three.ask("-w", "n2", "switch", "web", "stop"), code=0)
    assert kinds(three.seen("web")) == {}


def test_a_push_that_reached_two(three: ThreeNodes) -> None:
    """The third has another table, and other lines as soon as they are applied."""
    for name in ("n1", "n2"):
        three.nodes[name].write("/etc/cltab", TABLE.replace("server:3", "server:3,4"))
    answered(three.ask("-w", ALL, "switch", "web", "3"), code=0, out="n[1-3]: web 3 DONE\n")

    found = kinds(three.seen("web"))

    assert found["different-table"] == ["n3"]
    assert found["different-lines"] == ["n3"]


def test_nodes_that_cannot_be_reached(three: ThreeNodes) -> None:
    """It is said why: a cut link, and an sshd that does not run. Nothing is done there, and the exit code says so."""
    three.network.cut("n3")
    three.nodes["n2"].shell("systemctl stop ssh.service")

    seen = three.seen("--timeout", "2")

    reasons = {node["node"]: node["reason"] for node in seen["nodes"] if node["condition"] == "down"}
    assert reasons["n2"].endswith("port 22: Connection refused")
    assert reasons["n3"] == "no answer in time"
    found = three.ask("-w", "n[1-2]", "switch", "web", "3")
    assert found.stdout.splitlines()[1] == "n1: web 3 DONE"
    assert found.stdout.startswith("n2: not moved: ssh: connect to host n2 port 22: Connection refused")
    assert found.returncode == 3


def test_a_connection_that_is_lost(three: ThreeNodes) -> None:
    """Whatever became of the switch there, it is not told as done; batches do not go on."""
    process = three.first.popen(
        "sh", "-c", 'clinitctl nodes "$@" >/srv/out', "sh",
        "-w", "n[2-3]", "--batch", "1", "switch", "web", "5",
    )  # fmt: skip
    wait_until(lambda: "web 5 STARTING" in three.nodes["n2"].run("clinit", "-v").stdout, what="n2 has begun")

    three.nodes["n2"].shell("systemctl stop ssh.service; pkill -x sshd")

    assert process.wait(30) == 5
    first, last = three.first.read("/srv/out").splitlines()
    assert first.startswith("n2: unknown, it may have begun: ")
    assert last == "n3: not moved, for the nodes before did not come out well"
    assert "web" not in three.nodes["n3"].run("clinit", "-v").stdout.replace("web stop", "")


def test_where_pacemaker_has_the_group(groups: Groups) -> None:
    """Nothing is done on any node, and the command that is right is told; once Pacemaker looks away, it is done."""
    cluster = groups.cluster
    ssh.allow(cluster.nodes.values())

    def switch(level: str) -> subprocess.CompletedProcess[str]:
        return cluster.nodes["n1"].run("clinitctl", "nodes", "-w", ALL, "switch", "web", level, check=False)

    where = groups.where("web")
    refused = switch("m")
    assert refused.stderr.splitlines() == [
        f"clinitctl: nothing is done: Pacemaker has web as its resource web, and runs it on {where}",
        "clinitctl: on a node of the cluster, to change its level: pcs resource update web level=m",
        "clinitctl: to have Pacemaker look away first: pcs resource unmanage web --monitor",
    ]
    answered(refused, code=1, out="")
    assert switch("stop").stderr.splitlines()[1].endswith("to stop it: pcs resource disable web")
    assert groups.is_whole("web")

    cluster.run("pcs resource unmanage web --monitor; crm_resource --wait")
    stopped = switch("stop")
    answered(stopped, code=0)
    told = [line for line in stopped.stdout.splitlines() if not line.startswith(" ")]
    assert {line.partition(": ")[2] for line in told} == {"web stop DONE"}  # Pacemaker may be slow to tell a node more
    cluster.nodes[where].run("clinit", "--wait", "web", "3")
    cluster.run("pcs resource manage web --monitor; crm_resource --wait")

    # Where nobody has noted it, as after a boot, or Pacemaker is stopped: not even where it does not run.
    away = next(name for name in cluster.nodes if name not in {"n1", groups.where("web")})
    node = cluster.nodes[away]
    notes = "/run/cltab2systemd/system/known-to-cluster"
    for prepare, why in (
        (f"mv {notes} /root/notes", ""),  # a monitor may be faster
        (f"rm -rf {notes}; mv /root/notes {notes}; systemctl stop pacemaker", f"{away}: Pacemaker does not run there"),
        (f"rm -r {notes}", f"{away}: Pacemaker is stopped there, and had it"),
    ):
        node.shell(prepare)
        found = cluster.nodes["n1"].run("clinitctl", "nodes", "-w", away, "switch", "web", "3", check=False)
        assert found.stderr.startswith("clinitctl: nothing is done: ")
        assert why in found.stderr
        answered(found, code=1, out="")
    node.shell("systemctl start pacemaker")
    groups.await_all()
