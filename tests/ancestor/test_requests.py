"""A request, `clinit GROUP LEVEL`: what is stopped, what is kept, what is started, and in which order."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Group, Instance
from programs import RUN, polite, until_there

from cltab2systemd import events
from cltab2systemd.text import encoded
from lab.waiting import wait_until

if TYPE_CHECKING:
    import subprocess


def up(group: Group, *tags: str) -> None:
    """Wait until entries say that they are up."""
    wait_until(lambda: {f"{tag} up" for tag in tags} <= set(group.events()))


def test_the_answer_comes_before_the_transition_ends(group: Group) -> None:
    """`level transition started` is printed as soon as the transition has started, with exit code 0."""
    group.define("w:1:wait:sleep 60")
    group.request("1")
    answered_at = time.time()

    assert answered_at - group.instance.told_at(events.REQUESTED, group=group.name) < 2
    assert group.status == "1 STARTING"


def test_a_group_that_is_not_in_the_table(instance: Instance) -> None:
    """An unknown group is answered `no such group: GROUP`, with exit code 1, and gets no line in clstat."""
    done = instance.clinit("nobody", "1")

    answered(done, code=1, out="no such group: nobody\n")
    assert "nobody" not in instance.clstat()


def test_the_group_is_this_host_unless_named(instance: Instance) -> None:
    """`clinit LEVEL` is a request for the group that has the host's name."""
    group = Group(instance, instance.node.run("hostname").stdout.strip())
    group.define("w:1:wait:@ w")

    assert instance.clinit("1").stdout == "level transition started\n"
    group.wait_for("1 DONE")
    group.define()
    instance.clinit()


def test_what_the_new_level_does_not_have_is_stopped(group: Group) -> None:
    """Entries of the old level alone are gone after the switch, of whatever mode."""
    group.define(f"r:1:respawn:{RUN}", f"o:1:once:{RUN}", f"k:12:respawn:{RUN}", f"n:2:respawn:{RUN}")
    group.switch("1")
    kept = group.pid("k")
    group.switch("2")

    assert 0 == group.pid("r")
    assert 0 == group.pid("o")
    assert kept == group.pid("k")
    assert group.pid("n") != 0


def test_all_that_goes_is_told_at_once(group: Group) -> None:
    """Entries are stopped side by side, and not one after the other."""
    group.define(*(f"{tag}:1:respawn:{polite(group.name, tag, 3)}" for tag in "abc"))
    group.switch("1")
    up(group, *"abc")
    group.switch("2")

    assert {event.split()[1] for event in group.events()[3:6]} == {"stopping"}
    assert {event.split()[1] for event in group.events()[6:]} == {"gone"}


def test_nothing_is_started_before_the_last_is_gone(group: Group) -> None:
    """The first entry of the new level, of any mode, starts after the last of the old one has ended."""
    group.define(
        "n1:2:once:@ n1 up",
        "a:1:respawn:" + polite(group.name, "a"),
        "n2:2:wait:@ n2 up",
        "b:1:once:" + polite(group.name, "b"),
    )
    group.switch("1")
    up(group, "a", "b")
    group.switch("2")
    up(group, "n1", "n2")

    assert {"a gone", "b gone"} == {event for event in group.events()[:-2] if event.endswith("gone")}
    assert {"n1 up", "n2 up"} == set(group.events()[-2:])


def test_entries_are_started_in_the_files_order(group: Group) -> None:
    """The order of lines is the order of starts, across modes and whatever the tags."""
    modes = ["respawn", "wait", "once", "test", "respawn", "once", "wait", "respawn"]
    group.define(
        *(f"{tag}:1:{mode}:{RUN if mode == 'respawn' else 'true'}" for tag, mode in zip("zaybxcwd", modes, strict=True))
    )
    group.switch("1")

    assert "zaybxcwd" == "".join(tag for _, tag in sorted(group.starts()))


def test_other_groups_lines_in_between_do_not_matter(instance: Instance, group: Group, other: Group) -> None:
    """A group's lines may be scattered over the table."""
    lines = [
        f"{each.name}:{each.name}.{tag}:1:wait:event {each.name} {tag}"
        for tag in "cab"
        for each in (group, other)
    ]  # fmt: skip
    instance.write_table(instance.table + "\n".join(lines) + "\n")
    assert group.switch("1") == "DONE"

    assert ["c", "a", "b"] == group.events()
    assert [] == other.events()


