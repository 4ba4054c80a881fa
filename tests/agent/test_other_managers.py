"""packaging/examples/clinit-for-clusters, called as PowerHA, VCS and Serviceguard call scripts, by their manuals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from documents import block, play
from programs import RUN
from shipped import SERVICE, SOCKET, Shipped

from lab.install import PROJECT
from lab.node import Node
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCRIPT = "/usr/local/sbin/web"
TABLE = f"""\
web:server:3:respawn:{RUN}
web:picky:3:test:test ! -e /run/broken
web:notice:m:respawn:{RUN}
"""
ONLINE, OFFLINE, UNKNOWN = 110, 100, 99


@pytest.fixture(scope="module")
def shipped(project_layer: Path) -> Iterator[Shipped]:
    """A node with the script, installed as its document says."""
    with Node("managed", layers=[project_layer]) as node:
        found = Shipped(node)
        found.write_table(TABLE)
        found.start()
        play(node, block(PROJECT / "docs/other-cluster-managers.md", "session", "copy"))
        yield found


@pytest.fixture
def node(shipped: Shipped) -> Iterator[Node]:
    """The node, with the group stopped before and after."""
    yield shipped.node
    shipped.node.run("rm", "-f", "/run/broken")
    shipped.write_table(TABLE)
    shipped.node.run("systemctl", "start", SOCKET, SERVICE)
    shipped.node.run("clinit", "--wait", "web", "stop")


def call(node: Node, *words: str) -> int:
    return node.run(*words, check=False).returncode


def test_vcs(node: Node) -> None:
    """Programs of an Application resource: online and offline with their codes, and unknown when neither is true."""
    assert call(node, SCRIPT, "vcs-monitor") == OFFLINE
    assert call(node, SCRIPT, "start") == 0
    assert call(node, SCRIPT, "vcs-monitor") == ONLINE
    node.run("clinit", "--wait", "web", "m")
    assert call(node, SCRIPT, "vcs-monitor") == UNKNOWN
    assert call(node, SCRIPT, "stop") == 0
    assert call(node, SCRIPT, "vcs-monitor") == OFFLINE


def test_powerha(node: Node) -> None:
    """Scripts without arguments, told apart by their names."""
    for word in ("start", "stop", "monitor"):
        node.run("ln", "-s", "web", f"{SCRIPT}-{word}")

    assert call(node, f"{SCRIPT}-monitor") == 1
    assert call(node, f"{SCRIPT}-start") == 0
    assert call(node, f"{SCRIPT}-monitor") == 0
    assert call(node, f"{SCRIPT}-stop") == 0
    assert call(node, f"{SCRIPT}-monitor") == 1


def test_serviceguard(node: Node) -> None:
    """An external script, and a service that ends when the group is not at its level any more."""
    node.run("sh", "-c", f"sed 's/^INTERVAL=.*/INTERVAL=0.1/' {SCRIPT} >{SCRIPT}-fast; chmod 755 {SCRIPT}-fast")

    assert call(node, SCRIPT, "validate") == 0
    assert call(node, SCRIPT, "start") == 0
    with node.popen(f"{SCRIPT}-fast", "watch") as service:
        wait_until(lambda: node.run("pgrep", "-f", "web-fast watch", check=False).stdout)
        assert service.poll() is None
        assert call(node, SCRIPT, "stop") == 0
        assert service.wait(timeout=20) == 1


def test_a_start_that_fails(node: Node) -> None:
    """It is told as one, and VCS sees what it has to clean."""
    node.write("/run/broken", "")

    assert call(node, SCRIPT, "start") == 2
    assert call(node, SCRIPT, "vcs-monitor") == OFFLINE
    assert call(node, SCRIPT, "monitor") == 1
    assert call(node, SCRIPT, "stop") == 0


@pytest.mark.parametrize("why", ["no daemon", "bad table"])
def test_without_the_daemon_s_help(node: Node, shipped: Shipped, why: str) -> None:
    """The units of systemd do, and nothing is told that is not so."""
    assert call(node, SCRIPT, "start") == 0
    if why == "no daemon":
        node.run("systemctl", "stop", SOCKET, SERVICE)
        node.run("touch", "--date=2 minutes ago", "/run/clinit/clstat")
    else:
        shipped.write_table("web:server:3:respwan:sleep\n")

    assert call(node, SCRIPT, "vcs-monitor") == ONLINE
    assert call(node, SCRIPT, "stop") == 0
    assert call(node, SCRIPT, "vcs-monitor") == OFFLINE
    assert call(node, SCRIPT, "start") == 0
    assert call(node, SCRIPT, "vcs-monitor") == ONLINE


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("web:server:3:respwan:sleep\n", "unknown mode 'respwan'"),
        ("web:server:5:respawn:sleep\n", "no entry of web has level 3"),
        ("mail:server:3:respawn:sleep\n", "no such group: web"),
    ],
)
def test_validate(node: Node, shipped: Shipped, table: str, said: str) -> None:
    """What a table lacks is found before the cluster needs it."""
    shipped.write_table(table)

    done = node.run(SCRIPT, "validate", check=False)

    assert done.returncode == 1
    assert said in done.stderr


def test_at_a_shutdown(node: Node) -> None:
    """A manager that stops its applications with the machine is told that they have stopped."""
    node.write(
        "/etc/systemd/system/manager.service",
        f"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart={SCRIPT} start\n"
        f"ExecStop=sh -c '{SCRIPT} stop; echo $? >/root/stopped'\n",
    )
    node.run("systemctl", "daemon-reload")
    node.run("systemctl", "start", "manager.service")
    assert call(node, SCRIPT, "monitor") == 0

    node.reboot()

    assert node.read("/root/stopped") == "0\n"
