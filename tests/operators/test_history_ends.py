"""`clinitctl history` of what is done to single entries, and of requests whose daemon does not see their end."""

from __future__ import annotations

import json
from subprocess import DEVNULL
from typing import TYPE_CHECKING, Any

import pytest
from answers import answered
from instance import Group, varlink
from programs import RUN
from survivor import Survivor

from lab.waiting import wait_until

if TYPE_CHECKING:
    from subprocess import Popen

    from lab.node import Node

Row = dict[str, Any]
# A command that goes on until it gets SIGKILL, which is after 15 s, or from the test.
STUBBORN = "trap '' INT TERM; @ runs; while :; do sleep 0.1; done"


@pytest.fixture(scope="module")
def instance(node: Node) -> Survivor:
    """A daemon as it is shipped, that alice may ask, too."""
    survivor = Survivor(node)
    node.shell("useradd --groups clinit,systemd-journal alice")
    return survivor.start()


@pytest.fixture
def group(instance: Survivor) -> Group:
    """A group at level 1."""
    group = Group(instance)
    group.define(
        f"a:1:respawn:{RUN}", f"b:1:respawn:{RUN}", "test:1:test:[ ! -e /run/bad ]", f"c:2:respawn:{RUN}",
        f"stubborn:3:respawn:{STUBBORN}", "long:4:wait:exec sleep 1000",
    )  # fmt: skip
    assert group.switch("1") == "DONE"
    return group


def rows(group: Group, *options: str) -> list[Row]:
    """What history tells of a group, the last one last."""
    group.node.run("journalctl", "--sync")
    done = group.node.run("clinitctl", "history", "--json", *options, group.name)
    return json.loads(done.stdout)["requests"]  # type: ignore[no-any-return]


def line(group: Group) -> str:
    """The last line of the history of a group, as a person sees it."""
    group.node.run("journalctl", "--sync")
    return group.node.run("clinitctl", "history", group.name).stdout.splitlines()[-1]


def tags(group: Group, *names: str) -> list[str]:
    return [f"{group.name}.{name}" for name in names]


def ctl(group: Group, action: str, *names: str, user: str | None = None) -> int:
    return group.node.run("clinitctl", action, *tags(group, *names), check=False, user=user).returncode


def begin(group: Group, action: str, *names: str) -> Popen[bytes]:
    """`clinitctl ACTION TAG…`, which goes on meanwhile."""
    return group.node.popen("clinitctl", action, *tags(group, *names), stdout=DEVNULL, stderr=DEVNULL)


def is_stopping(group: Group) -> bool:
    """Whether the stubborn entry is being stopped."""
    return group.property("stubborn", "ActiveState") == "deactivating"


def kill(group: Group) -> None:
    """Have the stubborn entry end at once."""
    group.node.run("systemctl", "kill", "--signal=KILL", group.unit("stubborn"))


@pytest.fixture
def stubborn(group: Group) -> Group:
    """The group at level 3, with an entry that does not stop."""
    assert group.switch("3") == "DONE"
    wait_until(lambda: group.events() == ["runs"], what="it runs")
    return group


# Single entries


def test_a_restart(group: Group) -> None:
    """Who asked for it, for which entries, what came of it, and how long it took."""
    assert ctl(group, "restart", "b", "a", user="alice") == 0
    _, row = rows(group)
    said = line(group)

    assert (row["action"], row["entries"]) == ("restart", tags(group, "a", "b"))
    assert (row["origin"], row["level"]) == ("1", None), "it is at its level, and goes nowhere"
    assert (row["outcome"], row["state"], row["by"], row["user"]) == ("done", "DONE", "client", "alice")
    assert row["command"].endswith(f"clinitctl restart {group.name}.b {group.name}.a")
    assert row["pid"] > 1
    assert 0 < row["duration_usec"] < 60e6
    assert said.split()[2:7] == [group.name, "1", "restart", *tags(group, "a", "b")]
    assert said.split()[7] == "DONE"
    assert " alice[" in said


