"""docs/monitoring.md: its sessions do what they say, its files work, and its table has all metrics."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from documents import block, blocks, play
from shipped import Shipped

from cltab2systemd.reports import prometheus
from lab.install import PROJECT
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

DOCUMENT = PROJECT / "docs/monitoring.md"
DROP_IN = "/etc/systemd/system/clinit-metrics.service.d/directory.conf"


def session(name: str) -> str:
    """All parts of a session, one after the other."""
    return "".join(block.text for block in blocks(DOCUMENT) if (block.kind, block.name) == ("session", name))


def test_the_table_of_metrics() -> None:
    """All metrics, in their order, with their labels, and no others."""
    rows = dict(re.findall(r"^\| `(clinit_\w+)` \| (.*?) \|", DOCUMENT.read_text(), re.MULTILINE))
    assert list(prometheus.NAMES) == list(rows)
    for name, labels in rows.items():
        of = {"group": "`group`", "entry": "`group`, `tag`"}.get(name.split("_")[1], "")
        assert labels.startswith(of), name


def test_metrics(fresh_node: Node) -> None:
    """The timer, as printed; and another directory."""
    shipped = Shipped(fresh_node)
    shipped.write_table("mail:queue:prod,:respawn:exec sleep infinity\n")
    shipped.start()
    fresh_node.run("mkdir", "-p", "/srv/textfiles", "/var/lib/prometheus/node-exporter")
    enable, grep = session("metrics").split("# grep", 1)
    play(fresh_node, enable)
    wait_until(lambda: fresh_node.exists("/var/lib/prometheus/node-exporter/clinit.prom"))
    play(fresh_node, f"# grep{grep}")

    fresh_node.write(DROP_IN, block(DOCUMENT, "file", DROP_IN))
    fresh_node.run("systemctl", "daemon-reload")
    fresh_node.run("systemctl", "start", "clinit-metrics.service")
    assert "clinit_up 1\n" in fresh_node.read("/srv/textfiles/clinit.prom")
