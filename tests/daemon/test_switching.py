"""Switching a group to a level, on a real systemd: what DESIGN and the ancestor promise, one scenario each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Group, Instance
from programs import RUN, deaf, polite, until_there

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node


@pytest.fixture(scope="module")
def instance(node: Node) -> Instance:
    """A daemon that all tests of this module share; each test has a group of its own."""
    return Instance(node).share()


@pytest.fixture
def group(instance: Instance) -> Iterator[Group]:
    """Give the test its own group, which is stopped at its end."""
    group = Group(instance)
    yield group
    group.define()
    instance.clinit()


@pytest.fixture
def other(instance: Instance) -> Iterator[Group]:
    """Give the test a second group."""
    group = Group(instance)
    yield group
    group.define()
    instance.clinit()


def test_nothing_is_started_before_everything_old_is_gone(group: Group) -> None:
    """A switch stops what the new level does not have, and only then starts what it has."""
    group.define(
        "a:1:respawn:" + polite(group.name, "a"), "b:1:respawn:" + polite(group.name, "b"), f"c:2:respawn:@ c up; {RUN}"
    )
    group.switch("1")
    wait_until(lambda: {"a up", "b up"} == set(group.events()))
    group.switch("2")
    wait_until(lambda: "c up" in group.events())

    assert group.events()[-1] == "c up"
    assert {"a gone", "b gone"} <= set(group.events()[:-1])


def test_old_entries_are_stopped_at_the_same_time(group: Group) -> None:
    """All entries that go are told to at once, not one after the other."""
    group.define(*(f"{tag}:1:respawn:" + polite(group.name, tag, 2) for tag in "abcd"))
    group.switch("1")
    wait_until(lambda: len(group.events()) == 4)
    group.switch("0")

    first_gone = min(group.event_time(f"{tag} gone") for tag in "abcd")
    assert all(group.event_time(f"{tag} stopping") < first_gone for tag in "abcd")


def test_entries_are_started_in_file_order(group: Group) -> None:
    """Entries of every mode are started in the order of the table, whatever their names."""
    tags = ["zz", "m", "b", "y", "a", "x", "c"]
    modes = ["respawn", "wait", "once", "test", "respawn", "once", "wait"]
    group.define(
        *(f"{tag}:1:{mode}:{RUN if mode == 'respawn' else 'true'}" for tag, mode in zip(tags, modes, strict=True))
    )
    group.switch("1")

    started = list(group.starts())
    assert tags == [tag for time, tag in sorted(started)]
    assert all(time > 0 for time, _ in started)


def test_a_wait_entry_holds_up_the_next_one(group: Group) -> None:
    """`wait` and `test` block the entries after them until they exit; `once` and `respawn` do not."""
    group.define(
        "slow:1:once:sleep 0.3; @ slow done",
        "first:1:wait:sleep 0.15; @ first done",
        "check:1:test:sleep 0.15; @ check done",
        "last:1:wait:@ last done",
    )
    group.switch("1")

    assert ["first done", "check done", "last done"] == [e for e in group.events() if e != "slow done"]
    wait_until(lambda: "slow done" in group.events())


def test_an_entry_of_both_levels_keeps_its_pid(group: Group) -> None:
    """An entry that the old and the new level share is not touched."""
    group.define(f"db:12:respawn:{RUN}", f"one:1:respawn:{RUN}", f"two:2:respawn:{RUN}", "init:12:wait:@ init ran")
    group.switch("1")
    pid = group.pid("db")
    group.switch("2")

    assert pid == group.pid("db")
    assert 0 == group.pid("one")
    assert pid != 0
    assert ["init ran"] == group.events()


def test_asking_again_reruns_nothing(group: Group) -> None:
    """A second request for the present level starts nothing that runs or has run, but for tests that failed."""
    group.define(
        "w:1:wait:@ w ran", "t:1:test:@ t ran; false", "o:1:once:@ o ran", f"r:1:respawn:@ r ran; {RUN}", "x:1:off:@ x"
    )
    group.switch("1", code=4)
    wait_until(lambda: len(group.events()) == 4)
    pid = group.pid("r")

    assert group.switch("1", code=4) == "FAILED"
    assert pid == group.pid("r")
    assert ["o ran", "r ran", "t ran", "t ran", "w ran"] == sorted(group.events())


def test_another_group_is_not_touched(group: Group, other: Group) -> None:
    """Switching one group leaves the pids, level and state of every other group alone."""
    group.define(f"a:1:respawn:{RUN}", f"b:2:respawn:{RUN}")
    other.define(f"a:1:respawn:{RUN}", f"b:1:once:{RUN}")
    group.switch("1")
    other.switch("1")
    pids = other.pid("a"), other.pid("b")
    for level in ("2", "1", "999", "1"):
        group.switch(level)

    assert pids == (other.pid("a"), other.pid("b"))
    assert other.status == "1 DONE"


def test_a_request_in_the_middle_of_a_start_takes_over(group: Group) -> None:
    """A request that comes while entries are being started replaces that switch."""
    group.define("slow:1:wait:@ slow began; sleep 60", f"never:1:respawn:@ never ran; {RUN}", f"two:2:respawn:{RUN}")
    group.request("1")
    wait_until(lambda: group.events() == ["slow began"])
    assert group.status == "1 STARTING"

    assert group.switch("2") == "DONE"
    assert group.pid("two") != 0
    assert group.property("slow", "ActiveState") == "inactive"
    assert ["slow began"] == group.events()


def test_a_request_in_the_middle_of_a_stop_takes_over(group: Group) -> None:
    """A request that comes while entries are being stopped replaces that switch."""
    slow = polite(group.name, "a", 3)
    group.define(f"a:1:respawn:{slow}", f"b:2:respawn:@ b up; {RUN}", f"c:3:respawn:@ c up; {RUN}")
    group.switch("1")
    wait_until(lambda: group.events() == ["a up"])
    group.request("2")
    assert group.status == "1 STOPPING"

    assert group.switch("3") == "DONE"
    wait_until(lambda: "c up" in group.events())
    assert ["a up", "a stopping", "a gone", "c up"] == group.events()


def test_there_and_back_in_quick_succession(group: Group) -> None:
    """1, 2, 1 in quick succession ends at level 1 with all of its entries, and nothing of level 2."""
    group.define(f"a:1:respawn:{RUN}", f"s:12:respawn:{RUN}", "w:12:wait:sleep 0.1", f"b:2:respawn:{RUN}")
    group.switch("1")
    shared = group.pid("s")
    for _ in range(5):
        group.request("2")
        group.request("1")
    group.wait_for("1 DONE")

    assert shared == group.pid("s")
    assert group.pid("a") != 0
    assert group.pid("b") == 0


def test_a_waiting_client_is_told_that_a_later_request_took_over(group: Group) -> None:
    """`--wait` ends with exit code 6 when a later request takes the group elsewhere."""
    group.define("slow:1:wait:sleep 60", f"two:2:respawn:{RUN}")
    waiting = group.node.popen("clinit", "--wait", group.name, "1")
    group.wait_for("1 STARTING")
    group.switch("2")

    assert waiting.wait(10) == 6


def test_a_failing_test_fails_the_group_and_later_entries_still_start(group: Group) -> None:
    """A `test` that exits with another code than 0 makes the group FAILED, once everything was started."""
    group.define("t:1:test:exit 3", f"w:1:wait:{until_there('/run/seen')}; @ w ran", f"r:1:respawn:{RUN}")
    group.request("1")
    group.wait_for("1 STARTING")
    group.node.write("/run/seen", "")
    group.wait_for("1 FAILED")

    assert ["w ran"] == group.events()
    assert group.pid("r") != 0


@pytest.mark.parametrize("command", ["kill -TERM $$", "kill -SEGV $$", "/no/such/program", "exec /etc/hostname"])
def test_a_test_that_does_not_exit_with_0_has_failed(group: Group, command: str) -> None:
    """Ended by a signal, not found, not executable: a `test` passes only by exiting with 0."""
    group.define(f"t:1:test:{command}")

    assert group.switch("1", code=4) == "FAILED"


def test_passed_means_that_all_entries_are_tests(group: Group) -> None:
    """A level of tests that all pass is PASSED; with any other entry beside them it is DONE; `off` does not count."""
    group.define("t:12:test:true", "u:12:test:test 1 = 1", "x:12:off:false", "w:2:wait:true")

    assert group.switch("1") == "PASSED"
    assert group.switch("2") == "DONE"
    assert group.switch("1") == "PASSED"


def test_the_exit_status_of_wait_and_once_is_ignored(group: Group) -> None:
    """How they end fails no group, as long as they could be executed."""
    group.define("w:1:wait:(exit 7)", "o:1:once:(exit 8)", "k:1:wait:kill -SEGV $$", "n:1:once:true; /no/such/program")

    assert group.switch("1") == "DONE"


@pytest.mark.parametrize("level", ["999", "stop", "0", "a-b", "%i", "lévél", "x@y", "a/b", "back\\slash", "-"])
def test_a_level_that_no_entry_names_stops_everything(group: Group, level: str) -> None:
    """Any name is a legal level; one that no entry names ends with nothing running, and DONE."""
    group.define(f"a:1:respawn:{RUN}", "b:1:once:sleep 1000", "c:1:wait:true")
    group.switch("1")
    done = group.instance.clinit("--wait", "--", group.name, level)

    answered(done, code=0, out=f"{group.name} {level} DONE\n")
    assert group.status == f"{level} DONE"
    states = {tag: group.property(tag, "ActiveState") for tag in "abc"}
    assert dict.fromkeys("abc", "inactive") == states


def test_between_levels_that_no_entry_names(group: Group) -> None:
    """Clstat names the level asked for last, also when none of several is named by an entry."""
    group.define(f"a:1:respawn:{RUN}")
    for level in ("998", "999", "998", "1", "998"):
        assert group.switch(level) == "DONE"
        assert group.status == f"{level} DONE"


def test_level_and_group_0(instance: Instance) -> None:
    """`0` is a name like any other, for a level and for a group."""
    group = Group(instance, "0")
    group.define(f"a:0:respawn:{RUN}", f"b:1:respawn:{RUN}")

    assert group.switch("0") == "DONE"
    assert instance.clstat()["0"] == "0 DONE"
    assert group.pid("a") != 0
    assert group.switch("1") == "DONE"
    assert 0 == group.pid("a")
    assert group.pid("b") != 0
    group.define()
    instance.clinit()


def test_levels_are_matched_literally(group: Group) -> None:
    """A level names an entry by the whole field, a comma-separated part, or a character; never as a pattern."""
    group.define("a:12:wait:@ a", "b:long1,long2,5:wait:@ b", "c:long3,:wait:@ c", "d:start:wait:@ d")
    ran = {}
    for level in ("1", "12", "2", "long2", "5", "l", "long3", "start", "s", ".", "long1,long2,5"):
        group.switch("nothing")
        before = len(group.events())
        group.switch(level)
        ran[level] = [event.strip() for event in group.events()[before:]]

    expected = {"1": ["a"], "12": ["a"], "2": ["a"], "long2": ["b"], "5": ["b"], "l": [], "long3": ["c"],
                "start": ["d"], "s": ["d"], ".": [], "long1,long2,5": ["b"]}  # fmt: skip
    assert expected == ran


def test_a_killed_respawn_comes_back(group: Group) -> None:
    """A `respawn` entry is started again whenever it exits, and the group stays DONE."""
    group.define(f"r:1:respawn:{RUN}")
    group.switch("1")
    pid = group.pid("r")
    group.node.run("kill", "-KILL", str(pid))
    wait_until(lambda: group.pid("r") not in {0, pid}, what="respawned")

    assert group.status == "1 DONE"


def test_grandchildren_are_stopped_too(group: Group) -> None:
    """Everything that an entry forked is stopped with it, also what has a session of its own."""
    group.define("r:1:respawn:setsid sleep 4242 & sleep 4243 & (sleep 4244 &) ; exec sleep 4245")
    group.switch("1")

    def count() -> int:
        return len(group.node.run("pgrep", "-f", "^sleep 424[2-5]", check=False).stdout.split())

    wait_until(lambda: count() == 4, what="all processes run")
    group.switch("0")
    assert count() == 0


def test_once_is_not_started_again_while_in_its_levels(group: Group) -> None:
    """A `once` entry that has ended is not started again until the group has left its levels."""
    group.define("o:12:once:@ o ran", "w:2:wait:true")
    group.switch("1")
    wait_until(lambda: group.events() == ["o ran"])
    group.switch("2")
    group.switch("1")
    assert group.events() == ["o ran"]
    group.switch("3")
    group.switch("1")
    wait_until(lambda: group.events() == ["o ran", "o ran"])


def test_off_is_never_started(group: Group) -> None:
    """An `off` entry is not started in its levels, and one that was started by hand is stopped by a switch."""
    group.define("x:1:off:@ x ran; sleep 1000", f"r:1:respawn:{RUN}")
    assert group.switch("1") == "DONE"
    assert group.events() == []
    group.node.run("systemctl", "start", "--no-block", group.unit("x"))
    wait_until(lambda: group.events() == ["x ran"])
    group.switch("1")

    assert group.property("x", "ActiveState") == "inactive"


def test_a_masked_test_fails_the_group(group: Group) -> None:
    """A `test` that cannot run has not passed."""
    group.define("t:1:test:true", f"r:1:respawn:{RUN}")
    group.node.run("systemctl", "mask", group.unit("t"))
    assert group.switch("1", code=4) == "FAILED"
    assert group.pid("r") != 0
    group.node.run("systemctl", "unmask", group.unit("t"))

    assert group.switch("1") == "DONE"


def test_an_entry_stopped_by_hand_is_started_by_the_next_request(group: Group) -> None:
    """What an admin stopped is down, and its group FAILED, until the level is asked for again."""
    group.define(f"r:1:respawn:{RUN}", f"s:1:respawn:{RUN}", "t:1:test:true")
    group.switch("1")
    pid = group.pid("s")
    group.node.run("systemctl", "stop", group.unit("r"), group.unit("t"))
    group.wait_for("1 FAILED")
    assert group.switch("1") == "DONE"

    assert group.pid("r") != 0
    assert pid == group.pid("s")


def test_an_entry_started_by_hand_is_stopped_by_the_next_request(group: Group) -> None:
    """Asking again for the present level stops what does not belong to it."""
    group.define(f"r:1:respawn:{RUN}", f"s:2:respawn:{RUN}")
    group.switch("1")
    group.node.run("systemctl", "start", group.unit("s"))
    assert group.switch("1") == "DONE"

    assert group.pid("s") == 0


def test_a_switch_by_systemctl_shows_in_clstat(group: Group) -> None:
    """An admin may start a level's target with plain systemctl; clstat tells of it like of any switch."""
    group.define(f"r:1:respawn:{RUN}", "t:2:test:false")
    group.switch("1")
    group.node.run("systemctl", "start", group.target("2"))
    group.wait_for("2 FAILED")
    group.node.run("systemctl", "start", group.target("777"))
    group.wait_for("777 DONE")
    group.node.run("systemctl", "start", group.target("1"))
    group.wait_for("1 DONE")

    assert group.pid("r") != 0


