"""What shows only after half a minute or more; it is waited for side by side, on two nodes."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest
from instance import Group, Instance
from respawns import is_next_too_many, paused, said

from cltab2systemd.daemon.statusfile import HEARTBEAT
from lab.node import Node
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAUSE = 60.0
REASONS = "/run/cltab2systemd/system/reasons"
TRIED_AGAIN = "it is tried again every 60 s"
WATCHERS = 20
WATCH = """\
import socket, sys
clients = [socket.socket(socket.AF_UNIX) for _ in range({number})]
for number, s in enumerate(clients):
    s.connect("/run/clinit/clinit.s")
    s.sendall(b'{{"method": "org.clinit.Manager.Status", "more": true}}\\0')
    if number % 2:
        s.recv(65536)
sys.stdin.read()  # the others have their reply when that ends, and have not read it
"""


class Vain(NamedTuple):
    """What is seen of a group before its daemon is killed, and how often the next daemon has found it tried."""

    group: Group
    tries: dict[str, int]  # restarts of its entries, before the first minute is over
    status: str
    told: str
    found: dict[str, int]


class Waiting(NamedTuple):
    """What a test waits for the end of, and when it began, in seconds."""

    group: Group
    starts: list[float]  # of the entry of `group`, before it paused
    paused: float
    started: float  # the daemon, by the clock
    written: float
    descriptors: int


@pytest.fixture(scope="module")
def vain(project_layer: Path) -> Iterator[Vain]:
    """Give a group that cannot be started until `file` has what it needs, and a second daemon that waits to try it."""
    with Node("vain", layers=[project_layer]) as node:
        instance = Instance(node)
        group = Group(instance)
        # Neither comes as far as a shell that could count: systemd cannot start the one, the other has no shell.
        group.define(
            "file:1:respawn:exec sleep 1000", "root:1:respawn:/busybox sleep 0", "still:1:respawn:exec sleep 1000"
        )
        instance.table += f":::service.{group.name}.file:EnvironmentFile=/etc/late.env\n"
        instance.table += f":::service.{group.name}.root:RootDirectory=/srv/jail\n"
        node.shell("mkdir -p /srv/jail && cp /bin/sleep /srv/jail/busybox")
        instance.write_table(instance.table)
        instance.start()
        group.switch("1", code=4)
        wait_until(lambda: node.read(REASONS).count(TRIED_AGAIN) == 2, timeout=20, what="both pause")
        tries, status, told = tries_of(group), group.status, instance.clinit("-v").stderr
        instance.kill()
        instance.start()
        # Unless the minute was just over.
        found = tries_of(group)
        node.write("/etc/late.env", "")
        yield Vain(group, tries, status, told, found)


@pytest.fixture(scope="module")
def waiting(node: Node, vain: Vain) -> Waiting:
    """Give a group that pauses since it died too fast, an untouched clstat, and a daemon that clients have left.

    The minute of `vain` passes meanwhile.
    """
    instance = Instance(node)
    group = Group(instance)
    group.define("r:1:respawn:@ ran")
    started = time.time()
    instance.start()
    group.switch("1")
    starts, since = paused(group, "r"), time.monotonic()
    wait_until(lambda: "pauses for 60 s" in node.read(REASONS), timeout=20, what="clstat comes to rest")
    descriptors = min(open_files(instance) for _ in range(10))
    watchers = node.popen("python3", "-c", WATCH.format(number=WATCHERS), stdin=subprocess.PIPE)
    wait_until(lambda: open_files(instance) >= descriptors + WATCHERS, what="all watch")
    time.sleep(0.5)  # until all have their reply
    watchers.communicate()
    assert watchers.returncode == 0
    assert open_files(instance) >= descriptors + WATCHERS // 2  # asyncio has closed those that were reset
    return Waiting(group, starts, since, started, clstat_time(group), descriptors)


def open_files(instance: Instance) -> int:
    """How many descriptors the daemon has."""
    return len(list(instance.node.path(f"/proc/{instance.pid}/fd").iterdir()))


def tries_of(group: Group) -> dict[str, int]:
    """How often systemd has started again what it cannot start, once it is left alone.

    It is "failed", not "inactive", if it ended by itself in the moment of the stop.
    """
    tags = ("file", "root")
    at_rest = {"inactive", "failed"}

    def is_left_alone(tag: str) -> bool:
        paused = group.node.path("/run/cltab2systemd/system/paused") / group.unit(tag)
        return paused.exists() and group.property(tag, "ActiveState") in at_rest

    wait_until(lambda: all(is_left_alone(tag) for tag in tags), timeout=20, what="both pause")
    return {tag: int(group.property(tag, "NRestarts")) for tag in tags}


def clstat_time(group: Group) -> float:
    """When clstat was written, in seconds of the clock."""
    return group.node.path("/run/clinit/clstat").stat().st_mtime


def test_clstat_has_a_heartbeat(waiting: Waiting) -> None:
    """Readers take a stale clstat for a dead node: it is written again in less than 45 s, if nothing changes either."""
    wait_until(lambda: clstat_time(waiting.group) != waiting.written, timeout=46, what="heartbeat")

    assert HEARTBEAT <= clstat_time(waiting.group) - waiting.started
    assert clstat_time(waiting.group) - waiting.written <= 45


def test_watchers_that_left_are_dropped(waiting: Waiting) -> None:
    """A client that follows the status and goes away does not keep a descriptor for ever."""
    wait_until(lambda: open_files(waiting.group.instance) <= waiting.descriptors + 2, timeout=46)


def test_it_never_gives_up(waiting: Waiting) -> None:
    """60 s after it died too fast an entry is started once more, and as it dies again the next pause follows."""
    group, began = waiting.group, waiting.paused
    left = began + PAUSE - time.monotonic()
    assert left > 5
    assert group.event_times("ran") == waiting.starts
    wait_until(lambda: said(group, "r") == 2, timeout=left + 15)

    assert PAUSE - 5 <= time.monotonic() - began <= PAUSE + 15
    later = group.event_times("ran")[len(waiting.starts) :]
    assert later
    assert is_next_too_many(later, 6)
    assert group.status == "1 DONE"


def test_what_is_started_in_vain(vain: Vain) -> None:
    """What systemd cannot start at all is tried six times, then once a minute, and holds up nothing.

    The group says so meanwhile. The next daemon goes on with it, and it comes up by itself when it can.
    """
    group = vain.group
    assert all(4 <= number <= 8 for number in vain.tries.values()), vain.tries
    assert vain.status == "1 FAILED"
    assert vain.told.count(TRIED_AGAIN) == 2
    wait_until(lambda: group.pid("file") != 0, timeout=PAUSE + 15, what="it is tried again")
    assert int(group.property("file", "NRestarts")) in {0, vain.found["file"]}  # 0 if systemd has begun to count anew
    wait_until(lambda: group.instance.clinit("-v").stderr.count(TRIED_AGAIN) == 1, what="the other fails as before")
    assert group.status == "1 FAILED"
    assert group.switch("none") == "DONE"
    assert not group.node.run("ls", "/run/cltab2systemd/system/paused").stdout