def test_a_restart_that_fails(group: Group) -> None:
    """The entry does not come up well, and so the group is FAILED."""
    group.node.write("/run/bad", "")
    try:
        assert ctl(group, "restart", "test") == 4
    finally:
        group.node.path("/run/bad").unlink()

    assert [(row["action"], row["outcome"], row["state"]) for row in rows(group)[1:]] == [
        ("restart", "failed", "FAILED")
    ]


def test_a_stop(group: Group) -> None:
    """It has done what was asked for, and the group is FAILED by it; that starts with the next request."""
    assert ctl(group, "stop", "a") == 0
    assert group.switch("1") == "DONE"
    _, stop, again = rows(group)

    assert (stop["action"], stop["entries"]) == ("stop", tags(group, "a"))
    assert (stop["outcome"], stop["state"]) == ("done", "FAILED")
    assert (again["action"], again["entries"], again["level"]) == ("level", [], "1")


def test_a_stop_as_text(group: Group) -> None:
    """It is not said to have FAILED: it has stopped what it was to stop."""
    assert ctl(group, "stop", "a") == 0

    assert line(group).split()[2:7] == [group.name, "1", "stop", *tags(group, "a"), "stopped"]


def test_what_is_refused(group: Group) -> None:
    """Before it is begun with: no such entry, one of another level, a group at work."""
    assert group.node.run("clinitctl", "stop", f"{group.name}:nosuch", check=False).returncode == 1
    call: Row = {"method": "org.clinit.Manager.Entries",
            "parameters": {"group": group.name, "action": "restart", "tags": ["nosuch", "nosuch"]}}  # fmt: skip
    varlink(group.node, call)
    assert ctl(group, "stop", "c") == 1
    group.request("4")
    group.wait_for("4 STARTING")
    assert ctl(group, "restart", "a") == 1
    refused = [row for row in rows(group) if row["outcome"] == "refused"]

    assert [(row["action"], row["entries"], row["reason"]) for row in refused] == [
        ("restart", ["nosuch"], "no-such-entry"),
        ("stop", tags(group, "c"), "not-in-level"),
        ("restart", tags(group, "a"), "on-its-way"),
    ]
    assert [row["duration_usec"] for row in refused] == [None, None, None]
    assert "refused (on-its-way)" in line(group)


def test_what_is_refused_of_a_group_that_is_not_there(instance: Survivor) -> None:
    """It is told by the name that was asked for."""
    parameters = {"group": "nosuch", "action": "stop", "tags": ["x"]}
    call: Row = {"method": "org.clinit.Manager.Entries", "parameters": parameters}
    varlink(instance.node, call)
    instance.node.run("journalctl", "--sync")
    (row,) = json.loads(instance.node.run("clinitctl", "history", "--json", "nosuch").stdout)["requests"]

    assert (row["action"], row["entries"], row["reason"]) == ("stop", ["x"], "no-such-group")


def test_what_cannot_be_carried_out(group: Group) -> None:
    """Systemd refuses to stop an entry, after that was begun with."""
    directory = f"/etc/systemd/system/{group.unit('a')}.d"
    group.node.write(f"{directory}/x.conf", "[Unit]\nRefuseManualStop=yes\n")
    group.node.run("systemctl", "daemon-reload")
    try:
        assert ctl(group, "stop", "a") == 1
    finally:
        group.node.shell(f"rm -r '{directory}'; systemctl daemon-reload")
    row = rows(group)[-1]

    assert (row["action"], row["entries"], row["outcome"]) == ("stop", tags(group, "a"), "refused")
    assert row["reason"] == "systemd-refuses"
    assert row["duration_usec"] > 0


def test_what_a_request_takes_over(stubborn: Group) -> None:
    """It is given up for a request for the group that comes later."""
    group = stubborn
    stop = begin(group, "stop", "stubborn")
    wait_until(lambda: is_stopping(group), what="it is stopped")
    assert [(row["outcome"], row["duration_usec"]) for row in rows(group)[2:]] == [("open", None)]
    assert "under way" in line(group)
    group.request("1")
    assert stop.wait() == 6
    kill(group)
    stopped, later = rows(group)[2:]

    assert (stopped["action"], stopped["outcome"], stopped["reason"]) == ("stop", "superseded", "later-request")
    assert later["level"] == "1"


