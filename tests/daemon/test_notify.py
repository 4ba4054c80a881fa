"""Entries that say to systemd that they are ready: Type=notify."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from boots import Machine
from instance import varlink
from notifying import FOR_EVER, define, given, install, says
from programs import RUN

from cltab2systemd.groups.reasons import Cause
from lab.waiting import wait_until

if TYPE_CHECKING:
    from instance import Group

    from lab.node import Node

NEXT = "next:1:wait:@ next"


def seen(group: Group) -> dict[str, Any]:
    """The group as `clinitctl status --json` has it."""
    told = json.loads(group.node.run("clinitctl", "status", "--json", group.name, check=False).stdout)
    found: dict[str, Any] = told["groups"][0]
    return found


def entry(group: Group, tag: str = "app") -> dict[str, Any]:
    """An entry as `clinitctl status --json` has it."""
    [found] = [one for one in seen(group)["entries"] if one["tag"] == f"{group.name}.{tag}"]
    return dict(found)


def reasons(group: Group) -> list[tuple[str, str]]:
    """Code and words of the reasons of a group."""
    return [(reason["code"], reason["words"]) for reason in seen(group)["reasons"]]


@pytest.mark.parametrize("mode", ["respawn", "once"])
def test_what_stands_behind_waits(group: Group, mode: str) -> None:
    """Until an entry says that it is ready, its group is STARTING and nothing behind it is started."""
    file = f"/run/{group.name}"
    define(group, f"app:1:{mode}:{says('STATUS=half', f'until={file}', 'READY=1', 'STATUS=open', FOR_EVER)}", NEXT)
    group.request("1")
    group.when_awaited("app starting")
    wait_until(lambda: entry(group)["says"] == "half")

    assert ("1 STARTING", "starting", []) == (group.status, entry(group)["state"], group.events())
    group.node.write(file, "")
    group.wait_for("1 DONE")
    wait_until(lambda: entry(group)["says"] == "open")
    assert ("running", ["next"]) == (entry(group)["state"], group.events())


@pytest.mark.parametrize("mode", ["respawn", "once"])
def test_never_ready(group: Group, mode: str) -> None:
    """One that is not ready in time fails its group, and what stands behind it is started all the same."""
    define(group, f"app:1:{mode}:{says(FOR_EVER)}", NEXT, directives=("Type=notify", "TimeoutStartSec=2"))
    assert "FAILED" == group.switch("1", code=4)

    [(code, words)] = reasons(group)
    assert Cause.NOT_READY == code
    assert words.startswith("did not say that it is ready within 2 s (TimeoutStartSec=)")
    assert ["next"] == group.events()


def test_a_child_of_a_shell(group: Group) -> None:
    """It is not listened to, unless systemd is told to; and that is what is told to be mended."""
    command = f"A=b {says('READY=1', FOR_EVER)}"
    define(group, f"app:1:respawn:{command}", directives=("Type=notify", "TimeoutStartSec=2"))
    assert "FAILED" == group.switch("1", code=4)
    [(code, words)] = reasons(group)
    said = "did not say that it is ready within 2 s (TimeoutStartSec=), as a child of its shell cannot"
    assert (Cause.NOT_READY, True) == (code, words.startswith(said))
    told = group.node.run("clinitctl", "why", group.name, check=False).stdout
    assert "put 'exec' before its program, or give it NotifyAccess=all" in " ".join(told.split())

    define(group, f"app:1:respawn:{command}", directives=("Type=notify", "NotifyAccess=all"))
    assert "DONE" == group.switch("1")


@pytest.mark.parametrize(("mode", "said"), [("respawn", "exited with 3"), ("once", "exited with 3")])
def test_dies_before(group: Group, mode: str, said: str) -> None:
    """One that ends before it is ready fails its group at once, with how it ended."""
    define(group, f"app:1:{mode}:{says('exit=3')}", NEXT)
    assert "FAILED" == group.switch("1", code=4)

    [(code, words)] = reasons(group)
    assert (Cause.NOT_READY, True) == (code, words.startswith(f"{said} before it said that it is ready"))
    assert ["next"] == group.events()


@pytest.mark.parametrize("mode", ["respawn", "once"])
def test_ends_well_before(group: Group, mode: str) -> None:
    """Nor is it ready if it exits with 0."""
    define(group, f"app:1:{mode}:{says()}")
    assert "FAILED" == group.switch("1", code=4)
    assert [Cause.NOT_READY] == [code for code, _ in reasons(group)]
    assert "exited with 0 before it said that it is ready" in reasons(group)[0][1]


def test_one_that_cannot_be_executed(group: Group) -> None:
    """It is told as of any other."""
    define(group, "app:1:respawn:/nosuch")
    assert "FAILED" == group.switch("1", code=4)
    assert [Cause.NOT_EXECUTED] == [code for code, _ in reasons(group)]


def test_a_pause_is_told(group: Group) -> None:
    """One that ends too often is tried again every 60 s by the daemon, and told so; a request tries it at once."""
    file = f"/run/{group.name}"
    define(group, f"app:1:respawn:test -e {file} || exit 5; exec {says('READY=1', FOR_EVER)}")
    group.switch("1", code=4)
    wait_until(lambda: "it is tried again every 60 s" in reasons(group)[0][1])
    assert Cause.NOT_READY == reasons(group)[0][0]
    assert 0 == group.pid("app")
    group.node.write(file, "")
    assert "DONE" == group.switch("1")


def test_no_flapping(group: Group) -> None:
    """A group stays FAILED while an entry is tried again, and says so no longer when that is ready."""
    file = f"/run/{group.name}"
    define(group, f"app:1:respawn:{says('sleep=1', f'until={file}', 'READY=1', FOR_EVER)}",
           directives=("Type=notify", "TimeoutStartSec=2"))  # fmt: skip
    group.switch("1", code=4)
    shown: set[str] = set()

    def twice() -> bool:
        shown.add(group.status)
        return int(group.property("app", "NRestarts")) >= 3

    wait_until(twice, timeout=30)
    assert {"1 FAILED"} == shown
    group.node.write(file, "")
    group.wait_for("1 DONE")


def test_dies_after(group: Group) -> None:
    """One that was ready and ends is restarted; meanwhile its group stays DONE, and that is told."""
    file = f"/run/{group.name}"
    define(group, f"app:1:respawn:{says(f'until={file}', 'READY=1', FOR_EVER)}")
    group.node.write(file, "")
    group.switch("1")
    group.node.run("rm", file)
    group.node.run("kill", "-KILL", str(group.pid("app")))
    wait_until(lambda: group.property("app", "SubState") == "start")
    wait_until(lambda: entry(group)["state"] == "restarting")

    assert "1 DONE" == group.status
    assert [Cause.RESTARTING] == [code for code, _ in reasons(group)]
    group.node.write(file, "")
    wait_until(lambda: entry(group)["state"] == "running" and not reasons(group))
    assert "1 DONE" == group.status


def test_more_time(group: Group) -> None:
    """A program may ask for more time, and no limit is told that does not hold any more."""
    file = f"/run/{group.name}"
    define(group, f"app:1:respawn:{says('EXTEND_TIMEOUT_USEC=60000000', f'until={file}', 'READY=1', FOR_EVER)}",
           directives=("Type=notify", "TimeoutStartSec=1"))  # fmt: skip
    group.request("1")
    wait_until(lambda: group.when_awaited("app starting")["progress"]["awaited"][0]["elapsed_usec"] > 3_000_000)
    assert "1 STARTING" == group.status
    group.node.write(file, "")
    group.wait_for("1 DONE")


@pytest.mark.parametrize("words", [("READY=1", "fork"), ("fork", "READY=1")], ids=["after", "before"])
def test_a_program_that_forks(group: Group, words: tuple[str, ...]) -> None:
    """Its main process is the one that it names; that is well, and its end is the entry's."""
    define(
        group,
        f"app:1:respawn:{says(*words, 'STATUS=forked', FOR_EVER)}",
        directives=("Type=notify", "NotifyAccess=all"),
    )
    assert "DONE" == group.switch("1")
    wait_until(lambda: entry(group)["says"] == "forked")
    first = group.pid("app")
    wait_until(lambda: (entry(group)["pid"], reasons(group)) == (first, []))

    group.node.run("kill", "-TERM", str(first))
    wait_until(lambda: group.pid("app") not in {0, first} and entry(group)["says"] == "forked")
    wait_until(lambda: (group.status, entry(group)["state"], reasons(group)) == ("1 DONE", "running", []))
    group.switch("2")
    assert 0 == group.pid("app")


