"""The end of `clinit --apply`: which groups it waits for, and what it tells of each."""

from __future__ import annotations

import json
from subprocess import PIPE
from typing import TYPE_CHECKING

import pytest
from answers import answered
from jsondocument import schema_of
from programs import RUN, RUN_NEW
from survivor import Survivor
from watching import replies

from lab.waiting import wait_until

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


def test_no_time(machine: Survivor) -> None:
    """When the time is up, what has ended is told, and what was still waited for."""
    machine.write_table(NEW)
    late = machine.clinit("--apply", "--timeout", "2")

    answered(late, code=5, out="quick 1 DONE\n  q  restarted\n")
    waited = "clinit: not there yet: apply: 1 of 2 groups are done: slow 1: starting, 0 of 2 done: s (wait) "
    assert waited in late.stderr
    assert late.stderr.endswith("clinit: timed out; what was requested goes on (see 'clinitctl status')\n")


def test_next_to_no_time(machine: Survivor) -> None:
    """Less than the daemon takes to tell how far it has come: the group that is on its way is named all the same."""
    machine.write_table(NEW)

    def late() -> subprocess.CompletedProcess[str] | None:
        """What is said if the daemon has answered in time."""
        done = machine.clinit("--apply", "--timeout", "0.09")
        return done if "what was requested goes on" in done.stderr else None

    wait_until(lambda: machine.clstat()["slow"] == "1 STARTING" if late() else False, timeout=60)
    said = wait_until(late, timeout=60)
    assert said is not None
    up = "clinit: timed out; what was requested goes on (see 'clinitctl status')\n"
    answered(said, code=5, err=f"clinit: not there yet: slow 1: is under way\n{up}")


def test_no_time_for_a_program(machine: Survivor) -> None:
    """It has all groups, each with what is known of it."""
    machine.write_table(NEW.replace("quick:", "other:0:1:off:true\nquick:"))
    late = machine.clinit("--apply", "--timeout", "2", "--json")
    slow, quick = json.loads(late.stdout)

    schema_of("`clinit --apply --json`").validate([slow, quick])
    assert (late.returncode, slow["group"], slow["level"], slow["state"], slow["code"]) == (5, "slow", "1", None, None)
    assert slow["changes"] == [{"tag": tag, "effect": "restart"} for tag in "st"]
    assert slow["error"] == "timed out; what was requested goes on (see 'clinitctl status')"
    assert (quick["group"], quick["state"], quick["error"]) == ("quick", "DONE", None)


# slow is FAILED, and quick has lost its level.
LOST = TABLE.replace("t:1:test:true", "t:1:test:false").replace("q:1:", "q:2:")


@pytest.fixture
def lost(machine: Survivor) -> Survivor:
    """A group that is FAILED since the push before, and one that is refused."""
    machine.write_table(LOST.replace("q:2:", "q:1:"))
    answered(machine.clinit("--apply"), code=4)
    machine.write_table(LOST)
    return machine


def test_a_failed_group_beside_a_refused_one(lost: Survivor) -> None:
    """Both are told, and the exit code is that of the refusal."""
    done = lost.clinit("--apply")
    answered(done, code=1, out="quick 1 -\n")
    refused, failed = done.stderr.splitlines()
    assert refused.startswith("quick: no entry of quick names level '1'")
    assert failed == "clinit: slow 1 FAILED, and not by this; 'clinit slow 1' tries again what failed"


def test_a_failed_group_for_a_program(lost: Survivor) -> None:
    """A group that is FAILED is there with its reasons, beside one that is refused, and alone."""
    done = lost.clinit("--apply", "--json")
    lost.write_table(LOST.replace("q:2:", "q:1:"))
    alone = lost.clinit("--apply", "--json")

    assert (done.returncode, alone.returncode) == (1, 4)
    quick, slow = json.loads(done.stdout)
    assert json.loads(alone.stdout) == [slow]
    assert (quick["group"], quick["code"], quick["state"]) == ("quick", "unnamed-level", None)
    assert (slow["group"], slow["level"], slow["state"], slow["changes"]) == ("slow", "1", "FAILED", [])
    assert slow["reasons"] == ["slow: t (test) exited with 1: false"]


def test_a_failed_group_that_is_refused(machine: Survivor) -> None:
    """It is both."""
    machine.write_table(LOST.replace("q:2:", "q:1:"))
    answered(machine.clinit("--apply"), code=4)
    machine.write_table(
        LOST.replace("q:2:", "q:1:").replace("slow:s:1:", "slow:s:2:").replace("slow:t:1:", "slow:t:2:")
    )
    done = machine.clinit("--apply")
    (slow,) = json.loads(machine.clinit("--apply", "--json").stdout)

    answered(done, code=1, out="slow 1 -\n")
    assert "slow 1 FAILED, and not by this" in done.stderr
    assert (slow["code"], slow["state"]) == ("unnamed-level", "FAILED")
    assert slow["reasons"] == ["slow: t (test) exited with 1: false"]


def test_a_failed_group_for_a_caller_of_the_daemon(lost: Survivor) -> None:
    """It is in the first reply and in the last one, beside one that is refused, and not if it is FAILED by this."""
    first, last = (reply["parameters"] for reply in replies(lost.node, "Apply"))
    lost.write_table(LOST.replace("slow:t:1:test:false", "slow:t:1:test:exit 2"))
    begun, ended = (reply["parameters"] for reply in replies(lost.node, "Apply"))

    for told in (first, last):
        assert [(update["group"], update["code"]) for update in told["groups"]] == [("quick", "unnamed-level")]
        (slow,) = told["failed"]
        assert (slow["group"], slow["level"], slow["state"]) == ("slow", "1", "FAILED")
        assert [reason["text"] for reason in slow["reasons"]] == ["slow: t (test) exited with 1: false"]
    slow, quick = ended["groups"]
    assert (slow["status"]["state"], quick["code"]) == ("FAILED", "unnamed-level")
    assert [[*told] for told in (begun, ended)] == [["message", "groups"]] * 2
