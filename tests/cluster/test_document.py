"""docs/high-availability.md, typed as it stands on nodes that were in no cluster yet, ends with one that works."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
from documents import block

from cltab2systemd.node.spec import Bind
from lab import fencing, programs
from lab.cluster import NAMES, PACKAGES, SHARED
from lab.install import PROJECT
from lab.network import Network
from lab.node import Node
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

DOCUMENT = PROJECT / "docs/high-availability.md"
ADDRESSES = {name: f"192.0.2.{number}" for number, name in enumerate(NAMES, 1)}
TABLE = """\
web:page:3m:respawn:exec python3 -m http.server 8085 --directory /srv
web:shop:3:respawn:exec sleep infinity
"""
# The device that the document has for an example, with the lab's behind it.
DEVICE = "fence_ipmilan"
DEVICE_PARAMETERS = ("ip", "username", "password_script", "lanplus")
ANSWER = "secret\n"
# Seconds; pcs takes its time on a busy machine.
LONG = 60.0
PATIENT = 180.0


class Fresh:
    """Nodes with Debian's packages, which are in no cluster; what the document says can be typed into them."""

    def __init__(self, nodes: dict[str, Node], device: fencing.Fencing) -> None:
        self.nodes = nodes
        self.device = device

    def type(self, example: str, *, on: str = "n1", answers: str = "") -> None:
        """Type a block of the document; every command of it has to succeed."""
        self.run(block(DOCUMENT, "example", example), on=on, answers=answers)

    def run(self, commands: str, *, on: str = "n1", answers: str = "") -> str:
        return self.nodes[on].run("sh", "-ec", f"cd /root\n{commands}", input=answers, timeout=PATIENT).stdout

    def on_each(self, example: str, *, answers: str = "") -> None:
        """Type a block on all nodes at once."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: self.type(example, on=name, answers=answers), self.nodes))

    def fence_each(self, example: str) -> None:
        """Type the block that makes the first node's fencing device, and the same for the others."""
        text = block(DOCUMENT, "example", example)
        for number, name in enumerate(NAMES, 1):
            self.run(text.replace("n1", name).replace("192.0.2.101", f"192.0.2.10{number}"))

    def are_online(self) -> bool:
        said = self.nodes["n1"].run("crm_mon", "--one-shot", check=False).stdout
        return re.search(r"Online: \[ n1 n2 n3 \]", said) is not None

    def is_at(self, level: str, name: str) -> bool:
        """Whether clstat of a node says that the group is DONE at a level."""
        return f"web {level} DONE\n" in self.nodes[name].run("clinit", "-v", check=False).stdout

    def runs_on(self, name: str) -> bool:
        """Whether a node has the group, and its address, and Pacemaker says so."""
        node = self.nodes[name]
        return (
            node.is_on
            and self.is_at("3", name)
            and "inet 192.0.2.80/" in node.run("ip", "address").stdout
            and f"running on: {name}" in self.run("crm_resource --resource web --locate", on=name)
        )

    def where(self) -> str:
        """The node on which the group is; empty if it is on none."""
        return next(filter(self.runs_on, NAMES), "")


@contextmanager
def fresh_nodes(project_layer: Path, directory: Path) -> Iterator[Fresh]:
    """Three nodes, and the device that fences them."""
    debian = programs.installed(*PACKAGES)
    layer, shared = directory / "layer", directory / "shared"
    files = {
        "etc/cltab": TABLE,
        "etc/fence-password": "#!/bin/sh\necho secret\n",
        f"usr/sbin/{DEVICE}": fencing.agent(DEVICE, SHARED, DEVICE_PARAMETERS),
    }
    shared.mkdir()
    for path, text in files.items():
        (layer / path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        (layer / path).write_text(text)
        (layer / path).chmod(0o755 if text.startswith("#!") else 0o644)
    # Debian starts corosync and pacemaker as well, with the example of a cluster; they would take 20 s to end again.
    wants = layer / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "pcsd.service").symlink_to("/usr/lib/systemd/system/pcsd.service")
    with Network(ADDRESSES) as network, ExitStack() as stack:
        layers = [layer, project_layer, debian]
        binds = [Bind(shared, SHARED, read_only=False)]
        nodes = {name: Node(name, layers=layers, binds=binds, network=network) for name in NAMES}
        for node in nodes.values():
            stack.callback(node.stop)
        with ThreadPoolExecutor() as pool:
            list(pool.map(Node.boot, nodes.values()))
        # Corosync's own times hold here: a node of the lab would be back too soon.
        device = fencing.Fencing(nodes, shared, boots=False)
        stack.callback(device.close)
        yield Fresh(nodes, device)