def test_a_once_that_has_ended(group: Group) -> None:
    """A once that was ready and exits has run, however it exits, and is not run again."""
    define(group, f"app:1:once:{says('READY=1', 'exit=3')}")
    assert "DONE" == group.switch("1")
    wait_until(lambda: group.property("app", "SubState") == "exited")
    wait_until(lambda: [Cause.ENDED_BADLY] == [code for code, _ in reasons(group)])
    pid = group.property("app", "ExecMainPID")
    assert "DONE" == group.switch("1")
    assert pid == group.property("app", "ExecMainPID")


def test_asked_again(group: Group) -> None:
    """A request for the level that comes meanwhile waits for the same, and starts nothing twice."""
    file = f"/run/{group.name}"
    define(group, f"app:1:respawn:{says(f'until={file}', 'READY=1', FOR_EVER)}", NEXT)
    group.request("1")
    group.when_awaited("app starting")
    pid = group.pid("app")
    group.request("1")
    group.when_awaited("app starting")
    group.node.write(file, "")
    group.wait_for("1 DONE")
    assert (pid, ["next"]) == (group.pid("app"), group.events())


def test_another_level(group: Group) -> None:
    """A switch to another level stops an entry that is not ready yet, by the stages of any stop."""
    stages = ("Type=notify", "TimeoutStopSec=2", "TimeoutAbortSec=2")
    define(group, f"app:1:respawn:{says('deaf', 'STATUS=deaf', FOR_EVER)}", f"b:2:respawn:{RUN}", directives=stages)
    group.request("1")
    wait_until(lambda: entry(group)["says"] == "deaf")
    assert "DONE" == group.switch("2")
    assert (0, True) == (group.pid("app"), group.pid("b") > 0)


