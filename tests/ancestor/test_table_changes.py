"""A changed table: what it does to what runs, group by group, each at its own next request."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from instance import Group, Instance
from programs import RUN, RUN_NEW, deaf, polite

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


def push(instance: Instance, *lines: str) -> None:
    """Push a table with these lines besides those of the groups."""
    instance.write_table(instance.table + "".join(f"{line}\n" for line in lines))


def pid_of(instance: Instance, group: Group, tag: str) -> int:
    """The pid of an entry whose tag stands in the table as it is here."""
    return instance.main_pid(f"clinit-{group.name}@{tag}.service")


def argv(group: Group, tag: str) -> str:
    """The command line that an entry runs as."""
    return group.node.read(f"/proc/{group.pid(tag)}/cmdline").replace("\0", " ").strip()


def _nothing(instance: Instance, change: Callable[[], None]) -> None:
    change()


def _killed(instance: Instance, change: Callable[[], None]) -> None:
    change()
    instance.kill("KILL")
    instance.start()


def _terminated(instance: Instance, change: Callable[[], None]) -> None:
    change()
    instance.kill("TERM")
    instance.start()


def _down(instance: Instance, change: Callable[[], None]) -> None:
    instance.kill("KILL")
    change()
    instance.start()


# What happens to the daemon between a change of the table and the request that gives it effect.
meanwhile = pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param(_nothing, id="daemon-serves"),
        pytest.param(_killed, id="daemon-killed"),
        pytest.param(_terminated, id="daemon-terminated"),
        pytest.param(_down, id="daemon-down"),
    ],
)


def test_a_changed_command_is_stopped_gracefully_and_started_anew(group: Group) -> None:
    """An entry with another command is stopped under its old definition, and only then started under the new one."""
    group.define("a:1:respawn:" + polite(group.name, "old"))
    group.switch("1")
    wait_until(lambda: group.events() == ["old up"])
    group.define("a:1:respawn:" + polite(group.name, "new"))
    assert group.switch("1") == "DONE"
    wait_until(lambda: "new up" in group.events())

    assert group.events() == ["old up", "old stopping", "old gone", "new up"]


def test_a_changed_command_waits_for_the_groups_own_request(group: Group) -> None:
    """Between the push and the request nothing of the group changes."""
    group.define(f"a:1:respawn:{RUN}")
    group.switch("1")
    pid = group.pid("a")
    group.define(f"a:1:respawn:{RUN_NEW}")
    group.instance.clinit()
    time.sleep(0.3)
    assert pid == group.pid("a")
    assert "sleep 1000" == argv(group, "a")
    group.switch("1")
    wait_until(lambda: argv(group, "a") == "sleep 2000")

    assert pid != group.pid("a")


def test_a_changed_wait_is_run_again(group: Group) -> None:
    """A `wait`, `test` or `once` entry that has run counts as not run when its command changed."""
    group.define("w:1:wait:@ w 1", "t:1:test:@ t 1", "o:1:once:@ o 1", "k:1:wait:@ k 1")
    group.switch("1")
    wait_until(lambda: len(group.events()) == 4)
    group.define("w:1:wait:@ w 2", "t:1:test:@ t 2; false", "o:1:once:@ o 2", "k:1:wait:@ k 1")
    assert group.switch("1", code=4) == "FAILED"
    wait_until(lambda: len(group.events()) == 7)

    assert sorted(group.events()[4:]) == ["o 2", "t 2", "w 2"]


@pytest.mark.parametrize(
    ("old", "new"), [("respawn", "once"), ("once", "respawn"), ("wait", "test"), ("test", "wait"), ("wait", "once")]
)
def test_a_changed_mode_is_started_anew(group: Group, old: str, new: str) -> None:
    """An entry whose mode alone changed is stopped and started too."""
    command = f"@ ran; {RUN}" if "respawn" in {old, new} else "@ ran"
    group.define(f"a:1:{old}:{command}")
    group.switch("1")
    wait_until(lambda: group.events() == ["ran"])
    pid = group.pid("a")
    group.define(f"a:1:{new}:{command}")
    assert group.switch("1") == ("PASSED" if new == "test" else "DONE")
    wait_until(lambda: group.events() == ["ran", "ran"])

    if pid:
        assert group.pid("a") not in {0, pid}


def test_what_did_not_change_is_never_restarted(group: Group, other: Group) -> None:
    """Comments, blank lines, other groups and the order of lines are no change of an entry, nor is asking again."""
    lines = [f"r:1:respawn:@ r; {RUN}", f"o:1:once:@ o; {RUN}", "w:1:wait:@ w", "t:1:test:@ t"]
    group.define(*lines)
    group.switch("1")
    wait_until(lambda: len(group.events()) == 4)
    pids = group.pid("r"), group.pid("o")
    group.define(*reversed(lines))
    other.define(f"x:1:respawn:{RUN}")
    push(group.instance, "# a comment", "", ":::remark:new")
    other.switch("1")
    assert group.switch("1") == "DONE"
    push(group.instance)
    assert group.switch("1") == "DONE"

    assert pids == (group.pid("r"), group.pid("o"))
    assert len(group.events()) == 4


def test_a_deleted_entry_is_stopped_at_the_next_request(group: Group) -> None:
    """An entry that left the table runs on until its group's next request, and is stopped gracefully then."""
    group.define(f"a:1:respawn:{RUN}", "b:1:respawn:" + polite(group.name, "b"))
    group.switch("1")
    wait_until(lambda: group.events() == ["b up"])
    kept, deleted = group.pid("a"), group.pid("b")
    group.define(f"a:1:respawn:{RUN}")
    group.instance.clinit()
    assert deleted == group.pid("b")
    group.switch("1")

    assert group.events() == ["b up", "b stopping", "b gone"]
    assert kept == group.pid("a")
    assert not group.node.exists(f"/proc/{deleted}")


