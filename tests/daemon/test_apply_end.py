"""The end of `clinit --apply`: which groups it waits for, and what it tells of each."""

from __future__ import annotations

import json
from subprocess import PIPE
from typing import TYPE_CHECKING

import pytest
from answers import answered
from programs import RUN, RUN_NEW
from survivor import Survivor

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from shipped import Shipped

    from lab.node import Node

TABLE = f"slow:s:1:wait:true\nslow:t:1:test:true\nquick:q:1:respawn:{RUN}\nbt:b:1:test:sleep 1; false\n"
# What comes of slow takes until somebody gives leave.
NEW = (
    TABLE.replace("s:1:wait:true", "s:1:wait:until [ -e /run/go ]; do sleep 0.05; done")
    .replace("t:1:test:true", "t:1:test:false")
    .replace(RUN, RUN_NEW)
)


@pytest.fixture
def machine(fresh_node: Node) -> Iterator[Survivor]:
    """The shipped daemon, with slow and quick at level 1."""
    machine = Survivor(fresh_node, TABLE).start()
    for group in ("slow", "quick"):
        assert machine.clinit("--wait", group, "1").returncode == 0
    yield machine
    print(fresh_node.journal())  # seen if the test fails


def go(machine: Shipped) -> None:
    """Give leave."""
    machine.node.write("/run/go", "")


def begun(machine: Shipped) -> None:
    """Push the new table, and give up waiting while slow has its lines, and has not come to its end."""
    machine.write_table(NEW)
    assert machine.clinit("--apply", "--timeout", "2").returncode == 5
    assert machine.clstat() == {"slow": "1 STARTING", "quick": "1 DONE"}


def waiting(machine: Shipped, *options: str) -> subprocess.Popen[bytes]:
    """Begin to wait for what there is to wait for."""
    client = machine.node.popen("clinit", "--apply", "--progress", "plain", *options, stdout=PIPE, stderr=PIPE)
    assert client.stderr is not None
    assert b"slow" in client.stderr.readline()
    return client


def test_a_group_that_is_on_its_way_with_these_lines(machine: Survivor) -> None:
    """A second run changes nothing, waits for it, and tells its end; a third says that it is FAILED."""
    begun(machine)
    pid = machine.main_pid("clinit-quick@q.service")
    answered(machine.clinit("--apply", "--timeout", "1"), code=5, out="")
    second = waiting(machine, "--json")
    go(machine)
    out, _ = second.communicate(timeout=30)

    (slow,) = json.loads(out)
    assert (second.returncode, slow["group"], slow["state"], slow["changes"]) == (4, "slow", "FAILED", [])
    assert slow["reasons"][0].startswith("slow: t (test) exited with 1: false")
    third = machine.clinit("--apply")
    answered(third, code=4, out="")
    assert "slow 1 FAILED, and not by this" in third.stderr
    assert machine.main_pid("clinit-quick@q.service") == pid


def test_a_request_that_nobody_waits_for(machine: Survivor) -> None:
    """One that has just begun is waited for."""
    answered(machine.clinit("bt", "1"), code=0)
    done = machine.clinit("--apply")

    answered(done, code=4, out="bt 1 FAILED\n")
    assert "b (test) exited with 1" in done.stderr


def test_a_group_on_its_way_by_no_request(machine: Survivor) -> None:
    """The daemon that moved it is gone, and the next one asks nothing of it."""
    begun(machine)
    machine.kill_and_await()
    late = waiting(machine)
    go(machine)
    out, err = late.communicate(timeout=30)

    assert (late.returncode, out) == (4, b"slow 1 FAILED\n")
    assert b"t (test) exited with 1: false" in err


def test_a_group_that_somebody_takes_elsewhere(machine: Survivor) -> None:
    """By no request it was on its way, and a later one takes over."""
    begun(machine)
    machine.kill_and_await()
    late = waiting(machine)
    answered(machine.clinit("slow", "2"), code=0)
    out, err = late.communicate(timeout=30)

    assert (late.returncode, out) == (6, b"slow 1 -\n")
    assert b"slow: a later request is to take slow to level 2\n" in err