# Requests whose daemon does not see their end


def test_a_daemon_that_is_killed(instance: Survivor, group: Group) -> None:
    """Its requests are given up, as far as is known, as soon as the next one serves; that one has its own."""
    group.request("4")
    group.wait_for("4 STARTING")
    assert rows(group)[-1]["outcome"] == "open"
    instance.kill_and_await()
    (row,) = rows(group)[1:]
    assert (row["level"], row["outcome"], row["state"], row["duration_usec"]) == ("4", "given-up", None, None)
    assert "given up: its daemon ended" in line(group)

    group.request("1")
    wait_until(lambda: rows(group)[-1]["outcome"] == "done", what="the later one has ended")
    assert [row["outcome"] for row in rows(group)] == ["done", "given-up", "done"]


def test_a_daemon_that_is_killed_between_stop_and_start(instance: Survivor, stubborn: Group) -> None:
    """The next one goes on, as another request: it is on nobody's account but an earlier daemon's."""
    group = stubborn
    group.define(f"stubborn:3:respawn:: ; {STUBBORN}", f"a:1:respawn:{RUN}")  # another line: it is emptied
    group.request("3")
    group.wait_for("3 STOPPING")
    instance.kill_and_await()
    kill(group)
    group.wait_for("3 DONE")
    wait_until(lambda: rows(group)[-1]["outcome"] == "done", what="the end is in the journal")

    assert [(row["by"], row["level"], row["outcome"]) for row in rows(group)[2:]] == [
        ("client", "3", "given-up"),
        ("resumed", "3", "done"),
    ]


def test_a_daemon_that_is_killed_while_an_entry_stops(instance: Survivor, stubborn: Group) -> None:
    """What is done to an entry is given up likewise."""
    group = stubborn
    restart = begin(group, "restart", "stubborn")
    wait_until(lambda: is_stopping(group), what="it is stopped")
    instance.kill_and_await()
    kill(group)
    assert restart.wait() == 3
    row = rows(group)[-1]

    assert (row["action"], row["entries"], row["outcome"]) == ("restart", tags(group, "stubborn"), "given-up")


def test_a_daemon_that_is_gone(instance: Survivor, group: Group) -> None:
    """Also if none has come after it; for each user."""
    group.request("4")
    group.wait_for("4 STARTING")
    instance.node.run("systemctl", "stop", "clinit.socket", "clinit.service")
    try:
        row = rows(group)[-1]
        shown = instance.node.run("clinitctl", "history", group.name, user="alice").stdout
    finally:
        instance.node.run("systemctl", "start", "clinit.service")

    assert (row["level"], row["outcome"]) == ("4", "given-up")
    assert "given up: its daemon ended" in shown.splitlines()[-1]


def test_a_user_who_does_not_see_the_daemon(group: Group) -> None:
    """Where processes of others are hidden, what is under way is not taken for given up."""
    group.request("4")
    group.wait_for("4 STARTING")
    group.node.run("journalctl", "--sync")
    group.node.run("mount", "-o", "remount,hidepid=invisible", "/proc")
    try:
        shown = group.node.run("clinitctl", "history", group.name, user="alice").stdout
    finally:
        group.node.run("mount", "-o", "remount,hidepid=off", "/proc")

    assert "under way" in shown.splitlines()[-1]


def test_requests_that_follow_each_other_quickly(stubborn: Group) -> None:
    """Each has its row, and all but the last one say what took over."""
    group = stubborn
    for level in ("2", "1", "2", "1"):
        group.request(level)
    kill(group)
    group.wait_for("1 DONE")
    wait_until(lambda: rows(group)[-1]["outcome"] == "done", what="the end is in the journal")

    assert [(row["level"], row["outcome"]) for row in rows(group)[2:]] == [
        *((level, "superseded") for level in ("2", "1", "2")), ("1", "done"),
    ]  # fmt: skip


