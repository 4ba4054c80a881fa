"""A node that goes down stops a group and a unit of systemd, both of which Pacemaker runs, in the cluster's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from threenodes import LONG, TABLE

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from threenodes import Groups

# Each says when it is told to stop, and takes a while.
SAY = 'echo "$(uname -n) {} stops" >>/shared/order; sleep 1; echo "$(uname -n) {} is gone" >>/shared/order'
EXTRA = f"app:app:3:respawn:trap '{SAY.format('app', 'app')}; exit 0' INT; while :; do sleep 0.1; done\n"
UNIT = f"""\
[Service]
ExecStart=sleep infinity
ExecStop=sh -c '{SAY.format("base", "base").replace("$", "$$")}'
"""
RESOURCES = """\
primitive base systemd:base op start timeout=60s op stop timeout=60s op monitor interval=2s timeout=20s
primitive app ocf:clinit:group params group=app level=3 \\
    op start timeout=60s op stop timeout=60s op monitor interval=2s timeout=20s
group both base app
"""


@pytest.fixture
def both(groups: Groups) -> Iterator[Groups]:
    """The groups, and a unit of systemd that one more group needs."""
    groups.push(TABLE + EXTRA)
    for node in groups.cluster.nodes.values():
        node.write("/etc/systemd/system/base.service", UNIT)
        node.run("systemctl", "daemon-reload")
    groups.cluster.nodes["n1"].write("/root/both.crm", RESOURCES)
    groups.cluster.run("crm configure load update /root/both.crm")
    wait_until(lambda: groups.is_whole("app"), what="app runs", timeout=LONG)
    yield groups
    groups.cluster.run("pcs resource delete both --force")
    groups.cluster.settle()
    groups.push(TABLE)


def test_orderly_reboot_beside_a_unit_of_systemd(both: Groups) -> None:
    """What needs the other one stops first, and both are stopped when the node is down; nobody is fenced."""
    node = both.where("app")

    both.cluster.nodes[node].reboot()

    both.await_all()
    said = [line for line in (both.cluster.shared / "order").read_text().splitlines() if line.startswith(f"{node} ")]
    assert said == [f"{node} {what}" for what in ("app stops", "app is gone", "base stops", "base is gone")]
    assert both.where("app") not in ("", node)
    assert both.cluster.fenced == []
    assert "Failed Resource Actions" not in both.cluster.run("crm_mon --one-shot")
