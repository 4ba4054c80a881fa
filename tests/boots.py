"""Boots of a node with the shipped daemon: what is mounted when, and where a new userspace begins."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from shipped import Shipped

from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

MARKS = "/run/cltab2systemd/system"
GOOD_TABLE = "/var/lib/cltab2systemd/cltab"
FIRST_WITH_SOFT_REBOOT = 254


class Machine(Shipped):
    """The system instance in a node that is booted again and again, the daemon enabled."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        node.run("systemctl", "enable", "--quiet", self.unit)

    def mount(self, where: str, what: str, *, nofail_after: str = "") -> None:
        """Have a directory mounted from another one at boot, as a disk would be.

        Args:
            where: the mount point.
            what: the directory.
            nofail_after: a unit that it waits for, while the boot goes on without it.
        """
        name = self.node.run("systemd-escape", "--path", "--suffix=mount", where).stdout.strip()
        late = f"Requires={nofail_after}\nAfter={nofail_after}\n" if nofail_after else ""
        options = "bind,nofail" if nofail_after else "bind"
        self.node.write(
            f"/etc/systemd/system/{name}",
            f"[Unit]\n{late}[Mount]\nWhat={what}\nWhere={where}\nType=none\nOptions={options}\n"
            "[Install]\nWantedBy=local-fs.target\n",
        )
        self.node.run("systemctl", "enable", "--quiet", name)

    def halt(self) -> None:
        """`clinit -k`, and return when daemon and socket are gone."""
        assert self.clinit("-k", "--wait").returncode == 0
        wait_until(lambda: self.states() == ("inactive", "inactive"))

    def settled(self) -> dict[str, str]:
        """What clstat says once the daemon has done what it does at its start, and no group is on its way any more."""
        wait_until(self.answers, timeout=30)  # which comes behind
        on_the_way = ("STARTING", "STOPPING")
        wait_until(lambda: not [state for state in self.clstat().values() if state.endswith(on_the_way)], timeout=30)
        return self.clstat()

    def soft_reboot(self, *options: str) -> None:
        """Start userspace anew, and return when it is up; a systemd that cannot do so yet reboots, which is more."""
        if int(self.node.run("systemctl", "--version").stdout.split()[1]) < FIRST_WITH_SOFT_REBOOT:
            self.node.reboot()
            return
        began = self._userspace()
        self.node.run("systemctl", "soft-reboot", *options)
        wait_until(lambda: self._is_up_since(began), timeout=60, what="userspace is up again")

    def _userspace(self) -> str:
        return self.node.run("systemctl", "show", "--property=UserspaceTimestampMonotonic", check=False).stdout

    def _is_up_since(self, began: str) -> bool:
        with suppress(subprocess.TimeoutExpired):
            state = self.node.run("systemctl", "is-system-running", check=False, timeout=5).stdout.strip()
            return state in {"running", "degraded"} and self._userspace() not in {"", began}
        return False
