"""A wait with an outcome looks until commands are executed, which no signal of systemd's tells."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shipped import RUN, Shipped

from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node


def test_a_command_that_is_executed_late(node: Node) -> None:
    """Who waits is answered as soon as it is executed, and not before: here when somebody reads its output."""
    instance = Shipped(node).start()
    node.run("mkfifo", "/run/output")
    instance.write_table(f":::service.a:StandardOutput=file:/run/output\nweb:a:3:respawn:{RUN}\n")
    client = node.popen("clinit", "--wait", "web", "3")
    wait_until(lambda: instance.main_pid("clinit-web@a.service") != 0)
    time.sleep(0.5)
    assert client.poll() is None
    node.run("systemd-run", "--quiet", "cat", "/run/output")

    assert client.wait(10) == 0