def test_until_a_time_at_which_it_was_under_way(group: Group) -> None:
    """What came of a request is told also if that was later than the time that is asked for."""
    group.request("4")
    group.wait_for("4 STARTING")
    group.node.run("journalctl", "--sync")  # a line has the time at which it came to the journal
    time = group.node.run("date", "+%Y-%m-%d %H:%M:%S.%N").stdout.strip()
    group.request("1")
    group.wait_for("1 DONE")
    wait_until(lambda: rows(group)[-1]["outcome"] == "done", what="the end is in the journal")

    assert [(row["level"], row["outcome"]) for row in rows(group, "--until", time)] == [
        ("1", "done"), ("4", "superseded"),
    ]  # fmt: skip
    assert [row["level"] for row in rows(group, "--until", time, "-n", "1")] == ["4"]
    assert rows(group, "--until", "2001-01-01") == []


def test_a_beginning_that_is_gone(group: Group) -> None:
    """The lines that begin it have left the journal, and its end tells all."""
    group.request("4")
    group.wait_for("4 STARTING")
    group.node.run("journalctl", "--sync")
    group.node.shell("journalctl --rotate; journalctl --vacuum-files=1 --quiet")
    group.request("1")
    group.wait_for("1 DONE")
    wait_until(lambda: rows(group)[-1]["outcome"] == "done", what="the end is in the journal")
    lost, later = rows(group)

    assert (lost["level"], lost["origin"], lost["outcome"], lost["user"]) == ("4", "1", "superseded", "root")
    assert lost["began_usec"] < later["began_usec"]


def test_a_reboot_in_the_middle(fresh_node: Node) -> None:
    """Nothing that an earlier boot has begun is under way."""
    fresh_node.write("/etc/systemd/journald.conf.d/zz.conf", "[Journal]\nStorage=persistent\n")
    fresh_node.run("systemctl", "restart", "systemd-journald")
    fresh_node.run("journalctl", "--flush")
    instance = Survivor(fresh_node).start()
    group = Group(instance, "web")
    group.define(f"a:1:respawn:{RUN}", "long:2:wait:exec sleep 1000")
    assert group.switch("1") == "DONE"
    group.request("2")
    group.wait_for("2 STARTING")
    assert [row["outcome"] for row in rows(group)] == ["done", "open"]
    fresh_node.run("systemctl", "disable", "--now", "--quiet", "clinit.service", "clinit.socket")
    fresh_node.reboot()

    assert [row["outcome"] for row in rows(group)] == ["done", "given-up"]
    instance.start()
    assert group.switch("1") == "DONE"
    wait_until(lambda: rows(group)[-1]["outcome"] == "done", what="the end is in the journal")
    assert [row["outcome"] for row in rows(group)] == ["done", "given-up", "done"]
    group.request("2")
    group.wait_for("2 STARTING")
    fresh_node.reboot()  # with a daemon that may see how its groups are stopped
    assert rows(group)[-1]["outcome"] in {"given-up", "superseded"}


def test_a_halt_and_a_group_that_leaves_the_table(fresh_node: Node) -> None:
    """Each group has a row, with who has asked; a table that is read, and a halt of nothing, have none."""
    instance = Survivor(fresh_node).start()
    group = Group(instance, "web")
    group.define(f"a:1:respawn:{RUN}")
    assert group.switch("1") == "DONE"
    answered(instance.clinit(), code=0)
    group.define()
    answered(instance.clinit(), code=0)
    wait_until(lambda: "web" not in instance.clstat(), what="it is gone")
    group.define(f"a:1:respawn:{RUN}")
    assert group.switch("1") == "DONE"
    answered(instance.clinit("-k", "--wait"), code=0)
    shown = rows(group)

    assert [(row["action"], row["by"], row["outcome"], row["user"]) for row in shown] == [
        ("level", "client", "done", "root"), ("halt", "table", "stopped", "root"),
        ("level", "client", "done", "root"), ("halt", "halt", "stopped", "root"),
    ]  # fmt: skip
    assert line(group).split()[2:6] == ["web", "1", "(halt)", "stopped"]