def test_a_new_entry_of_the_present_level_is_started(group: Group) -> None:
    """Asking again starts what is new in the table, wherever in the file it stands, and nothing else."""
    group.define(f"a:1:respawn:{RUN}", "w:1:wait:@ w")
    group.switch("1")
    pid = group.pid("a")
    group.define(
        "n:1:wait:sleep 0.2; @ n", f"a:1:respawn:{RUN}", f"m:1:respawn:@ m; {RUN}", "w:1:wait:@ w", "z:2:wait:@ z"
    )
    group.switch("1")
    wait_until(lambda: len(group.events()) == 3)

    assert group.events() == ["w", "n", "m"]
    assert pid == group.pid("a")


def test_new_levels_alone_restart_nothing(group: Group) -> None:
    """An entry of which only the levels changed keeps its pid, and the new levels count from then on."""
    group.define(f"a:1:respawn:{RUN}", "w:1:wait:@ w", f"b:12:respawn:{RUN}")
    group.switch("1")
    pids = group.pid("a"), group.pid("b")
    group.define(f"a:12:respawn:{RUN}", "w:1,two,2:wait:@ w", f"b:1:respawn:{RUN}")
    assert group.switch("1") == "DONE"
    assert pids == (group.pid("a"), group.pid("b"))
    assert group.switch("2") == "DONE"

    assert pids[0] == group.pid("a")
    assert 0 == group.pid("b")
    assert group.events() == ["w"]


def test_an_entry_that_lost_the_present_level_is_stopped(group: Group) -> None:
    """When the present level is taken from an entry, asking again for that level stops it."""
    group.define(f"a:1:respawn:{RUN}", f"b:12:respawn:{RUN}")
    group.switch("1")
    pid = group.pid("a")
    group.define(f"a:1:respawn:{RUN}", f"b:2:respawn:{RUN}")
    assert group.switch("1") == "DONE"

    assert pid == group.pid("a")
    assert 0 == group.pid("b")


def test_a_changed_entry_of_another_level_restarts_nothing(group: Group) -> None:
    """A change of what the present level does not have is of no consequence until it is asked for."""
    group.define(f"a:1:respawn:{RUN}", "b:2:wait:@ old")
    group.switch("1")
    pid = group.pid("a")
    group.define(f"a:1:respawn:{RUN}", "b:2:wait:@ new")
    group.switch("1")
    assert pid == group.pid("a")
    assert [] == group.events()
    group.switch("2")

    assert group.events() == ["new"]


