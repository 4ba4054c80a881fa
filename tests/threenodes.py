"""Four groups of real programs on the lab's cluster: where they are, by Pacemaker and by their own witnesses."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from lab.cluster import NAMES, WITNESS
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.cluster import Cluster

# Each group's first entry holds its lock on the shared storage.
TABLE = f"""\
web:witness:3m:respawn:exec {WITNESS} web
web:nginx:3:respawn:exec nginx -g 'daemon off;'
web:notice:m:respawn:exec sleep infinity
db:db-witness:3:respawn:exec {WITNESS} db
db:redis:3:respawn:exec redis-server --port 6390 --save ''
:::ready.redis:timeout=20s redis-cli -p 6390 ping
files:files-witness:3:respawn:exec {WITNESS} files
files:files:3:respawn:exec python3 -m http.server 8085
batch:batch-witness:3:respawn:exec {WITNESS} batch
batch:job:3:once:exec sleep infinity
"""
GROUPS = ("web", "db", "files", "batch")
# Seconds.
LONG = 60.0
_OPERATIONS = "op start timeout=60s op stop timeout=60s op monitor interval=2s timeout=20s"


class Groups:
    """The groups as resources of the same names."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def configure(self) -> None:
        """Have Pacemaker run them at level 3."""
        lines = [f"primitive {name} ocf:clinit:group params group={name} level=3 {_OPERATIONS}" for name in GROUPS]
        self.cluster.nodes[NAMES[0]].write(
            "/root/groups.crm", "\n".join([*lines, "rsc_defaults resource-stickiness=100"])
        )
        self.cluster.run("crm configure load update /root/groups.crm")

    def await_all(self) -> None:
        """Wait until all nodes are there, and each group runs on one of them."""
        self.cluster.await_online(*NAMES)
        self.cluster.settle()
        for name in GROUPS:
            wait_until(partial(self.is_whole, name), what=f"{name} on one node", timeout=LONG)

    def push(self, table: str) -> None:
        """Give all nodes a table."""
        for node in self.cluster.nodes.values():
            node.write("/etc/cltab", table)
            node.run("clinit")

    def forget(self) -> None:
        """Forget what was fenced, and what has failed."""
        self.cluster.fenced.clear()
        if "Failed" in self.cluster.run("crm_mon --one-shot"):
            self.cluster.run("crm_resource --cleanup")
            self.cluster.settle()

    def where(self, group: str, *, asking: str = NAMES[0]) -> str:
        """The node on which Pacemaker has it, as another node sees it."""
        return self.cluster.where(group, seen_from=asking)

    def statuses(self, group: str) -> dict[str, str]:
        """What clstat says of it on each node that runs."""
        said: dict[str, str] = {}
        for name, node in self.cluster.nodes.items():
            lines = node.run("clinit", "-v", check=False).stdout.splitlines() if node.is_on else []
            for line in lines:
                if line.startswith(f"{group} "):
                    said[name] = line.removeprefix(f"{group} ")
        return said

    def places(self) -> dict[str, str]:
        """The node on which Pacemaker has each group."""
        return {name: self.where(name) for name in GROUPS}

    def witnesses(self) -> dict[str, set[str]]:
        """The programs that hold the groups' locks, by what systemd says of them on their nodes, in no order."""
        show = ("systemctl", "show", "--property=Id,MainPID", "clinit-*witness.service")
        return {node.name: set(node.run(*show).stdout.strip().split("\n\n")) for node in self.cluster.nodes.values()}

    def is_whole(self, group: str) -> bool:
        """Whether it is at level 3 on the node on which Pacemaker has it, and nowhere else."""
        node = self.where(group)
        statuses = {name: status for name, status in self.statuses(group).items() if status != "stop DONE"}
        return bool(node) and statuses == {node: "3 DONE"}

    def time_to_move(self, group: str, away_from: str, act: Callable[[], object]) -> float:
        """Do something, and wait until the group is at level 3 on another node. Seconds."""
        others = [name for name in NAMES if name != away_from]
        begin = time.monotonic()
        act()
        wait_until(
            lambda: any(self.statuses(group).get(name) == "3 DONE" for name in others),
            what=f"{group} away from {away_from}",
            timeout=LONG,
        )
        return time.monotonic() - begin