def test_isolate_spares_the_groups(group: Group) -> None:
    """`systemctl isolate multi-user.target` stops nothing of a group."""
    group.define(f"r:1:respawn:{RUN}", f"o:1:once:{RUN}", "w:1:wait:@ w ran")
    group.switch("1")
    pids = group.pid("r"), group.pid("o")
    group.node.run("systemctl", "isolate", "multi-user.target")

    assert pids == (group.pid("r"), group.pid("o"))
    assert group.status == "1 DONE"
    assert group.switch("1") == "DONE"
    assert group.events() == ["w ran"]


def test_stop_staging_does_not_degrade_the_machine(group: Group) -> None:
    """An entry that needs SIGTERM is stopped 5 s after SIGINT, and is not left as a failed unit."""
    group.define(f"r:1:respawn:{deaf()}")
    group.switch("1")
    group.instance.await_deaf(group.unit("r"), "INT")
    assert group.switch("0") == "DONE"

    assert group.property("r", "ActiveState") == "inactive"
    assert not group.node.run("systemctl", "--failed", "--plain", "--no-legend").stdout


def test_drop_ins_reach_entries_and_not_gates(group: Group) -> None:
    """A drop-in for all entries of all groups sets what it says, and switching works as ever."""
    directory = "/etc/systemd/system/clinit-.service.d"
    group.node.shell(
        f"mkdir -p {directory}; printf '[Service]\\nEnvironment=COLOUR=red\\nNice=5\\n' > {directory}/a.conf"
    )
    group.node.run("systemctl", "daemon-reload")
    group.define("w:1:wait:@ w $COLOUR", f"r:1:respawn:{RUN}")
    assert group.switch("1") == "DONE"
    group.node.shell(f"rm -r {directory}")
    group.node.run("systemctl", "daemon-reload")

    assert group.events() == ["w red"]


def test_names_with_any_characters(instance: Instance) -> None:
    """Groups, tags and levels may hold anything but blanks and colons, and stay apart."""
    first, second = Group(instance, "we-b/ü%n"), Group(instance, "we")
    first.define(f"a-b/c@d$e:prod/1,:respawn:{RUN}", "x\\y:prod/1,:wait:true")
    second.define(f"b@:prod/1,:respawn:{RUN}")
    assert first.switch("prod/1") == "DONE"
    assert second.switch("prod/1") == "DONE"
    first.switch("0")

    assert instance.clstat()["we-b/ü%n"] == "0 DONE"
    assert instance.clstat()["we"] == "prod/1 DONE"
    first.define()
    second.define()
    instance.clinit()


def test_an_entry_cannot_wait_for_its_own_group(group: Group) -> None:
    """`clinit --wait` from inside an entry of the same group would wait for itself: refused; a plain request is not."""
    waiting = f"clinit --wait {group.name} 2 > /run/self 2>&1; echo $? >> /run/self"
    group.define(f"w:1:wait:{waiting}; clinit {group.name} 2", "x:2:wait:true")
    group.request("1")
    group.wait_for("2 DONE")

    assert group.node.read("/run/self").endswith("would wait for itself\n1\n")
