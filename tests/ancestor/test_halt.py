"""The end: `clinit -k`, `:::SHUTDOWN:::`, and what SIGTERM to the daemon is not."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from ancestorclient import PERL_CLIENT
from answers import answered
from instance import Group, Instance
from programs import RUN, polite, until_there

from cltab2systemd import events
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

SOCKET, CLSTAT = "/run/clinit/clinit.s", "/run/clinit/clstat"


@pytest.fixture
def groups(alone: Instance) -> list[Group]:
    """Run three groups: one DONE and slow to stop, one PASSED, one FAILED with something that runs."""
    done, passed, failed = (Group(alone, name) for name in ("done", "passed", "failed"))
    done.define("a:1:respawn:" + polite(done.name, "a", 3), f"o:1:once:{RUN}")
    passed.define("t:1:test:true")
    failed.define("t:1:test:false", "r:1:respawn:" + polite(failed.name, "r", 3))
    assert done.switch("1") == "DONE"
    assert passed.switch("1") == "PASSED"
    assert failed.switch("1", code=4) == "FAILED"
    wait_until(lambda: (1, 1) == (len(done.events()), len(failed.events())))
    return [done, passed, failed]


def nothing_is_left(node: Node) -> bool:
    """Whether no unit of any group is active or failed, and the daemon's files are gone."""
    units = node.run("systemctl", "list-units", "--plain", "--no-legend", "clinit-*.target", "clinit-*.service").stdout
    return not units and not node.exists(SOCKET) and not node.exists(CLSTAT)


def test_k_prints_nothing_and_answers_at_once(alone: Instance, groups: list[Group]) -> None:
    """`clinit -k` ends before the groups are stopped, without a word and with exit code 0."""
    done = alone.clinit("-k")
    answered_at = time.time()

    answered(done, code=0, out="", err="")
    assert "a gone" not in groups[0].events()
    assert answered_at - alone.told_at(events.HALT_BEGINS) < 0.9
    wait_until(lambda: nothing_is_left(alone.node))


def test_k_shows_halting_and_stops_gracefully(alone: Instance, groups: list[Group]) -> None:
    """All groups are HALTING at their old levels, PASSED and FAILED ones too, and are stopped with time to end."""
    alone.clinit("-k")
    assert groups[0].status == "1 HALTING"
    assert groups[2].status == "1 HALTING"
    assert groups[1].status in {"1 HALTING", "1 CONFIGURED"}
    wait_until(lambda: not alone.node.exists(CLSTAT))

    assert groups[0].events() == ["a up", "a stopping", "a gone"]
    assert groups[2].events() == ["r up", "r stopping", "r gone"]


def test_groups_that_are_stopped_are_configured(alone: Instance, groups: list[Group]) -> None:
    """During a halt, a group all of whose entries are gone is CONFIGURED, while others are still HALTING."""
    slow = Group(alone, "slow")
    slow.define(f"s:1:respawn:trap '' INT TERM; @ s up; {until_there('/run/over')}")
    slow.switch("1")
    wait_until(lambda: slow.events() == ["s up"])
    alone.clinit("-k")
    wait_until(lambda: groups[0].status == "1 CONFIGURED")

    assert groups[1].status == "1 CONFIGURED"
    assert slow.status == "1 HALTING"
    alone.node.write("/run/over", "")
    wait_until(lambda: nothing_is_left(alone.node))


def test_k_with_wait_ends_when_all_is_over(alone: Instance, groups: list[Group]) -> None:
    """`clinit -k --wait` ends when every group is stopped and the files are gone; nothing is failed or left."""
    assert alone.clinit("-k", "--wait").returncode == 0

    assert nothing_is_left(alone.node)
    assert groups[0].events() == ["a up", "a stopping", "a gone"]
    assert not alone.node.run("systemctl", "--failed", "--plain", "--no-legend").stdout


def test_the_daemon_exits_with_0(fresh_node: Node) -> None:
    """After a halt the daemon itself ends with exit code 0; so it does after SIGTERM."""
    fresh_node.write("/etc/cltab", f"web:a:1:respawn:{RUN}\n")
    for end in (["clinit", "-k"], ["pkill", "-TERM", "-f", "clinit -d"]):
        daemon = fresh_node.popen("clinit", "-d", stderr=subprocess.DEVNULL)
        wait_until(lambda: fresh_node.run("clinit", "-w", "web", "1", check=False).returncode == 0)
        fresh_node.run(*end)
        assert daemon.wait(20) == 0