def test_a_renamed_tag_is_another_entry(group: Group) -> None:
    """The same command under another tag: the old entry is stopped before the new one is started."""
    group.define("a:1:respawn:" + polite(group.name, "x"))
    group.switch("1")
    wait_until(lambda: group.events() == ["x up"])
    group.define("b:1:respawn:" + polite(group.name, "x"))
    group.switch("1")
    wait_until(lambda: len(group.events()) == 4)

    assert group.events() == ["x up", "x stopping", "x gone", "x up"]
    assert 0 == group.pid("a")
    assert group.pid("b") != 0


def test_off_stops_and_taking_it_back_starts(group: Group) -> None:
    """An entry set to `off` is stopped at the next request; set back, it is started at the one after."""
    group.define(f"a:1:respawn:{RUN}", "b:1:respawn:" + polite(group.name, "b"))
    group.switch("1")
    wait_until(lambda: group.events() == ["b up"])
    pid = group.pid("a")
    group.define(f"a:1:respawn:{RUN}", "b:1:off:" + polite(group.name, "b"))
    assert group.switch("1") == "DONE"
    assert group.events() == ["b up", "b stopping", "b gone"]
    assert group.pid("b") == 0
    group.define(f"a:1:respawn:{RUN}", "b:1:respawn:" + polite(group.name, "b"))
    assert group.switch("1") == "DONE"
    wait_until(lambda: len(group.events()) == 4)

    assert pid == group.pid("a")


def test_other_active_groups_keep_their_old_lines(group: Group, other: Group) -> None:
    """A group with changes keeps its lines, pids and units through other groups' requests, also when it respawns."""
    for each in (group, other):
        each.define(f"a:1:respawn:{RUN}", f"gone:1:once:{RUN}")
        each.switch("1")
    pids = other.pid("a"), other.pid("gone")
    for each in (group, other):
        each.define(f"a:1:respawn:{RUN_NEW}", f"new:1:respawn:{RUN}")
    unit = group.node.run("systemctl", "cat", other.unit("a")).stdout
    assert group.switch("1") == "DONE"
    wait_until(lambda: argv(group, "a") == "sleep 2000")

    assert pids == (other.pid("a"), other.pid("gone"))
    assert "1 DONE" == other.status
    assert unit == group.node.run("systemctl", "cat", other.unit("a")).stdout
    group.node.run("kill", "-KILL", str(pids[0]))
    wait_until(lambda: other.pid("a") not in {0, pids[0]})
    wait_until(lambda: argv(other, "a") == "sleep 1000")
    assert other.switch("1") == "DONE"
    wait_until(lambda: argv(other, "a") == "sleep 2000")
    assert 0 == other.pid("gone")
    assert other.pid("new") != 0


@meanwhile
def test_all_kinds_of_change_at_once(
    group: Group, other: Group, meanwhile: Callable[[Instance, Callable[[], None]], None]
) -> None:
    """Changed, deleted, new, off, re-levelled and untouched entries in one push, whatever happens to the daemon."""
    instance = group.instance
    group.define(
        f"same:1:respawn:{RUN}",
        "changed:1:respawn:" + polite(group.name, "old"),
        "deleted:1:respawn:" + polite(group.name, "deleted"),
        "off:1:respawn:" + polite(group.name, "off"),
        f"levels:1:respawn:{RUN}",
        "ran:1:wait:@ ran",
    )
    other.define(f"a:1:respawn:{RUN}")
    group.switch("1")
    other.switch("1")
    wait_until(lambda: len(group.events()) == 4)
    pids = group.pid("same"), group.pid("levels"), other.pid("a")
    before = group.events()

    def change() -> None:
        other.define(f"a:1:respawn:{RUN_NEW}")
        group.define(
            f"same:1:respawn:{RUN}",
            "changed:1:respawn:" + polite(group.name, "new"),
            "off:1:off:" + polite(group.name, "off"),
            f"levels:13:respawn:{RUN}",
            "ran:1:wait:@ ran",
            f"new:1:respawn:@ added; {RUN}",
        )

    meanwhile(instance, change)
    assert before == group.events()
    assert "1 DONE" == group.status
    assert pids == (group.pid("same"), group.pid("levels"), other.pid("a"))
    assert group.switch("1") == "DONE"
    wait_until(lambda: len(group.events()) == 12)

    events = group.events()[4:]
    assert sorted(events[:6]) == sorted(
        f"{tag} {what}" for tag in ("deleted", "off", "old") for what in ("stopping", "gone")
    )
    assert sorted(events[6:]) == ["added", "new up"]
    assert pids == (group.pid("same"), group.pid("levels"), other.pid("a"))
    other.switch("1")
    wait_until(lambda: argv(other, "a") == "sleep 2000")


