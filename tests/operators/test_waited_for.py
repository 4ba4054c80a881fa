"""What a group on its way waits for, as `clinitctl status` and `why` tell it: with a daemon, and without."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from answers import answered
from jsonschema import Draft202012Validator
from programs import RUN, RUN_NEW, deaf
from terminals import Terminal

from lab.install import PROJECT
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instance import Group

SECOND = 1_000_000


@pytest.fixture
def group(group: Group) -> Group:
    """A group of the test's own, whose entry `slow` has an hour for each stage of its stop."""
    group.node.shell("id stranger 2>/dev/null || useradd stranger")
    stubborn = "[Service]\nTimeoutStopSec=1h\n"
    group.node.write(f"/etc/systemd/system/{group.unit('slow')}.d/x.conf", stubborn)
    return group


def status(group: Group, *options: str, user: str | None = None) -> str:
    return group.node.run("clinitctl", "status", *options, group.name, check=False, user=user).stdout


def value(group: Group) -> Any:
    """A group as JSON, held to the schema."""
    found = json.loads(status(group, "--json"))
    schema = json.loads((PROJECT / "docs/schemas/clinitctl-status.schema.json").read_text())
    Draft202012Validator(schema).validate(found)
    return found["groups"][0]


def why(group: Group) -> str:
    return group.node.run("clinitctl", "why", group.name, check=False).stdout


def starting(group: Group) -> str:
    """A group that waits for its second entry of three; what is to be said of that, as a pattern."""
    group.define("first:3:wait:true", "slow:3:wait:sleep 1000", f"app:3:respawn:{RUN}")
    group.node.write(f"/etc/systemd/system/{group.unit('slow')}.d/limit.conf", "[Service]\nTimeoutStartSec=50min\n")
    group.request("3")
    wait_until(lambda: group.property("slow", "ActiveState") == "activating", what="it runs")
    group.when_awaited("slow starting")
    return rf"starting, 1 of 3 done: {group.name}\.slow \(wait\) \d+s of 50min"


def stopping(group: Group) -> str:
    """A group of which one entry of three is gone, one lives, and one waits; what is to be said of that."""
    group.define(f"quick:1:respawn:{RUN}", f"slow:1:respawn:{deaf('INT')}", "next:3:wait:true")
    assert group.switch("1") == "DONE"
    group.instance.await_deaf(group.unit("slow"), "INT")
    group.request("3")
    wait_until(lambda: group.property("quick", "ActiveState") == "inactive", what="the quick one is gone")
    wait_until(lambda: group.property("slow", "SubState") == "stop-sigterm", what="the slow one stops")
    group.when_awaited("slow stopping")
    return rf": {group.name}\.slow \(respawn\) \d+s after SIGINT, SIGTERM in (1h|59min( \d+s)?)"


@pytest.fixture
def away(group: Group) -> Iterator[None]:
    """Let a group go that is stuck."""
    yield
    group.node.run("systemctl", "kill", "--signal=KILL", group.unit("slow"), check=False)


def test_starting(group: Group, away: None) -> None:
    """The phase, how many of how many, the entry, its time and its limit stand below the group's line."""
    said = starting(group)
    head, line, *_ = status(group).splitlines()

    assert head.startswith(f"{group.name}: level 3 STARTING for ")
    assert re.fullmatch(rf"  {group.name} -> 3: {said}", line)
    progress = value(group)["progress"]
    assert ("starting", 1, 3, 1) == tuple(progress[name] for name in ("phase", "done", "total", "waiting"))
    [awaited] = progress["awaited"]
    assert (f"{group.name}.slow", "starting", 3000 * SECOND) == (
        awaited["tag"], awaited["doing"], awaited["limit_usec"],
    )  # fmt: skip
    assert 0 <= awaited["elapsed_usec"] < 3000 * SECOND
    group.switch("stop")


def test_stopping(group: Group, away: None) -> None:
    """Who still lives, and which signal comes next; what has gone counts as done, though nobody has watched."""
    said = stopping(group)
    assert re.search(rf"^  {group.name} 1 -> 3: stopping, 1 of 2 done{said}$", status(group), re.MULTILINE)
    [awaited] = value(group)["progress"]["awaited"]
    assert ("stopping", "SIGINT", "SIGTERM") == (awaited["doing"], awaited["signal"], awaited["next_signal"])


def test_why_says_the_same(group: Group, away: None) -> None:
    """And each entry that waits behind it, once."""
    said = starting(group)
    told = why(group).splitlines()

    assert re.fullmatch(rf"  {group.name} -> 3: {said}", told[1])
    [waiting] = told[2:]
    assert re.fullmatch(rf"  {group.name}\.app \(respawn\) is waiting, for \w+", waiting)
    found = json.loads(group.node.run("clinitctl", "why", "--json", group.name, check=False).stdout)
    assert {"group", "phase", "awaited"} <= {*found["progress"]}
    assert "starting" == found["progress"]["phase"]
    group.switch("stop")