def test_wait_and_test_hold_up_the_next(group: Group) -> None:
    """An entry after a `wait` or a `test` is started when that has exited."""
    group.define("w:1:wait:sleep 0.3; @ w over", "t:1:test:@ t up; sleep 0.3; @ t over", "l:1:wait:@ l up")
    group.switch("1")

    assert group.events() == ["w over", "t up", "t over", "l up"]


def test_once_and_respawn_do_not_hold_up_the_next(group: Group) -> None:
    """An entry after a `once` or a `respawn` is started while they run."""
    group.define(f"o:1:once:{RUN}", f"r:1:respawn:{RUN}", "l:1:wait:@ l up")
    group.switch("1")

    assert group.events() == ["l up"]
    assert 0 not in {group.pid("o"), group.pid("r")}


def test_the_exit_status_of_wait_is_ignored(group: Group) -> None:
    """A `wait` that fails or is killed neither fails the group nor stops others; one that cannot be run at all does."""
    group.define("a:1:wait:false", "b:1:wait:kill -KILL $$", "c:2:wait:/no/such/program", "d:12:wait:@ d")

    assert group.switch("1") == "DONE"
    assert group.events() == ["d"]
    assert group.switch("2", code=4) == "FAILED"


def test_a_failed_test_fails_the_group_and_stops_nothing(group: Group) -> None:
    """A `test` that exits with non-zero marks the group FAILED, and what comes after it is started."""
    group.define("t:1:test:exit 1", "w:1:wait:@ w", f"r:1:respawn:{RUN}", "u:1:test:true")

    assert group.switch("1", code=4) == "FAILED"
    assert ["w"] == group.events()
    assert group.pid("r") != 0


def test_passed_takes_tests_only(group: Group) -> None:
    """A level all of whose entries are tests that pass is PASSED; with anything else it is DONE."""
    group.define("t:123:test:true", "u:123:test:true", "o:2:once:true", "x:3:off:true")

    assert [group.switch(level) for level in "123"] == ["PASSED", "DONE", "PASSED"]


def test_once_runs_once_while_the_group_stays_in_its_levels(group: Group) -> None:
    """A `once` that ended is not started by a switch to another of its levels, only after its levels were left."""
    group.define("o:12:once:@ o")
    for level in ("1", "2", "1", "1"):
        group.switch(level)
    wait_until(lambda: group.events() == ["o"])
    group.switch("3")
    group.switch("2")
    wait_until(lambda: group.events() == ["o", "o"])


def test_what_ran_is_not_run_again_while_its_level_is_kept(group: Group) -> None:
    """Wait and test entries of both levels are not rerun by the switch between them; after another level they are."""
    group.define("w:12:wait:@ w", "t:12:test:@ t; false")
    assert group.switch("1", code=4) == "FAILED"
    assert group.switch("2", code=4) == "FAILED"
    assert group.events() == ["w", "t"]
    assert group.switch("3") == "DONE"
    assert group.switch("1", code=4) == "FAILED"

    assert group.events() == ["w", "t", "w", "t"]


def test_off_is_never_started(group: Group) -> None:
    """An `off` entry does not start, and a level with nothing else is DONE."""
    group.define("x:12:off:@ x", "t:2:test:true")

    assert group.switch("1") == "DONE"
    assert group.switch("2") == "PASSED"
    assert group.events() == []


def test_an_entry_of_both_levels_keeps_its_pid(group: Group) -> None:
    """What the old and the new level share runs on, through any number of switches."""
    group.define(f"s:12:respawn:{RUN}", f"o:12:once:{RUN}", f"a:1:respawn:{RUN}", f"b:2:respawn:{RUN}")
    group.switch("1")
    pids = group.pid("s"), group.pid("o")
    for level in "2121":
        group.switch(level)

    assert pids == (group.pid("s"), group.pid("o"))


def test_asking_again_starts_nothing_that_ran(group: Group) -> None:
    """A request for the present level leaves what runs and what has run alone."""
    group.define(f"r:1:respawn:@ r; {RUN}", "o:1:once:@ o", "w:1:wait:@ w", "t:1:test:@ t")
    group.switch("1")
    wait_until(lambda: len(group.events()) == 4)
    pid = group.pid("r")
    for _ in range(3):
        assert group.switch("1") == "DONE"

    assert 4 == len(group.events())
    assert pid == group.pid("r")


def test_asking_again_in_the_middle_restarts_nothing(group: Group) -> None:
    """A second request for the level that is being started lets a running `wait` go on, and does not run it twice."""
    go = f"/run/{group.name}.go"
    group.define(f"w:1:wait:@ begin; {until_there(go)}; @ end", "l:1:wait:@ l")
    group.request("1")
    wait_until(lambda: group.events() == ["begin"])
    group.request("1")
    group.node.write(go, "")
    assert group.switch("1") == "DONE"

    assert group.events() == ["begin", "end", "l"]