def test_entries_that_had_to_be_made_to_go_leave_nothing_failed(group: Group, other: Group) -> None:
    """One that left the table, and one that moved to another group, both deaf to SIGINT, are no failed units then."""
    push(group.instance, f"{group.name}:d1:1:respawn:{deaf()}", f"{group.name}:d2:1:respawn:{deaf()}")
    group.switch("1")
    for tag in ("d1", "d2"):
        group.instance.await_deaf(f"clinit-{group.name}@{tag}.service", "INT")
    push(group.instance, f"{group.name}:keep:1:respawn:{RUN}", f"{other.name}:d2:1:respawn:{RUN}")
    other.switch("1")
    group.switch("1")

    assert failed_of(group) == ""


def failed_of(group: Group) -> str:
    """What `systemctl --failed` shows of a group."""
    shown = ("systemctl", "list-units", "--failed", "--plain", "--no-legend", f"clinit-{group.name}@*")
    return group.node.run(*shown).stdout


def test_entries_that_failed_and_left_the_table_leave_nothing_failed(group: Group) -> None:
    """What failed by itself is no failed unit any more when its line is gone, or is another one."""
    gone = f"{group.name}:f1:1:wait:sleep 5\n:::service.f1:TimeoutStartSec=200ms"
    push(group.instance, f"{group.name}:keep:1:respawn:{RUN}", gone, f"{group.name}:f2:1:test:false")
    group.switch("1", code=4)
    assert "f1" in failed_of(group)
    push(group.instance, f"{group.name}:keep:1:respawn:{RUN}", f"{group.name}:f2:1:test:true")
    assert group.switch("1") == "DONE"
    assert failed_of(group) == ""


def test_entries_that_were_made_to_go_while_no_daemon_looked_leave_nothing_failed(group: Group) -> None:
    """So if the daemon was killed meanwhile, and the next one finds them gone."""
    keep = f"{group.name}:keep:1:respawn:{RUN}"
    unit = f"clinit-{group.name}@d1.service"
    push(group.instance, keep, f"{group.name}:d1:1:respawn:{deaf()}")
    group.switch("1")
    group.instance.await_deaf(unit, "INT")
    push(group.instance, keep)
    group.request("1")
    wait_until(lambda: group.instance.properties(unit, "ActiveState")["ActiveState"] == "deactivating")
    group.instance.kill()
    wait_until(lambda: group.instance.properties(unit, "ActiveState")["ActiveState"] == "failed")
    group.instance.start()
    group.wait_for("1 DONE")
    assert failed_of(group) == ""


@meanwhile
def test_a_moved_entry_is_stopped_in_its_old_group_first(
    group: Group, other: Group, meanwhile: Callable[[Instance, Callable[[], None]], None]
) -> None:
    """An entry that moved to another group never runs in both: it is gone from the old one before the new starts it."""
    instance, tag = group.instance, f"{group.name}.moved"
    stays = f"{group.name}:{group.name}.stays:1:respawn:{RUN}"
    command = polite(group.name, "m")
    push(instance, stays, f"{group.name}:{tag}:1:respawn:{command}", f"{other.name}:{other.name}.o:1:respawn:{RUN}")
    group.switch("1")
    wait_until(lambda: group.events() == ["m up"])
    pid, stayed = pid_of(instance, group, tag), group.pid("stays")
    other.switch("2")

    def change() -> None:
        push(instance, stays, f"{other.name}:{other.name}.o:1:respawn:{RUN}", f"{other.name}:{tag}:1:respawn:{command}")

    meanwhile(instance, change)
    assert pid == pid_of(instance, group, tag)
    assert ["m up"] == group.events()
    assert other.switch("1") == "DONE"
    wait_until(lambda: len(group.events()) == 4)

    assert group.events() == ["m up", "m stopping", "m gone", "m up"]
    assert pid_of(instance, group, tag) == 0
    assert pid_of(instance, other, tag) != 0
    assert stayed == group.pid("stays")
    assert "1 DONE" == group.status
    moved = pid_of(instance, other, tag)
    assert group.switch("1") == "DONE"
    assert stayed == group.pid("stays")
    assert moved == pid_of(instance, other, tag)