def test_the_daemon_is_killed(group: Group) -> None:
    """The next daemon goes on to wait."""
    file = f"/run/{group.name}"
    define(group, f"app:1:respawn:{says(f'until={file}', 'READY=1', FOR_EVER)}", NEXT)
    group.request("1")
    group.when_awaited("app starting")
    group.instance.kill()
    group.instance.start()
    wait_until(lambda: group.status == "1 STARTING")
    group.node.write(file, "")
    group.wait_for("1 DONE")
    assert ["next"] == group.events()


def test_by_systemctl(group: Group) -> None:
    """Plain systemctl is as good: its start ends when the entry is ready, or has failed."""
    define(group, f"app:1:respawn:{says('sleep=0.5', 'READY=1', FOR_EVER)}", f"x:2:respawn:{RUN}")
    group.switch("2")
    group.node.run("systemctl", "start", group.target("1"))
    assert ("active", "running") == (group.property("app", "ActiveState"), group.property("app", "SubState"))
    group.wait_for("1 DONE")


def test_restarted_by_hand(group: Group) -> None:
    """`clinitctl restart` waits until the entry is ready again."""
    file = f"/run/{group.name}"
    define(group, f"app:1:respawn:{says(f'until={file}', 'READY=1', FOR_EVER)}")
    group.node.write(file, "")
    group.switch("1")
    group.node.run("rm", file)
    ended = f"/run/ended.{group.name}"
    group.node.shell(f"(clinitctl restart {group.name}:{group.name}.app; echo $? >{ended}) >/dev/null 2>&1 &")
    group.when_awaited("app starting")
    assert "1 STARTING" == group.status
    assert not group.node.exists(ended)
    group.node.write(file, "")
    wait_until(lambda: group.node.exists(ended) and group.node.read(ended) == "0\n")
    group.wait_for("1 DONE")


def test_no_sign_of_life(group: Group) -> None:
    """With WatchdogSec=, one that gives no sign of life is stopped, SIGTERM first, and is started again."""
    define(group, f"app:1:respawn:{says('READY=1', FOR_EVER)}", directives=("Type=notify", "WatchdogSec=3"))
    assert "DONE" == group.switch("1")
    first = group.pid("app")
    wait_until(lambda: group.pid("app") not in {0, first}, timeout=20)
    ended = entry(group)["previous_ending"]
    assert ("SIGTERM", "watchdog") == (ended["signal"], ended["result"])
    assert "1 DONE" == group.status


def test_no_sign_of_life_of_a_once(group: Group) -> None:
    """Nobody starts a once again, so its group is FAILED."""
    define(group, f"app:1:once:{says('READY=1', FOR_EVER)}", directives=("Type=notify", "WatchdogSec=2"))
    group.switch("1")
    group.wait_for("1 FAILED")
    [(code, words)] = reasons(group)
    assert (Cause.BROKEN_OFF, True) == (code, "it gave no sign of life for 2 s (WatchdogSec=)" in words)


def test_the_stages_of_a_stop(group: Group) -> None:
    """WatchdogSec= leaves the stages of a stop as they are; one that is deaf to both signals is killed."""
    stages = ("Type=notify", "WatchdogSec=60", "TimeoutStopSec=2", "TimeoutAbortSec=2")
    define(group, f"app:1:respawn:{says('deaf', 'READY=1', FOR_EVER)}", f"b:2:respawn:{RUN}", directives=stages)
    group.switch("1")
    group.request("2")

    assert [(2_000_000, "SIGTERM"), (2_000_000, "SIGKILL")] == [stage_of(group, "SIGINT"), stage_of(group, "SIGTERM")]
    group.wait_for("2 DONE")


