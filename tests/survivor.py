"""The shipped daemon, restarted quickly, for tests of what it survives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instance import IDLE
from shipped import Shipped

if TYPE_CHECKING:
    from lab.node import Node


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
