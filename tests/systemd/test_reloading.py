"""Nobody asks systemd anything while a daemon-reload is at work: it would answer only when that has ended."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from programs import RUN
from shipped import PATH, Shipped
from underway import GENERATOR, question_under_way

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node

# What a slow daemon-reload takes. Seconds.
LONG = 3.0
TABLE = f"web:a:12:respawn:{RUN}\nweb:b:2:respawn:{RUN}\nother:c:1:respawn:{RUN}\nother:d:2:wait:true\n"
# Seconds: what an answer takes that waits for nobody is some milliseconds.
SOON = 0.5


@pytest.fixture(scope="module")
def shipped(node: Node) -> Shipped:
    """The daemon with two groups at level 1, in a node whose daemon-reloads can be slow."""
    node.write("/run/systemd/system-generators/slow", GENERATOR, mode=0o755)
    shipped = Shipped(node)
    shipped.write_table(TABLE)
    shipped.start()
    for group in ("web", "other"):
        assert shipped.clinit("--wait", group, "1").returncode == 0
    return shipped


@pytest.fixture
def reload(shipped: Shipped) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon-reload by somebody else that takes long, and has begun."""
    shipped.node.write("/run/slow", "3\n")
    with shipped.node.popen("systemctl", "daemon-reload") as process:
        wait_until(lambda: shipped.node.exists("/run/reloading"))
        yield process
        shipped.node.path("/run/slow").unlink()
    assert process.returncode == 0


def slowest_answer(shipped: Shipped) -> tuple[int, float]:
    """Ask the daemon for the status as long as systemd reloads: how many answers came, and how long one took."""
    call = b'{"method":"org.clinit.Manager.Status","parameters":{}}\0'
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(shipped.node.path(PATH)))
        number, slowest = 0, 0.0
        while shipped.node.exists("/run/reloading"):
            began = time.monotonic()
            connection.sendall(call)
            reply = b""
            while not reply.endswith(b"\0"):
                reply += connection.recv(65536)
            number, slowest = number + 1, max(slowest, time.monotonic() - began)
            assert len(json.loads(reply[:-1])["parameters"]["groups"]) == 2
            time.sleep(0.05)
    return number, slowest


def test_a_request_waits_and_the_others_do_not(shipped: Shipped, reload: subprocess.Popen[bytes]) -> None:
    """A switch that comes during a reload begins behind it; meanwhile the daemon answers everybody else at once."""
    with shipped.node.popen("clinit", "--wait", "web", "2", stdout=subprocess.PIPE) as switch:
        number, slowest = slowest_answer(shipped)
        assert slowest < SOON
        assert number > LONG / 2 / (0.05 + SOON)
        said, _ = switch.communicate(timeout=30)

    assert switch.returncode == 0
    assert said == b"web 2 DONE\n"


def test_a_reload_that_meets_a_question(shipped: Shipped) -> None:
    """If the daemon has just asked systemd something when a reload begins, all others wait for a moment only."""
    shipped.node.write("/run/slow", "3\n")
    with question_under_way(shipped.node, shipped.pid, "clinit", "other", "1"):
        reload = shipped.node.popen("systemctl", "daemon-reload")
        wait_until(lambda: shipped.node.exists("/run/reloading"))
    number, slowest = slowest_answer(shipped)
    shipped.node.path("/run/slow").unlink()

    assert reload.wait(30) == 0
    assert slowest < LONG / 2
    assert number > 1
    assert shipped.clinit("--wait", "other", "1").stdout == "other 1 DONE\n"


def test_what_changes_meanwhile_is_seen_behind_it(shipped: Shipped, reload: subprocess.Popen[bytes]) -> None:
    """A command that ends during a reload, and the look at its group that the daemon owes, wait for the end of it."""
    processes = "/sys/fs/cgroup/clinit.slice/clinit-other.slice/clinit-other@c.service/cgroup.procs"
    pid = shipped.node.run("cat", processes).stdout.split()  # systemd would not tell it now
    shipped.node.run("kill", "-KILL", *pid)
    number, slowest = slowest_answer(shipped)

    assert slowest < SOON
    assert number > 1
    wait_until(lambda: shipped.main_pid("clinit-other@c.service") not in {0, int(pid[0])})
    wait_until(lambda: shipped.clstat()["other"] == "1 DONE")


def test_the_daemons_own_reload(shipped: Shipped) -> None:
    """While the daemon has systemd load a group's new units, it answers everybody else."""
    shipped.write_table(TABLE.replace("12:", "12,new,:"))
    shipped.node.write("/run/slow", "3\n")
    with shipped.node.popen("clinit", "--wait", "web", "new", stdout=subprocess.PIPE) as switch:
        wait_until(lambda: shipped.node.exists("/run/reloading"))
        number, slowest = slowest_answer(shipped)
        shipped.node.path("/run/slow").unlink()
        said, _ = switch.communicate(timeout=30)

    assert switch.returncode == 0
    assert said == b"web new DONE\n"
    assert slowest < SOON
    assert number > LONG / 2 / (0.05 + SOON)