def test_perls_shutdown(alone: Instance, groups: list[Group]) -> None:
    """`tell(GROUP, ":::SHUTDOWN:::")` halts all groups, whichever it names, and is answered before they are stopped."""
    alone.node.write("/usr/local/bin/ldt_client", PERL_CLIENT.read_bytes(), mode=0o755)
    said = alone.node.run("ldt_client", SOCKET, "passed", ":::SHUTDOWN:::").stdout

    assert said == "all groups halting\n"
    assert groups[0].status == "1 HALTING"
    wait_until(lambda: nothing_is_left(alone.node))
    assert groups[0].events() == ["a up", "a stopping", "a gone"]


def test_clinits_shutdown_level(alone: Instance, groups: list[Group]) -> None:
    """`clinit GROUP :::SHUTDOWN:::` is the same."""
    assert alone.clinit("done", ":::SHUTDOWN:::").stdout == "all groups halting\n"
    wait_until(lambda: nothing_is_left(alone.node))


def test_a_halt_in_the_middle_of_a_start(alone: Instance, groups: list[Group]) -> None:
    """A group that is being started is halted too: its running `wait` is stopped, and what follows never starts."""
    web = Group(alone, "web")
    web.define("w:1:wait:@ w; sleep 60", f"n:1:respawn:@ n; {RUN}")
    web.request("1")
    wait_until(lambda: web.events() == ["w"])
    assert alone.clinit("-k", "--wait").returncode == 0

    assert web.events() == ["w"]
    assert nothing_is_left(alone.node)


def test_a_halt_in_the_middle_of_a_stop(alone: Instance, groups: list[Group]) -> None:
    """A group on its way to another level is halted, and the level is not reached."""
    web = Group(alone, "web")
    web.define("a:1:respawn:" + polite(web.name, "a", 3), "z:2:wait:@ z")
    web.switch("1")
    wait_until(lambda: web.events() == ["a up"])
    web.request("2")
    assert alone.clinit("-k", "--wait").returncode == 0

    assert web.events() == ["a up", "a stopping", "a gone"]


def test_a_second_halt(alone: Instance, groups: list[Group]) -> None:
    """Asking for a halt twice is asking once."""
    assert [alone.clinit("-k").returncode for _ in range(2)] == [0, 0]
    wait_until(lambda: nothing_is_left(alone.node))


def test_after_a_halt_a_daemon_starts_afresh(alone: Instance, groups: list[Group]) -> None:
    """The next daemon starts nothing by itself; a request runs `once` and `wait` entries again."""
    web = Group(alone, "web")
    web.define("w:1:wait:@ w", "o:1:once:@ o")
    web.switch("1")
    wait_until(lambda: len(web.events()) == 2)
    alone.clinit("-k", "--wait")
    wait_until(lambda: alone.properties(alone.unit, "ActiveState") == {"ActiveState": "inactive"})
    alone.start()
    assert groups[0].pid("a") == 0
    assert alone.clstat() == {}
    web.switch("1")
    wait_until(lambda: len(web.events()) == 4)


def test_a_halt_with_nothing_to_stop(alone: Instance) -> None:
    """Without any active group the daemon just ends."""
    assert alone.clinit("-k", "--wait").returncode == 0

    assert nothing_is_left(alone.node)


def test_k_without_a_daemon(alone: Instance) -> None:
    """`clinit -k` without a daemon says so, with its exit code."""
    alone.kill("TERM")
    done = alone.clinit("-k")

    answered(done, code=3, out="")
    assert SOCKET in done.stderr


@pytest.mark.parametrize("signal", ["TERM", "INT"])
def test_sigterm_stops_no_group(alone: Instance, groups: list[Group], signal: str) -> None:
    """SIGTERM to the daemon ends it alone: groups and clstat stay, and the next daemon carries on."""
    before, shown = (groups[0].pid("a"), groups[0].pid("o"), groups[2].pid("r")), alone.clstat()
    alone.kill(signal)
    assert alone.clstat() == shown == {"done": "1 DONE", "passed": "1 PASSED", "failed": "1 FAILED"}
    assert not alone.node.exists(SOCKET)
    alone.start()

    assert before == (groups[0].pid("a"), groups[0].pid("o"), groups[2].pid("r"))
    assert shown == alone.clstat()
    assert groups[0].switch("1") == "DONE"
    assert before[0] == groups[0].pid("a")


def test_a_halt_after_a_restart_stops_what_the_earlier_daemon_started(alone: Instance, groups: list[Group]) -> None:
    """A halt ends the groups that an earlier, killed daemon had started."""
    alone.kill("KILL")
    alone.start()
    assert alone.clinit("-k", "--wait").returncode == 0

    assert nothing_is_left(alone.node)
    assert groups[2].events() == ["r up", "r stopping", "r gone"]