def stage_of(group: Group, signal: str) -> tuple[int, str]:
    """How long the stage of a stop may take in which a signal was sent, and what is sent next."""

    def stage() -> dict[str, Any]:
        [awaited] = group.when_awaited("app stopping")["progress"]["awaited"]
        return dict(awaited) if awaited["signal"] == signal else {}

    found = wait_until(stage)
    return found["limit_usec"], found["next_signal"]


def test_a_reload(group: Group) -> None:
    """A program that says that it reloads runs on."""
    define(group, f"app:1:respawn:{says('READY=1', 'sleep=1', 'RELOADING=1', 'STATUS=reloads', FOR_EVER)}")
    group.switch("1")
    wait_until(lambda: entry(group)["says"] == "reloads")
    assert ("1 DONE", "running", []) == (group.status, entry(group)["state"], reasons(group))
    assert "DONE" == group.switch("1")


def test_progress(group: Group) -> None:
    """Who watches is told how long it may take, and what it says."""
    file = f"/run/{group.name}"
    define(group, f"app:1:respawn:{says('STATUS=recovers', f'until={file}', 'READY=1', FOR_EVER)}")
    group.request("1")
    [told] = wait_until(lambda: [a for a in group.when_awaited("app starting")["progress"]["awaited"] if a["says"]])
    assert ("recovers", 90_000_000) == (told["says"], told["limit_usec"])
    group.node.write(file, "")
    group.wait_for("1 DONE")


@pytest.mark.parametrize("mode", ["respawn", "once"])
def test_one_that_is_required(group: Group, mode: str) -> None:
    """READY=1 says that it did well: only then what stands behind it is started. A request tries it again."""
    file = f"/run/{group.name}"
    define(group, f"app:1:{mode}:test -e {file} || exit 5; exec {says('READY=1', FOR_EVER)}", NEXT)
    group.instance.write_table(f"{group.instance.table}{given(group)}:::required.{group.name}.app:yes\n")
    group.switch("1", code=4)
    assert [Cause.NOT_READY, Cause.KEPT_BACK] == [code for code, _ in reasons(group)]
    assert [] == group.events()
    group.node.write(file, "")
    assert "DONE" == group.switch("1")
    assert ["next"] == group.events()


def test_one_that_is_asked_as_well(group: Group) -> None:
    """With a readiness, too, what stands behind waits for both: the program says that it is ready, then it is asked."""
    ready, answers = (f"/run/{group.name}.{name}" for name in ("ready", "answers"))
    define(group, f"app:1:respawn:{says(f'until={ready}', 'READY=1', FOR_EVER)}", NEXT)
    check = f":::ready.{group.name}.app:test -e {answers}\n"
    group.instance.write_table(f"{group.instance.table}{given(group)}{check}")
    group.request("1")
    group.when_awaited("app starting")
    group.node.write(ready, "")
    group.when_awaited("app:ready starting")
    assert [] == group.events()
    group.node.write(answers, "")
    group.wait_for("1 DONE")
    assert ["next"] == group.events()


def test_at_boot(fresh_node: Node) -> None:
    """A boot to a level waits for the same, and holds up nothing else."""
    machine = Machine(fresh_node)
    install(fresh_node)
    table = f"web:app:3:respawn:{says('sleep=1', 'READY=1', FOR_EVER)}\nweb:next:3:wait:true\n"
    machine.write_table(f"{table}:::initdefault.web:3\n:::service.app:Type=notify\n")
    fresh_node.reboot()

    assert {"web": "3 DONE"} == machine.settled()
    ready, next_began = (
        int(machine.properties(f"clinit-web@{tag}.service", name)[name])
        for tag, name in (("app", "ActiveEnterTimestampMonotonic"), ("next", "ExecMainStartTimestampMonotonic"))
    )
    assert 0 < ready < next_began


def test_varlink_is_whole(group: Group) -> None:
    """What is told of the entry is in the interface."""
    define(group, f"app:1:respawn:{says('STATUS=x', 'READY=1', FOR_EVER)}")
    group.switch("1")
    [reply] = varlink(group.node, {"method": "org.clinit.Manager.Describe", "parameters": {"groups": [group.name]}})
    [one] = reply["parameters"]["groups"][0]["entries"]
    assert "x" == one["says"]