def make_cluster_by_pcs(fresh: Fresh) -> None:
    fresh.on_each("pcs-nodes", answers=ANSWER * 2)
    fresh.type("pcs-cluster", answers=ANSWER)


def make_cluster_by_hand(fresh: Fresh) -> None:
    fresh.run("corosync-keygen")
    for node in fresh.nodes.values():
        node.write("/etc/corosync/corosync.conf", block(DOCUMENT, "example", "corosync.conf"))
        node.write("/etc/corosync/authkey", fresh.nodes["n1"].read_bytes("/etc/corosync/authkey"), mode=0o400)
    fresh.on_each("crm-nodes")


def create_by_pcs(fresh: Fresh) -> None:
    fresh.type("pcs")


def create_by_crmsh(fresh: Fresh) -> None:
    fresh.nodes["n1"].write("/root/FILE", block(DOCUMENT, "example", "crm"))
    fresh.run("crm configure load update FILE")


def follow(tool: str, project_layer: Path, directory: Path) -> None:
    """Nodes become a cluster, fencing is tried, a group runs, is moved, and survives its node."""
    with fresh_nodes(project_layer, directory) as fresh:
        (make_cluster_by_pcs if tool == "pcs" else make_cluster_by_hand)(fresh)
        fresh.fence_each(f"{tool}-fencing")
        wait_until(fresh.are_online, what="a cluster", timeout=LONG)

        fresh.type("try-fencing")
        assert fresh.device.fenced == [("n3", "reboot")]
        fresh.nodes["n3"].start()
        (create_by_pcs if tool == "pcs" else create_by_crmsh)(fresh)
        wait_until(fresh.are_online, what="n3 back again", timeout=LONG)
        wait_until(fresh.where, what="the group on a node", timeout=LONG)

        if fresh.where() != "n2":
            fresh.type(f"{tool}-move")
        wait_until(partial(fresh.runs_on, "n2"), what="the group on n2", timeout=LONG)

        for level in ("m", "3"):
            fresh.run(block(DOCUMENT, "example", f"{tool}-level").replace("m\n", f"{level}\n"))
            wait_until(partial(fresh.is_at, level, "n2"), what=f"level {level}", timeout=LONG)
        fresh.type(f"{tool}-by-hand", on="n2")
        fresh.run("crm_resource --resource web --force-check", on="n2")
        assert fresh.runs_on("n2")

        fresh.nodes["n2"].crash()
        wait_until(lambda: fresh.where() not in {"", "n2"}, what="the group on another node", timeout=LONG)
        assert fresh.device.fenced == [("n3", "reboot"), ("n2", "reboot")]


@pytest.fixture(scope="module")
def followed(project_layer: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[None]]]:
    """Both ways at once, for what they do is mostly to wait for Corosync and Pacemaker."""
    with ThreadPoolExecutor() as pool:
        yield {tool: pool.submit(follow, tool, project_layer, tmp_path_factory.mktemp(tool)) for tool in ("pcs", "crm")}


@pytest.mark.parametrize("tool", ["pcs", "crm"])
def test_the_document(followed: dict[str, Future[None]], tool: str) -> None:
    """Every command does what the document says."""
    followed[tool].result()
