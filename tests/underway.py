"""A question of the daemon to systemd that is under way, and stays so: dbus, which has it in hands, is stopped."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node

# A generator that holds up a daemon-reload, and with it all that PID 1 does, for as many seconds as /run/slow says.
GENERATOR = """\
#!/bin/sh
[ -e /run/slow ] || exit 0
touch /run/reloading
sleep "$(cat /run/slow)"
rm /run/reloading
"""


@contextmanager
def held(node: Node, unit: str) -> Iterator[None]:
    """Have a service's main process stand still meanwhile."""
    pid = node.run("systemctl", "show", "--property=MainPID", "--value", unit).stdout.strip()
    node.run("kill", "-STOP", pid)
    try:
        yield
    finally:
        node.run("kill", "-CONT", pid)


@contextmanager
def question_under_way(node: Node, pid: int, *client: str) -> Iterator[None]:
    """Have a client ask the daemon for something about which that asks systemd. systemd hears of it at the end.

    Args:
        node: where they are.
        pid: the daemon's.
        client: the command.
    """
    with held(node, "dbus.service"):
        node.popen(*client)
        wait_until(lambda: _has_sent(node, pid), what="the daemon has sent a question")
        yield


def _has_sent(node: Node, pid: int) -> bool:
    """Whether a process has sent what nobody has read."""
    # Its sockets are of its own network, if it has one.
    sockets = node.run("nsenter", f"--target={pid}", "--net", "ss", "--no-header", "--unix", "--processes")
    lines = sockets.stdout.splitlines()
    return any(f"pid={pid}," in line and line.split()[3] != "0" for line in lines)


def begin_reload(node: Node) -> None:
    """Have somebody begin with a daemon-reload. systemctl does not need dbus for that."""
    node.popen("systemctl", "daemon-reload")
    wait_until(lambda: node.exists("/run/reloading"))