def test_an_entry_that_moved_away_is_stopped_by_its_old_groups_request(group: Group, other: Group) -> None:
    """To its old group an entry that moved is a deleted one; to the new one it is new, and starts at its request."""
    instance, tag = group.instance, f"{group.name}.moved"
    stays = f"{group.name}:{group.name}.stays:1:respawn:{RUN}"
    push(instance, stays, f"{group.name}:{tag}:1:respawn:{RUN}", f"{other.name}:{other.name}.o:1:respawn:{RUN}")
    group.switch("1")
    other.switch("1")
    push(instance, stays, f"{other.name}:{other.name}.o:1:respawn:{RUN}", f"{other.name}:{tag}:1:respawn:{RUN}")
    group.switch("1")
    assert 0 == pid_of(instance, group, tag)
    assert 0 == pid_of(instance, other, tag)
    other.switch("1")

    assert pid_of(instance, other, tag) != 0


@meanwhile
def test_two_tags_exchange_groups(
    group: Group, other: Group, meanwhile: Callable[[Instance, Callable[[], None]], None]
) -> None:
    """Two groups that exchange an entry each: neither entry ever runs twice, and both end in their new groups."""
    instance, x, y = group.instance, f"{group.name}.x", f"{group.name}.y"
    commands = {tag: polite(group.name, tag) for tag in (x, y)}
    push(instance, f"{group.name}:{x}:1:respawn:{commands[x]}", f"{other.name}:{y}:1:respawn:{commands[y]}")
    group.switch("1")
    other.switch("1")
    wait_until(lambda: len(group.events()) == 2)

    def change() -> None:
        push(instance, f"{group.name}:{y}:1:respawn:{commands[y]}", f"{other.name}:{x}:1:respawn:{commands[x]}")

    meanwhile(instance, change)
    assert group.switch("1") == "DONE"
    assert other.switch("1") == "DONE"
    wait_until(lambda: len(group.events()) == 8)

    for tag in (x, y):
        assert [f"{tag} {what}" for what in ("up", "stopping", "gone", "up")] == [
            e for e in group.events() if e.startswith(tag)
        ]
    assert 0 == pid_of(instance, group, x)
    assert 0 == pid_of(instance, other, y)
    assert 0 not in {pid_of(instance, group, y), pid_of(instance, other, x)}


def test_two_tags_exchange_groups_by_requests_at_the_same_time(group: Group, other: Group) -> None:
    """The exchange ends well also when both groups are asked for at once: neither waits for the other for ever."""
    instance, x, y = group.instance, f"{group.name}.x", f"{group.name}.y"
    commands = {tag: polite(group.name, tag) for tag in (x, y)}
    push(instance, f"{group.name}:{x}:1:respawn:{commands[x]}", f"{other.name}:{y}:1:respawn:{commands[y]}")
    group.switch("1")
    other.switch("1")
    wait_until(lambda: len(group.events()) == 2)
    push(instance, f"{group.name}:{y}:1:respawn:{commands[y]}", f"{other.name}:{x}:1:respawn:{commands[x]}")
    clients = [group.node.popen("clinit", "--wait", each.name, "1") for each in (group, other)]
    assert [client.wait(20) for client in clients] == [0, 0]
    wait_until(lambda: len(group.events()) == 8)

    for tag in (x, y):
        assert [f"{tag} {what}" for what in ("up", "stopping", "gone", "up")] == [
            e for e in group.events() if e.startswith(tag)
        ]
    assert 0 not in {pid_of(instance, group, y), pid_of(instance, other, x)}


