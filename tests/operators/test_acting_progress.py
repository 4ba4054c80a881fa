"""What `clinitctl restart` and `stop` tell while they wait: on the same terms as `clinit --wait`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from altered import alter
from answers import answered
from instance import EVENTS, Group, Instance
from programs import RUN, polite
from terminals import Terminal

from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

INTERRUPTED = "clinitctl: interrupted; what has begun goes on (see 'clinitctl status')\n"


@pytest.fixture
def group(group: Group) -> Group:
    """A group at level 1, with two entries that take their time to stop."""
    group.define(*(f"{tag}:1:respawn:{polite(group.name, tag, 3)}" for tag in "ab"), f"quick:1:respawn:{RUN}")
    assert group.switch("1") == "DONE"
    wait_until(lambda: {*group.events()} == {"a up", "b up"}, what="their shells have set their traps")
    return group


def names(group: Group, *tags: str) -> list[str]:
    return [f"{group.name}.{tag}" for tag in tags]


def test_restart_in_place(group: Group) -> None:
    """One line: how many of those that were named, which one is waited for, and which signal comes when."""
    a, b = names(group, "a", "b")
    with Terminal(group.node, "clinitctl", "restart", a, b, columns=120) as terminal:
        code = terminal.ended()

    assert (0, f"{group.name} 1 DONE\n") == (code, terminal.left)
    said = [re.sub(r"\d+s", "#", frame) for frame in terminal.frames]
    for number, tag in enumerate((a, b)):
        start = f"{group.name} 1: restarting, {number} of 2 done: {tag} (respawn)"
        assert f"{start} # after SIGINT, SIGTERM in #" in said, said


def test_stop_in_place(group: Group) -> None:
    """Those that still live are told; they are stopped all at once."""
    a, b = names(group, "a", "b")
    with Terminal(group.node, "clinitctl", "stop", a, b, columns=120) as terminal:
        code = terminal.ended()

    assert 0 == code
    assert terminal.left.startswith(f"{group.name} 1 FAILED\n")
    said = [re.sub(r"\d+s", "#", frame) for frame in terminal.frames]
    assert f"{group.name} 1: stopping, 0 of 2 done: {a} (respawn) # after SIGINT, SIGTERM in #; also {b}" in said, said


def test_in_a_pipe(group: Group) -> None:
    """There is nothing before 2 s, then a line for each change; the answer is as ever."""
    a, b = names(group, "a", "b")
    done = group.node.run("clinitctl", "restart", a, b)

    answered(done, code=0, out=f"{group.name} 1 DONE\n")
    lines = [re.sub(r"\d+s", "#", line) for line in done.stderr.splitlines()]
    starts = [f"clinitctl: {group.name} 1: restarting, {number} of 2 done: {tag}" for number, tag in enumerate((a, b))]
    told = [f"{start} (respawn) has SIGINT, SIGTERM in #" for start in starts]
    assert told == [line for line in lines if "has SIGINT" in line]
    assert all(line.startswith("clinitctl: ") for line in lines)


@pytest.mark.parametrize("action", ["restart", "stop"])
def test_what_is_quick_is_silent(group: Group, action: str) -> None:
    """What takes less than 0.5 s shows nothing, not even for a moment."""

    def was_quick() -> bool:
        group.node.run("clinitctl", "restart", *names(group, "quick"))
        with Terminal(group.node, "clinitctl", action, *names(group, "quick")) as terminal:
            terminal.ended()
        assert terminal.took >= 0.5 or [] == terminal.frames
        return terminal.took < 0.5

    wait_until(was_quick, timeout=120, what="it takes less than 0.5 s")


@pytest.mark.parametrize(
    ("arguments", "variable", "lines"),
    [((), "none", 0), (("--progress", "none"), "plain", 0), (("--progress", "plain"), "none", 1), ((), "plain", 1)],
)
def test_how_it_is_chosen(group: Group, arguments: tuple[str, ...], variable: str, lines: int) -> None:
    """The option counts, and else the variable."""
    environment = {"CLINIT_PROGRESS": variable}
    done = group.node.run("clinitctl", "restart", *arguments, *names(group, "a"), env=environment)

    answered(done, code=0, out=f"{group.name} 1 DONE\n")
    assert lines == len([line for line in done.stderr.splitlines() if "has SIGINT" in line])
    assert bool(lines) == bool(done.stderr)


def test_what_is_wrong_usage(group: Group) -> None:
    """A wrong variable is told, and no reason to do nothing; a wrong option is."""
    quick = names(group, "quick")
    done = group.node.run("clinitctl", "restart", *quick, env={"CLINIT_PROGRESS": "loud"})
    told = "clinitctl: CLINIT_PROGRESS is not one of auto, tty, plain, none: 'loud'; it is taken as auto\n"

    answered(done, code=0, out=f"{group.name} 1 DONE\n", err=told)
    answered(group.node.run("clinitctl", "stop", "--progress", "loud", *quick, check=False), code=2, out="")


@pytest.mark.parametrize("action", ["restart", "stop"])
def test_ctrl_c(group: Group, action: str) -> None:
    """It ends the watching and says so, with what was waited for; what has begun goes on."""
    (a,), pid = names(group, "a"), group.pid("a")
    with Terminal(group.node, "clinitctl", action, a, columns=120) as terminal:
        terminal.wait_for("after SIGINT")
        terminal.type("\x03")
        code = terminal.ended()

    phase = "restarting" if action == "restart" else "stopping"
    waited = rf"clinitctl: not there yet: {group.name} 1: {phase}, 0 of 1 done: {a} \(respawn\) .*\n"
    assert 130 == code
    assert re.fullmatch(waited + re.escape(INTERRUPTED), terminal.left), terminal.output
    wait_until(lambda: (group.pid("a") not in {0, pid}) if action == "restart" else group.pid("a") == 0, what="its end")


def test_several_groups(group: Group) -> None:
    """Each has a line of its own, that is gone before its answer."""
    other = Group(group.instance)
    other.define(f"c:1:respawn:{polite(other.name, 'c', 2)}")
    assert other.switch("1") == "DONE"
    wait_until(lambda: other.events() == ["c up"], what="its shell has set its trap")
    with Terminal(group.node, "clinitctl", "restart", *names(group, "a"), f"{other.name}.c", columns=120) as terminal:
        code = terminal.ended()

    assert (0, f"{group.name} 1 DONE\n{other.name} 1 DONE\n") == (code, terminal.left)
    assert {group.name, other.name} == {frame.split()[0] for frame in terminal.frames}


def test_others_see_it(group: Group) -> None:
    """`status` tells it as well, and that the group is not on its way to another level."""
    (a,) = names(group, "a")
    restart = group.node.popen("clinitctl", "restart", a)
    wait_until(lambda: group.property("a", "ActiveState") == "deactivating", what="it stops")
    found = json.loads(group.node.run("clinitctl", "status", "--json", group.name).stdout)["groups"][0]
    restart.wait(60)

    progress = found["progress"]
    assert ("STARTING", "1", "1") == (found["state"], progress["origin"], progress["level"])
    assert ("restarting", 0, 1, [a]) == (
        progress["phase"], progress["done"], progress["total"], [entry["tag"] for entry in progress["awaited"]],
    )  # fmt: skip
    assert group.status == "1 DONE"


def test_a_daemon_that_tells_no_progress(fresh_node: Node) -> None:
    """A daemon of an older version leaves the flag alone: there is no progress, and the outcome as ever."""
    instance = Instance(fresh_node)
    instance.write_table(f"web:a:1:respawn:{polite('web', 'a', 3)}\n")
    alter(fresh_node, "cltab2systemd.daemon.service", 'call.flag("progress")', "False")
    instance.start()
    instance.clinit("--wait", "web", "1")
    wait_until(lambda: fresh_node.exists(f"{EVENTS}/web"), what="its shell has set its trap")

    answered(fresh_node.run("clinitctl", "restart", "a"), code=0, out="web 1 DONE\n", err="")