def test_a_request_in_the_middle_of_a_start_replaces_it(group: Group) -> None:
    """A running `wait` of the replaced level is stopped, what came after it never starts, the new level does."""
    group.define("w:1:wait:@ w; sleep 60", "n:1:once:@ never", "two:2:wait:@ two")
    group.request("1")
    wait_until(lambda: group.events() == ["w"])
    assert group.switch("2") == "DONE"

    assert group.events() == ["w", "two"]


def test_a_shared_wait_goes_on_when_the_request_is_replaced(group: Group) -> None:
    """A running `wait` that the replacing level has too is kept, and runs once."""
    go = f"/run/{group.name}.go"
    group.define(f"w:12:wait:@ begin; {until_there(go)}; @ end", "a:1:wait:@ one", "b:2:wait:@ two")
    group.request("1")
    wait_until(lambda: group.events() == ["begin"])
    group.request("2")
    group.node.write(go, "")
    assert group.switch("2") == "DONE"

    assert group.events() == ["begin", "end", "two"]


def test_a_request_in_the_middle_of_a_stop_replaces_it(group: Group) -> None:
    """Old entries that are going are waited for, and then the last request's level starts, not the one between."""
    group.define("a:1:respawn:" + polite(group.name, "a", 3), "two:2:wait:@ two", "three:3:wait:@ three")
    group.switch("1")
    up(group, "a")
    group.request("2")
    assert group.switch("3") == "DONE"

    assert group.events() == ["a up", "a stopping", "a gone", "three"]


def test_back_to_the_old_level_in_the_middle_of_a_stop(group: Group) -> None:
    """An entry that is going when its level is asked for again ends first, and is then started anew."""
    group.define("a:1:respawn:" + polite(group.name, "a", 3), "two:2:wait:@ two")
    group.switch("1")
    up(group, "a")
    group.request("2")
    wait_until(lambda: "a stopping" in group.events())
    assert group.switch("1") == "DONE"
    wait_until(lambda: group.events().count("a up") == 2)

    assert group.events() == ["a up", "a stopping", "a gone", "a up"]


def test_groups_switch_side_by_side(group: Group, other: Group) -> None:
    """A group that waits for something does not hold up another."""
    group.define("w:1:wait:sleep 60; @ w")
    other.define("w:1:wait:@ w")
    group.request("1")
    assert other.switch("1") == "DONE"

    assert other.took("1") < 2
    assert group.status == "1 STARTING"
    assert group.events() == []


def test_a_switch_touches_no_other_group(group: Group, other: Group) -> None:
    """Switches of one group, to levels with and without entries, change nothing of another."""
    for each in (group, other):
        each.define(f"a:1:respawn:{RUN}", f"b:1:once:{RUN}", f"c:2:respawn:{RUN}")
        each.switch("1")
    pids = other.pid("a"), other.pid("b")
    for level in ("2", "999", "1"):
        group.switch(level)

    assert pids == (other.pid("a"), other.pid("b"))
    assert 0 == other.pid("c")
    assert "1 DONE" == other.status


def test_a_level_that_no_entry_names(group: Group) -> None:
    """Any name is a legal level; one that no entry names stops everything, and is DONE."""
    group.define(f"a:1:respawn:{RUN}", f"b:1:once:{RUN}")
    for level in ("999", "stop", "a/b", "Stufe-Ü"):
        group.switch("1")
        assert group.switch(level) == "DONE"
        assert f"{level} DONE" == group.status
        assert 0 == group.pid("a")
        assert 0 == group.pid("b")


def test_level_0(group: Group) -> None:
    """`0` is a level like any other."""
    group.define(f"a:0:respawn:{RUN}", f"b:01:respawn:{RUN}")
    assert group.switch("0") == "DONE"
    pid = group.pid("b")
    assert group.pid("a") != 0
    assert "0 DONE" == group.status
    group.switch("1")

    assert 0 == group.pid("a")
    assert pid == group.pid("b")