def test_a_renamed_group_is_stopped_under_its_old_name_first(group: Group, other: Group) -> None:
    """When a whole group has another name in the table, its entries are gone before they are started under the new."""
    instance, tag = group.instance, f"{group.name}.a"
    push(instance, f"{group.name}:{tag}:1:respawn:{polite(group.name, 'a')}")
    group.switch("1")
    wait_until(lambda: group.events() == ["a up"])
    push(instance, f"{other.name}:{tag}:1:respawn:{polite(group.name, 'a')}")
    assert other.switch("1") == "DONE"
    wait_until(lambda: len(group.events()) == 4)
    instance.clinit()
    wait_until(lambda: not group.status)

    assert group.events() == ["a up", "a stopping", "a gone", "a up"]
    assert other.status == "1 DONE"


def test_requests_for_several_groups_at_once_all_with_changes(instance: Instance) -> None:
    """Requests at the same time, each of which needs its group's new lines loaded, all end at their own new lines."""
    groups = [Group(instance) for _ in range(6)]
    for each in groups:
        each.define(f"a:1:respawn:{RUN}", f"k:1:respawn:{RUN}")
    first = [each.node.popen("clinit", "--wait", each.name, "1") for each in groups]
    assert {client.wait(30) for client in first} == {0}
    kept = [each.pid("k") for each in groups]
    for number, each in enumerate(groups):
        each.define(f"a:1:respawn:exec sleep {3000 + number}", f"k:1:respawn:{RUN}", "n:1:wait:@ n")
    second = [each.node.popen("clinit", "--wait", each.name, "1") for each in groups]
    assert {client.wait(30) for client in second} == {0}

    for number, each in enumerate(groups):
        wait_until(lambda each=each, number=number: argv(each, "a") == f"sleep {3000 + number}")  # type: ignore[misc]
        assert ["n"] == each.events()
        assert "1 DONE" == each.status
    assert kept == [each.pid("k") for each in groups]
    for each in groups:
        each.define()
    instance.clinit()


def test_a_changed_table_in_the_middle_of_a_start(group: Group) -> None:
    """A request with a changed table while entries are being started replaces the switch, and runs the new lines."""
    group.define("w:1:wait:@ old; sleep 60", f"b:1:respawn:@ b; {RUN}")
    group.request("1")
    wait_until(lambda: group.events() == ["old"])
    group.define("w:1:wait:@ new", f"c:1:respawn:@ c; {RUN}")
    assert group.switch("1") == "DONE"
    wait_until(lambda: len(group.events()) == 3)

    assert group.events() == ["old", "new", "c"]


def test_a_changed_table_in_the_middle_of_a_stop(group: Group) -> None:
    """A request with a changed table while old entries are going waits for them, and then starts the new lines only."""
    group.define("a:1:respawn:" + polite(group.name, "a", 3), f"b:2:respawn:@ b old; {RUN}")
    group.switch("1")
    wait_until(lambda: group.events() == ["a up"])
    group.request("2")
    group.define("a:1:respawn:" + polite(group.name, "a", 3), f"b:2:respawn:@ b new; {RUN}")
    assert group.switch("2") == "DONE"
    wait_until(lambda: len(group.events()) == 4)

    assert group.events() == ["a up", "a stopping", "a gone", "b new"]


def test_a_second_change_while_the_first_is_being_applied(group: Group) -> None:
    """Two changed tables in quick succession, each with its request: the second one's lines run, and none twice."""
    for version in ("one", "two", "three"):
        group.define("a:1:respawn:" + polite(group.name, version, 3))
        group.request("1")
        if version == "one":
            wait_until(lambda: group.events() == ["one up"])
    group.wait_for("1 DONE")
    wait_until(lambda: "three up" in group.events())

    assert group.events() == ["one up", "one stopping", "one gone", "three up"]


def test_a_daemon_killed_while_it_stops_what_changed(group: Group) -> None:
    """A daemon that dies between the stop and the new start leaves a group that the next request puts in order."""
    group.define("a:1:respawn:" + polite(group.name, "old", 3), f"k:1:respawn:{RUN}")
    group.switch("1")
    wait_until(lambda: group.events() == ["old up"])
    kept = group.pid("k")
    group.define("a:1:respawn:" + polite(group.name, "new"), f"k:1:respawn:{RUN}")
    group.request("1")
    assert group.status == "1 STOPPING"
    group.instance.kill("KILL")
    group.instance.start()
    assert group.switch("1") == "DONE"
    wait_until(lambda: "new up" in group.events())

    assert group.events() == ["old up", "old stopping", "old gone", "new up"]
    assert kept == group.pid("k")


