"""The shipped daemon, restarted quickly, for tests of what it survives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instance import EVENTS
from shipped import RUN, Shipped

if TYPE_CHECKING:
    from lab.node import Node

__all__ = ["IDLE", "RUN", "Survivor", "polite"]

# As long as the table has an entry, it may take effect while groups are active.
IDLE = "idle:idle:1:wait:true\n"


def polite(log: str, tag: str, seconds: float = 0.4) -> str:
    """A command that says that it is up; on SIGINT it takes its time, and says that it is gone.

    Args:
        log: the name of its group, or the path of a file for what it says.
        tag: the entry.
        seconds: how long it takes. The signal goes to whatever the entry runs, also to what the trap starts.
    """
    path = log if log.startswith("/") else f"{EVENTS}/{log}"
    trap = f'trap "" INT; say {tag} stopping; sleep {seconds}; say {tag} gone; exit'
    return f"EVENTS={path}; . event; trap '{trap}' INT; say {tag} up; while :; do sleep 0.02; done"


class Survivor(Shipped):
    """The system instance by the shipped units; systemd restarts the daemon at once."""

    def __init__(self, node: Node, table: str = IDLE) -> None:
        super().__init__(node)
        self.table = table
        self.write_table(table)
        self.drop_in(self.unit, "[Service]", "RestartSec=50ms")

    def start(self) -> Survivor:
        """Start the daemon, now and at each boot, and return when it serves."""
        super().start()
        return self

    def kill_and_await(self) -> None:
        """Kill the daemon, and return when systemd has another one up."""
        pid = self.pid
        self.node.run("kill", "-KILL", str(pid))
        self.await_restart(pid)

    @property
    def restarts(self) -> int:
        """How often systemd has restarted the daemon."""
        return int(self.properties(self.unit, "NRestarts")["NRestarts"])

    def inside(self, script: str) -> None:
        """Run a shell script among the daemon's own mounts."""
        self.node.run("nsenter", f"--target={self.pid}", "--mount", "sh", "-ec", script)
