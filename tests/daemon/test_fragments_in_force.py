"""Fragments beside the table, on a node: they are of it for the daemon, its clients, the boot, and every command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from answers import answered
from programs import RUN
from shipped import Shipped

from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

MAIN = f":::initdefault.web:3\nweb:a:3:respawn:{RUN}\n"
TEAM = f"web:b:3:respawn:{RUN}\nmail:m:1:once:true\n"
FRAGMENTS = "/etc/cltab.d"


@pytest.fixture
def shipped(fresh_node: Node) -> Shipped:
    """The daemon as it is shipped, with a table of two files, and group web at level 3."""
    shipped = Shipped(fresh_node)
    fresh_node.path(FRAGMENTS).mkdir(mode=0o755, exist_ok=True)
    fresh_node.write(f"{FRAGMENTS}/team.cltab", TEAM)
    shipped.write_table(MAIN)
    shipped.start()
    answered(shipped.clinit("--wait", "web", "3"), code=0, out="web 3 DONE\n")
    return shipped


def active(shipped: Shipped) -> list[str]:
    """The entries that run."""
    shown = shipped.node.run(
        "systemctl", "list-units", "--plain", "--no-legend", "--state=active", "clinit-*@*.service"
    )
    return sorted(line.split()[0] for line in shown.stdout.splitlines())


def test_a_table_of_two_files(shipped: Shipped) -> None:
    """What runs, what is refused, what is told of the table, and what comes up at the next boot."""
    node = shipped.node
    assert active(shipped) == ["clinit-web@a.service", "clinit-web@b.service"]
    assert node.read("/var/lib/cltab2systemd/cltab") == MAIN + TEAM
    told = json.loads(node.run("clinitctl", "status", "--json", check=False).stdout)["table"]["digest"]
    assert told == node.shell("cat /etc/cltab /etc/cltab.d/*.cltab | sha256sum").stdout[:16]
    answered(node.run("cltab2systemd", "diff"), code=0, out="")
    answered(node.run("cltab2systemd", "check", check=False), code=0)

    node.write(f"{FRAGMENTS}/bad.cltab", "# of another team\nweb:a:m:once:true\n")
    refused = shipped.clinit("web", "3")
    assert refused.returncode == 1
    where = "/etc/cltab.d/bad.cltab:2:5: error: entry has duplicate tag: a (first in /etc/cltab:2)"
    assert where in refused.stdout + refused.stderr
    assert where in node.journal(shipped.unit)
    assert active(shipped) == ["clinit-web@a.service", "clinit-web@b.service"]
    assert where in node.run("cltab2systemd", "check", check=False).stderr

    node.reboot()
    wait_until(lambda: active(shipped) == ["clinit-web@a.service", "clinit-web@b.service"])
    assert where in node.journal()
    node.path(f"{FRAGMENTS}/bad.cltab").unlink()
    answered(shipped.clinit("--wait", "web", "3"), code=0)
    node.path(f"{FRAGMENTS}/team.cltab").unlink()
    answered(shipped.clinit("--wait", "web", "3"), code=0)
    assert active(shipped) == ["clinit-web@a.service"]
    assert [*shipped.clstat()] == ["web"]


def test_a_socket_that_a_fragment_names(shipped: Shipped) -> None:
    """The daemon moves there, and a plain client finds it."""
    node = shipped.node
    node.write(f"{FRAGMENTS}/socket.cltab", ":::socket:/run/clinit/other.s\n")
    answered(shipped.clinit(), code=0)
    wait_until(lambda: node.exists("/run/clinit/other.s"))
    node.run("systemctl", "restart", shipped.unit)
    wait_until(lambda: node.exists("/run/clinit/other.s"))
    answered(shipped.clinit("--wait", "web", "3"), code=0)


def test_fragments_without_a_table(shipped: Shipped) -> None:
    """A table that is replaced in two steps loses no group: it is refused while a part of it is missing."""
    node = shipped.node
    node.run("mv", "/etc/cltab", "/etc/cltab.old")
    refused = shipped.clinit("web", "3")
    assert refused.returncode == 1
    assert "file not found: /etc/cltab; for /etc/cltab.d to count it has to be there" in refused.stdout + refused.stderr
    node.run("mv", "/etc/cltab.d", "/etc/aside")
    node.run("mv", "/etc/cltab.old", "/etc/cltab")
    refused = shipped.clinit("web", "3")
    assert refused.returncode == 1
    assert "/etc/cltab.d is gone" in refused.stdout + refused.stderr
    assert active(shipped) == ["clinit-web@a.service", "clinit-web@b.service"]
    node.run("mv", "/etc/aside", "/etc/cltab.d")
    answered(shipped.clinit("--wait", "web", "3"), code=0)