def test_a_group_that_left_is_stopped_gracefully_at_the_next_read(group: Group, other: Group) -> None:
    """A group that is no longer in the table is stopped when that is read again, and its line leaves clstat."""
    group.define("a:1:respawn:" + polite(group.name, "a"))
    other.define(f"b:1:respawn:{RUN}")
    group.switch("1")
    other.switch("1")
    wait_until(lambda: group.events() == ["a up"])
    pid = other.pid("b")
    group.define()
    assert group.events() == ["a up"]
    other.switch("1")
    assert group.status == "1 DONE"
    group.instance.clinit()
    wait_until(lambda: not group.status)

    assert group.events() == ["a up", "a stopping", "a gone"]
    assert pid == other.pid("b")
    assert group.instance.clinit(group.name, "1").stdout == f"no such group: {group.name}\n"


def test_a_group_that_left_while_the_daemon_was_down(group: Group) -> None:
    """A group that left the table while there was no daemon goes on under the next one, until it is told."""
    group.define("a:1:respawn:" + polite(group.name, "a"))
    group.switch("1")
    wait_until(lambda: group.events() == ["a up"])
    group.instance.kill("KILL")
    group.define()
    assert group.status == "1 DONE"
    group.instance.start()
    assert (group.status, group.events()) == ("1 DONE", ["a up"])
    group.instance.clinit()
    wait_until(lambda: not group.status)

    assert group.events() == ["a up", "a stopping", "a gone"]


def test_a_group_that_left_in_the_middle_of_a_switch(group: Group) -> None:
    """A group that leaves the table while it is being started is stopped too, and nothing more of it starts."""
    group.define("w:1:wait:@ w; sleep 60", f"b:1:respawn:@ b; {RUN}")
    group.request("1")
    wait_until(lambda: group.events() == ["w"])
    group.define()
    group.instance.clinit()
    wait_until(lambda: not group.status)

    assert group.events() == ["w"]
    assert not group.node.run("systemctl", "list-units", "--plain", "--no-legend", f"clinit-{group.name}@*").stdout


def test_a_group_that_leaves_and_comes_back(group: Group) -> None:
    """A group that was stopped for leaving the table starts anew when it is in it again, and not by itself."""
    group.define(f"a:1:respawn:@ a; {RUN}", "w:1:wait:@ w")
    group.switch("1")
    wait_until(lambda: len(group.events()) == 2)
    group.define()
    group.instance.clinit()
    wait_until(lambda: not group.status)
    group.define(f"a:1:respawn:@ a; {RUN}", "w:1:wait:@ w")
    group.instance.clinit()
    assert 0 == group.pid("a")
    assert "" == group.status
    assert group.switch("1") == "DONE"
    wait_until(lambda: len(group.events()) == 4)


def test_a_group_that_comes_back_while_it_is_being_stopped(group: Group) -> None:
    """A request for a group that left and is back in the table waits for its old entries, and then starts it."""
    group.define("a:1:respawn:" + polite(group.name, "a"))
    group.switch("1")
    wait_until(lambda: group.events() == ["a up"])
    group.define()
    group.instance.clinit()
    group.define("a:1:respawn:" + polite(group.name, "a"))
    assert group.switch("1") == "DONE"
    wait_until(lambda: len(group.events()) == 4)

    assert group.events() == ["a up", "a stopping", "a gone", "a up"]
    assert group.status == "1 DONE"


def test_a_group_that_left_and_came_back_unread(group: Group) -> None:
    """What is taken out of the table and put back before anything reads it was never away."""
    group.define(f"a:1:respawn:{RUN}")
    group.switch("1")
    pid = group.pid("a")
    group.define()
    group.define(f"a:1:respawn:{RUN}")
    group.switch("1")

    assert pid == group.pid("a")
