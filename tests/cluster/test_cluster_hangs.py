"""A start that does not end, a stop that takes a kill, and a process that nobody can kill."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from threenodes import LONG, TABLE

from lab import deaddisk
from lab.cluster import NAMES
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from threenodes import Groups

# A group for each test. `disk` is a program that reads from a disk that does not answer any more.
EXTRA = """\
slow:mount:3:wait:[ $(uname -n) = n3 ] || exec sleep 1234
slow:slow:3:respawn:exec sleep infinity
deaf:deaf:3:respawn:trap '' INT TERM; while :; do sleep infinity; done
:::service.deaf:TimeoutStopSec=1
:::service.deaf:TimeoutAbortSec=1
disk:reader:3:respawn:[ $(uname -n) = n3 ] || exec sleep infinity; exec cat /run/disk/file
:::service.reader:TimeoutStopSec=1
:::service.reader:TimeoutAbortSec=1
"""


@pytest.fixture
def extra(groups: Groups) -> Iterator[Groups]:
    """The groups, and in the table those of EXTRA, which are no resources yet."""
    groups.push(TABLE + EXTRA)
    yield groups
    present = groups.cluster.run("crm_resource --list-raw").split()
    for name in {"slow", "deaf", "disk"} & set(present):
        groups.cluster.run(f"pcs resource delete {name} --force")
    groups.cluster.await_online(*NAMES)
    groups.cluster.settle()
    groups.push(TABLE)


def create(groups: Groups, name: str, prefers: str, *, start: str = "60s") -> None:
    """Make a group a resource, all at once. start is how long a start may take."""
    groups.cluster.run(
        f"pcs resource create {name} ocf:clinit:group group={name} level=3 op start timeout={start}"
        " op stop timeout=60s op monitor interval=2s timeout=20s --disabled\n"
        f"pcs constraint location {name} prefers {prefers}\n"
        f"pcs resource enable {name}"
    )


def await_on(groups: Groups, name: str, node: str) -> None:
    wait_until(lambda: groups.where(name) == node, what=f"{name} on {node}", timeout=LONG)


def test_a_start_that_hangs(extra: Groups) -> None:
    """When the start's time is up, the group is stopped on this node, and starts on another one."""
    create(extra, "slow", "n1=10 n3=5", start="6s")

    await_on(extra, "slow", "n3")

    assert "slow did not come to level 3 in time; clinit-slow@mount.service is still activating" in extra.cluster.run(
        "pcs status"
    )
    assert extra.statuses("slow")["n1"] == "stop DONE"
    assert extra.cluster.run("pgrep -f '^sleep 1234'", check=False) == ""
    assert extra.cluster.fenced == []


def test_a_stop_that_takes_a_kill(extra: Groups) -> None:
    """A program that takes no notice of signals is killed in its time: the group moves, and nobody is fenced."""
    create(extra, "deaf", "n1=10")
    await_on(extra, "deaf", "n1")

    extra.time_to_move("deaf", "n1", lambda: extra.cluster.run("crm_resource --resource deaf --move --node n2"))

    assert extra.statuses("deaf") == {"n1": "stop DONE", "n2": "3 DONE"}
    assert extra.cluster.fenced == []


def test_a_process_that_nobody_can_kill(extra: Groups) -> None:
    """Its stop fails, though systemd has given it up; the node is fenced, and only then the group is elsewhere."""
    node = extra.cluster.nodes["n3"]
    deaddisk.mount(node, "/run/disk")
    create(extra, "disk", "n3=10")
    await_on(extra, "disk", "n3")
    wait_until(lambda: deaddisk.is_asked(node, "/run/disk"), what="somebody reads")

    extra.cluster.run("crm_resource --resource disk --move --node n1")

    wait_until(partial(extra.cluster.fenced.__contains__, ("n3", "reboot")), what="n3 fenced", timeout=LONG)
    await_on(extra, "disk", "n1")