def test_several_that_stop(group: Group) -> None:
    """`why` has each of them with its clock."""
    group.define(*(f"{tag}:1:respawn:{deaf('INT', 'TERM')}" for tag in ("a", "b")), "next:2:wait:true")
    assert group.switch("1") == "DONE"
    for tag in "ab":
        group.instance.await_deaf(group.unit(tag), "INT", "TERM")
    group.request("2")
    wait_until(lambda: {group.property(tag, "SubState") for tag in "ab"} == {"stop-sigterm"}, what="both stop")
    group.when_awaited("a stopping", "b stopping")
    told = why(group).splitlines()

    assert f"{group.name} 1 -> 2: stopping, 0 of 2 done: {group.name}.a (respawn) " in told[1]
    assert re.fullmatch(rf"  {group.name}\.b \(respawn\) \d+s after SIGINT, SIGTERM in \d+s", told[2])
    assert [f"  {group.name}.next (wait) is waiting"] == told[3:]


def test_nothing_of_a_group_that_rests(group: Group) -> None:
    """Nor is anything said of one that is settled."""
    group.define(f"app:1:respawn:{RUN}")
    group.instance.clinit()
    assert value(group)["progress"] is None
    assert group.switch("1") == "DONE"
    assert value(group)["progress"] is None
    assert " -> " not in status(group) + why(group)


def test_a_narrow_terminal(group: Group, away: None) -> None:
    """The line has the longest form that fits."""
    starting(group)
    with Terminal(group.node, "clinitctl", "status", group.name, columns=30) as terminal:
        terminal.ended()
    lines = terminal.output.replace("\r\n", "\n").splitlines()

    assert max(map(len, lines)) <= 30
    assert any(re.match(rf"  {group.name} 3: 1/3 {group.name}\.slow", line) for line in lines), lines
    group.switch("stop")


def without_daemon(group: Group, how: str) -> str:
    """The status of a group while its daemon is gone, or closed to the user who asks."""
    if how == "closed":
        return status(group, user="stranger")
    group.instance.kill()
    try:
        return status(group)
    finally:
        group.instance.start()


@pytest.mark.parametrize("how", ["gone", "closed"])
def test_without_a_daemon_starting(group: Group, away: None, how: str) -> None:
    """The same of a level that starts, for the units tell; only where it comes from may not be known."""
    said = starting(group)
    told = without_daemon(group, how)
    group.switch("stop")

    assert re.search(rf"^  {group.name} -> 3: {said}$", told, re.MULTILINE), told


@pytest.mark.parametrize("how", ["gone", "closed"])
def test_without_a_daemon_stopping(group: Group, away: None, how: str) -> None:
    """Who still lives; nothing is said of how many have gone, for nobody has counted."""
    said = stopping(group)
    told = without_daemon(group, how)

    assert re.search(rf"^  {group.name} 1 -> 3: stopping{said}$", told, re.MULTILINE), told


def test_one_that_is_emptied(group: Group, away: None) -> None:
    """A group that is emptied for its new lines goes to where the note on disk says, also for who may not ask."""
    group.define(f"slow:1:respawn:{deaf('INT')}")
    assert group.switch("1") == "DONE"
    group.instance.await_deaf(group.unit("slow"), "INT")
    group.define(f"slow:1:respawn:{RUN_NEW}")
    watching = group.node.popen("clinit", "--wait", group.name, "1")
    wait_until(lambda: group.property("slow", "SubState") == "stop-sigterm", what="it is being emptied")
    group.when_awaited("slow stopping")
    told, closed = status(group), status(group, user="stranger")
    group.node.run("systemctl", "kill", "--signal=KILL", group.unit("slow"))
    watching.wait(60)

    said = rf": {group.name}\.slow \(respawn\) \d+s after SIGINT, SIGTERM in "
    assert re.search(rf"^  {group.name} 1: stopping, 0 of 1 done{said}", told, re.MULTILINE), told
    assert re.search(rf"^  {group.name} 1: stopping{said}", closed, re.MULTILINE), closed


def test_one_that_is_stopped_by_hand(group: Group, away: None) -> None:
    """With `clinitctl stop`, that shows below the group, too."""
    group.define(f"slow:1:respawn:{deaf('INT')}", f"app:1:respawn:{RUN}")
    assert group.switch("1") == "DONE"
    group.instance.await_deaf(group.unit("slow"), "INT")
    stop = group.node.popen("clinitctl", "stop", f"{group.name}.slow")
    wait_until(lambda: group.property("slow", "SubState") == "stop-sigterm", what="it stops")
    group.when_awaited("slow stopping")
    said = rf"^  {group.name} 1: stopping, 0 of 1 done: {group.name}\.slow \(respawn\) \d+s after SIGINT, SIGTERM in "
    assert re.search(said, status(group), re.MULTILINE)
    group.node.run("systemctl", "kill", "--signal=KILL", group.unit("slow"))
    stop.wait(60)
    answered(group.node.run("clinitctl", "status", group.name, check=False), code=4)
    assert value(group)["progress"] is None


def test_since_when_an_entry_waits(group: Group) -> None:
    """It has waited since its level was asked for, and not since it was stopped long before."""
    group.define("slow:3:wait:sleep 1000", f"app:13:respawn:{RUN}", "odd:2:once:true")
    group.switch("1")
    group.switch("2")
    stopped = int(group.property("app", "StateChangeTimestampMonotonic"))
    group.node.run("sleep", "1")
    began = time.time()
    group.request("3")
    wait_until(lambda: group.property("slow", "ActiveState") == "activating", what="it runs")
    group.when_awaited("slow starting")
    [app] = [entry for entry in value(group)["entries"] if entry["tag"] == f"{group.name}.app"]

    assert stopped
    assert "waiting" == app["state"]
    assert app["since_usec"] / SECOND > began - 0.1
