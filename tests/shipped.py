"""The daemon as a package ships it: clinit.socket and clinit.service, in a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instance import Instance

from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

SERVICE = "clinit.service"
SOCKET = "clinit.socket"
PATH = "/run/clinit/clinit.s"


class Shipped(Instance):
    """The system instance, by the shipped units."""

    def __init__(self, node: Node) -> None:
        super().__init__(node, SERVICE)
        node.run("systemd-sysusers", "/usr/lib/sysusers.d/clinit.conf")

    def start(self) -> Shipped:
        """Enable and start the service, as an administrator does; return when systemd says that it is up."""
        self.node.run("systemctl", "enable", "--now", "--quiet", SERVICE)
        return self

    def go_back_to(self, level: str) -> None:
        """Have the daemon run, and all groups at a level, whatever a test has done to them."""
        self.node.run("systemctl", "start", SERVICE)
        for group in self.clstat():
            self.clinit("-w", group, level)

    def drop_in(self, unit: str, *lines: str) -> None:
        """Do what `systemctl edit` does."""
        self.node.write(f"/etc/systemd/system/{unit}.d/override.conf", "".join(f"{line}\n" for line in lines))
        self.node.run("systemctl", "daemon-reload")

    def states(self) -> tuple[str, str]:
        """The states of socket and service."""
        socket, service = self.node.run("systemctl", "is-active", SOCKET, SERVICE, check=False).stdout.split()
        return socket, service

    def await_restart(self, pid: int) -> None:
        """Wait until the daemon is another process than it was, and up."""
        wait_until(lambda: self.pid not in {0, pid} and self.states()[1] == "active", what="restart", timeout=20)
