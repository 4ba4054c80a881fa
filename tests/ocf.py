"""The OCF resource agent as a cluster acts on it, and nodes that have what it needs."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from locales import environment_in_node
from shipped import SERVICE, SOCKET, Shipped

from lab.debs import unpacked
from lab.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AGENT = "/usr/lib/ocf/resource.d/clinit/group"
# As Pacemaker runs it: others may not read what it writes.
ACT = ("sh", "-c", 'umask 027; exec "$0" "$@"', AGENT)
SUCCESS, GENERIC, UNIMPLEMENTED, INSTALLED, CONFIGURED, NOT_RUNNING, DEGRADED = 0, 1, 3, 5, 6, 7, 190


def agents_of_debian() -> Path:
    """A layer with Debian's package of resource agents, of which ours needs the shell functions."""
    return unpacked(None, "resource-agents")


@contextmanager
def node_with_agent(name: str, project_layer: Path, table: str | bytes) -> Iterator[Shipped]:
    """A node with the agent, and the shipped units, started with a table."""
    with Node(name, layers=[project_layer, agents_of_debian()]) as node:
        shipped = Shipped(node)
        shipped.write_table(table)
        yield shipped.start()


class Resource:
    """A resource of the agent's, as the cluster acts on it."""

    def __init__(
        self, shipped: Shipped, group: str = "web", level: str = "3", locale: str = "", **parameters: str
    ) -> None:
        self.shipped = shipped
        self.locale = environment_in_node(locale) if locale else {}
        self.parameters = {"group": group, "level": level, **parameters}
        self.reason = ""
        self.said = ""

    def act(self, action: str, timeout: int = 20, **meta: str) -> int:
        """Have the agent do something; its exit code. `reason` is what it says about it, `said` also what it logs."""
        done = self.shipped.node.run_bytes(
            *ACT, action, check=False, env=self.environment(timeout, **meta), timeout=timeout + 5
        )
        self.said = done.stderr.decode("utf-8", "surrogateescape")
        self.reason = "\n".join(re.findall("ocf-exit-reason:(.*)", self.said))
        return done.returncode

    def environment(self, timeout: int = 20, **meta: str) -> dict[str, str]:
        """What the cluster says to the agent."""
        return {
            **self.locale,
            "OCF_ROOT": "/usr/lib/ocf",
            "OCF_RA_VERSION_MAJOR": "1",
            "OCF_RESOURCE_INSTANCE": "it",
            "OCF_RESOURCE_TYPE": "group",
            "OCF_RESKEY_CRM_meta_timeout": str(timeout * 1000),
            "OCF_RESKEY_CRM_meta_interval": meta.get("interval", "10000"),
            **{f"OCF_RESKEY_{name}": value for name, value in self.parameters.items()},
        }

    def monitor(self) -> int:
        return self.act("monitor")

    def probe(self) -> int:
        return self.act("monitor", interval="0")


def no_daemon(shipped: Shipped, *, stale: bool = True) -> None:
    """Stop daemon and socket; its clstat is two minutes old."""
    shipped.node.shell(f"until systemctl stop {SOCKET} {SERVICE}; do sleep 0.1; done")  # systemd may be restarting
    if stale:
        shipped.node.run("touch", "--date=2 minutes ago", "/run/clinit/clstat")