@pytest.mark.parametrize(
    ("levels", "named", "not_named"),
    [
        ("12", ["1", "2", "12"], ["21", "3", "."]),
        ("long1,long2,5", ["long1", "long2", "5", "long1,long2,5"], ["l", "long", "1", ","]),
        ("long3,", ["long3", "long3,"], ["l", "o", "3"]),
        ("start", ["start", "s", "t", "a", "r"], ["star", "st", "."]),
        (".*", [".*", ".", "*"], ["1", "x", "a.*"]),
    ],
)
def test_which_levels_an_entry_is_in(group: Group, levels: str, named: list[str], not_named: list[str]) -> None:
    """A level is named by the whole field, by a part between commas, or without commas by a character; literally."""
    group.define(f"e:{levels}:wait:@ ran")
    ran = []
    for level in [*named, *not_named]:
        group.switch("nothing-here")
        before = len(group.events())
        group.switch(level)
        if len(group.events()) > before:
            ran.append(level)

    assert ran == named


@pytest.mark.parametrize("blank", [" ", "a b", "a\tb", "a\nb"])
def test_blanks_in_a_level_are_refused(group: Group, blank: str) -> None:
    """A level with a blank, which would break clstat, is refused and changes nothing."""
    group.define(f"a:1:respawn:{RUN}")
    group.switch("1")
    done = group.instance.clinit(group.name, blank)

    answered(done, code=1)
    assert "1 DONE" == group.status


def test_a_killed_entry_does_not_change_the_state(group: Group) -> None:
    """A `once` that is killed, and a `respawn` that comes back, leave the group DONE."""
    group.define(f"o:1:once:{RUN}", f"r:1:respawn:{RUN}")
    group.switch("1")
    pids = group.pid("o"), group.pid("r")
    group.node.run("kill", "-KILL", *map(str, pids))
    wait_until(lambda: group.pid("r") not in {0, pids[1]})

    assert "1 DONE" == group.status
    assert 0 == group.pid("o")


def test_many_requests_at_once(group: Group) -> None:
    """Of twenty requests for one group at the same time one is the last, and the group ends at its level, whole."""
    group.define(f"a:1:respawn:{RUN}", f"b:2:respawn:{RUN}", f"c:3:respawn:{RUN}", f"s:123:respawn:{RUN}")
    group.switch("1")
    shared = group.pid("s")
    clients: list[subprocess.Popen[bytes]] = [
        group.node.popen("clinit", group.name, level) for level in ["1", "2", "3", "2"] * 5
    ]
    for client in clients:
        client.wait(30)
    wait_until(lambda: group.status in {"1 DONE", "2 DONE", "3 DONE"})
    level = group.status.split()[0]

    runs = {tag: group.pid(tag) != 0 for tag in "abc"}
    assert runs == {tag: level == number for tag, number in zip("abc", "123", strict=True)}
    assert shared == group.pid("s")


@pytest.mark.parametrize(
    ("words", "arrived"),
    [
        ("a:b::c", b"a:b::c"),
        ("a #b  c", b"a\n#b\nc"),
        ("$(( 6 * 7 )) 'it''s' \"q  q\"; false", b"42\nits\nq  q"),
        ("100%n %% %i %", b"100%n\n%%\n%i\n%"),
        ("$PPID | cat", b"1"),
        ("back\\\\slash \\$HOME", b"back\\slash\n$HOME"),
        ("caf\udce9 \udcff", b"caf\xe9\n\xff"),
        ("grüße 日本", "grüße\n日本".encode()),
    ],
)
def test_a_command_runs_as_perl_would_run_it(group: Group, words: str, arrived: bytes) -> None:
    """Colons, `#`, `$$`, quotes, pipes, `%`, backslashes and any bytes reach the command as the table has them."""
    path = f"/run/{group.name}.words"
    group.node.write("/usr/local/bin/words", "#!/bin/sh\nfile=$1; shift; printf '%s\\n' \"$@\" >$file\n", mode=0o755)
    line = f"{group.name}:{group.name}.c:1:wait:words {path} {words}\n"
    group.instance.write_table(encoded(group.instance.table + line))
    assert group.switch("1") == "DONE"

    assert group.node.read_bytes(path) == arrived + b"\n"


def test_a_carriage_return_at_the_end_of_a_line(group: Group) -> None:
    """A table that was written on Windows runs: the carriage return is dropped as a blank."""
    group.instance.write_table(group.instance.table + f"{group.name}:{group.name}.c:1:wait:touch /run/{group.name}\r\n")
    assert group.switch("1") == "DONE"

    assert group.node.exists(f"/run/{group.name}")


def test_comments_and_blank_lines(group: Group) -> None:
    """`#` in the first column and empty lines are skipped; a `#` anywhere else is none of a comment."""
    text = f"# a:b:c\n\n#\n{group.name}:{group.name}.#:1:wait:event {group.name} ran # yes\n\n"
    group.instance.write_table(group.instance.table + text)
    assert group.switch("1") == "DONE"

    assert group.events() == ["ran # yes"]
