"""A node that is no member of the cluster, with Pacemaker's remote daemon only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from threenodes import LONG

from lab.cluster import NAMES
from lab.debs import unpacked
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from threenodes import Groups

# The package conflicts with Pacemaker's own, so its files are laid beside these.
DAEMON = {"usr/sbin/pacemaker-remoted": 0o755, "usr/lib/systemd/system/pacemaker_remote.service": 0o644}
REMOTE = """\
primitive remote ocf:pacemaker:remote params server=n3 op start timeout=60s op monitor interval=2s timeout=20s
"""


@pytest.fixture
def remote(groups: Groups) -> Iterator[Groups]:
    """The groups, and n3 as the remote node `remote`. It comes back to the cluster with its next boot."""
    layer = unpacked(None, "pacemaker-remote")
    leaving = groups.cluster.nodes["n3"]
    for path, mode in DAEMON.items():
        leaving.write(f"/{path}", (layer / path).read_bytes(), mode)
    for node in groups.cluster.nodes.values():
        node.write("/etc/pacemaker/authkey", "of the lab")
        node.run("chgrp", "haclient", "/etc/pacemaker/authkey")
    leaving.shell("systemctl daemon-reload; systemctl stop pacemaker corosync; systemctl start pacemaker_remote")
    groups.cluster.nodes["n1"].write("/root/remote.crm", REMOTE)
    groups.cluster.run("crm configure load update /root/remote.crm")
    wait_until(lambda: "RemoteOnline: [ remote ]" in groups.cluster.run("crm_mon --one-shot"), timeout=LONG)
    yield groups
    groups.cluster.run("pcs resource delete remote --force")
    leaving.reboot()
    groups.cluster.await_online(*NAMES)
    groups.cluster.run("crm_node --force --remove remote")


def test_a_group_on_a_remote_node(remote: Groups) -> None:
    """It goes there, and away again when the node is to be shut down; a shutdown stops its entries after the daemon."""
    node = remote.cluster.nodes["n3"]
    remote.cluster.run("crm_resource --resource files --move --node remote")
    wait_until(lambda: remote.statuses("files").get("n3") == "3 DONE", what="files on the remote node", timeout=LONG)
    remote.cluster.run("crm_resource --resource files --clear")
    remote.cluster.settle()
    assert remote.where("files") == "remote"
    target = "resource-agents-deps.target"
    assert target in node.run("systemctl", "show", "--property=Before", "clinit-files@files.service").stdout
    assert target in node.run("systemctl", "show", "--property=After", "pacemaker_remote.service").stdout
    assert node.run("systemctl", "is-active", target).stdout == "active\n"

    remote.cluster.run("pcs resource disable remote --wait=60")

    wait_until(lambda: remote.where("files") in ("n1", "n2"), what="files is elsewhere", timeout=LONG)
    assert remote.statuses("files")["n3"] == "stop DONE"
    assert remote.cluster.fenced == []
