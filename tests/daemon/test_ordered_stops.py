"""Groups that stop in order, on a real systemd: the last entry of the file first, and one after the other."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Group, Instance
from programs import RUN, deaf, held, polite
from survivor import Survivor

from cltab2systemd.node.spec import Bind
from lab.node import Node
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

# On the host: what is written there is still to be read when the node is gone.
KEPT = Path("/var/kept")


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


def ordered(group: Group) -> str:
    """The setting."""
    return f":::stop.{group.name}:ordered"


def says(group: Group, tag: str, seconds: float = 0.1) -> str:
    """A command that says when it is told to stop, and when it is gone."""
    return polite(group.name, tag, seconds)


def begin(group: Group, tags: str) -> None:
    """Bring a group to level 1 that stops in order, with an entry for each character.

    Returns when all of these can say how they stop.
    """
    group.define(*(f"{tag}:1:respawn:{says(group, tag)}" for tag in tags), settings=(ordered(group),))
    group.switch("1")
    wait_until(lambda: {f"{tag} up" for tag in tags} <= {*group.events()}, what="all are up")


def ask(group: Group, level: str) -> subprocess.Popen[bytes]:
    """Ask for a level, and return as soon as the daemon knows of it."""
    asked = group.node.popen("clinit", group.name, level, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_until(lambda: f"{group.name}: going to level {level}" in group.node.journal())
    return asked


def stops(group: Group) -> list[str]:
    """What was said of stops."""
    return [event for event in group.events() if not event.endswith(" up")]


def one_by_one(tags: str) -> list[str]:
    """What is said when these stop in this order, one after the other."""
    return [f"{tag} {what}" for tag in tags for what in ("stopping", "gone")]


def test_the_last_entry_is_stopped_first(group: Group) -> None:
    """A level that has none of them stops one after the other, from the end of the file to its beginning."""
    begin(group, "dzabc")
    group.switch("0")
    assert stops(group) == one_by_one("cbazd")


def test_what_does_not_run_leaves_no_gap(group: Group) -> None:
    """The order of the others stays where an entry between them has nothing to stop."""
    lines = (
        f"a:1:respawn:{says(group, 'a')}", f"b:1:respawn:{says(group, 'b')}", "off:1:off:true", "test:1:test:true",
        f"c:1:once:{says(group, 'c')}", f"d:1:respawn:{says(group, 'd')}",
    )  # fmt: skip
    group.define(*lines, settings=(ordered(group),))
    group.switch("1")
    wait_until(lambda: len(group.events()) == 4)
    group.node.run("systemctl", "stop", group.unit("b"), group.unit("test"))
    group.switch("0")
    assert stops(group) == [*one_by_one("b"), *one_by_one("dca")]


def test_a_stop_by_hand_waits_for_nobody(group: Group) -> None:
    """`systemctl stop` of an entry stops it, while the ones behind it run on."""
    begin(group, "ab")
    group.node.run("systemctl", "stop", group.unit("a"))
    assert stops(group) == one_by_one("a")


def test_nothing_starts_before_the_first_entry_is_gone(group: Group) -> None:
    """A switch that stops some and starts others stops in order, then starts; what both levels have stays."""
    group.define(
        f"a:1:respawn:{says(group, 'a')}", f"b:2:respawn:@ b up; {RUN}", f"c:12:respawn:{says(group, 'c')}",
        f"d:2:respawn:@ d up; {RUN}", f"e:1:respawn:{says(group, 'e')}", settings=(ordered(group),),
    )  # fmt: skip
    group.switch("1")
    wait_until(lambda: len(group.events()) == 3)
    pid = group.pid("c")
    group.switch("2")
    wait_until(lambda: "d up" in group.events())
    assert group.events()[3:7] == one_by_one("ea")
    assert {*group.events()[7:]} == {"b up", "d up"}
    assert group.pid("c") == pid


def test_changed_lines_stop_in_order(group: Group) -> None:
    """What is stopped for its new lines is stopped in order, too, under the old units."""
    begin(group, "abcd")
    group.define(
        *(f"{tag}:1:respawn:@ {tag} new; {RUN}" for tag in "ac"), f"b:1:respawn:{says(group, 'b')}",
        settings=(ordered(group),),
    )  # fmt: skip
    group.switch("1")
    wait_until(lambda: {"a new", "c new"} <= {*group.events()})
    assert group.events()[4:10] == one_by_one("dca")


def test_a_group_that_leaves_the_table_stops_in_order(group: Group, instance: Instance) -> None:
    """So it is where nobody asks for a level."""
    begin(group, "abc")
    group.define()
    answered(instance.clinit(), code=0)
    wait_until(lambda: len(stops(group)) == 6)
    assert stops(group) == one_by_one("cba")


def test_systemd_alone_stops_in_order(group: Group) -> None:
    """Whoever starts the target, or stops the slice: the order is in the units."""
    begin(group, "abc")
    group.node.run("systemctl", "start", group.target("0"))
    assert stops(group) == one_by_one("cba")
    begin(group, "abc")
    wait_until(lambda: len([event for event in group.events() if event.endswith(" up")]) == 6)
    group.node.run("systemctl", "stop", f"clinit-{group.name}.slice")
    assert stops(group) == one_by_one("cba") * 2


def test_several_stopped_by_hand_stop_in_order(group: Group) -> None:
    """`clinitctl stop` of several entries has the order of the group, whatever the order of its words."""
    begin(group, "abc")
    group.node.run("clinitctl", "stop", f"{group.name}.a", f"{group.name}.c", check=False)
    assert stops(group) == one_by_one("ca")


def test_a_stop_that_hangs_holds_up_the_others(group: Group) -> None:
    """Each stop is bounded by its own stages, so all of them take as long as these together."""
    limits = ("TimeoutStopSec=1s", "TimeoutAbortSec=1s")
    group.define(
        *(f"{tag}:1:once:{deaf('INT', 'TERM')}" for tag in "abc"),
        settings=(ordered(group), *(f":::services.{group.name}:{limit}" for limit in limits)),
    )
    group.switch("1")
    for tag in "abc":
        group.instance.await_deaf(group.unit(tag), "INT", "TERM")
    group.switch("0")
    ended = [int(group.property(tag, "ExecMainExitTimestampMonotonic")) for tag in "cba"]
    assert ended == sorted(ended)
    assert all(later - earlier > 1_900_000 for earlier, later in itertools.pairwise(ended))
    assert group.took("0") > 5.9


def test_who_watches_sees_which_is_waited_for(group: Group) -> None:
    """The one that is being stopped is told as that, and those that wait for it as queued."""
    group.define(
        f"a:1:respawn:{RUN}", f"b:1:respawn:{held('/run/held-ordered')}", "none:0:wait:true", settings=(ordered(group),)
    )
    group.switch("1")
    wait_until(lambda: group.node.exists("/run/held-ordered"))
    group.request("0")
    group.when_awaited("a queued", "b stopping")
    group.node.path("/run/held-ordered").unlink()
    group.wait_for("0 DONE")


@pytest.mark.parametrize("has_new_lines", [False, True])
def test_a_later_request_keeps_the_order(group: Group, *, has_new_lines: bool) -> None:
    """Where the next level has what is being stopped, what stands before it is stopped behind it all the same."""
    file = f"/run/held-{group.name}"
    first, *rest = f"a:1:respawn:{says(group, 'a')}", f"c:12:respawn:{held(file)}", "none:0:wait:true"
    group.define(first, f"b:1:respawn:{says(group, 'b')}", *rest, settings=(ordered(group),))
    group.switch("1")
    wait_until(lambda: group.node.exists(file) and len(group.events()) == 2)
    group.request("0")
    group.when_awaited("a queued", "b queued", "c stopping")
    if has_new_lines:
        group.define(first, f"b:1:respawn:{RUN}", *rest, settings=(ordered(group),))
    asked = ask(group, "2")
    group.wait_for("1 STOPPING")
    assert stops(group) == []
    group.node.path(file).unlink()
    assert asked.communicate()[0] == b"level transition started\n"
    group.wait_for("2 DONE")
    assert stops(group) == one_by_one("ba")


def begin_stop_by_hand(group: Group, file: str, *lines: str) -> None:
    """Bring a group to level 1, and have its last entry stopped by hand, which ends when the file is removed."""
    settings = (ordered(group),)
    group.define(f"a:1:respawn:{says(group, 'a')}", f"c:12:respawn:{held(file)}", *lines, settings=settings)
    group.switch("1")
    wait_until(lambda: group.node.exists(file) and group.events() == ["a up"])
    group.node.run("systemctl", "stop", "--no-block", group.unit("c"))


def test_a_request_waits_for_a_stop_by_hand(group: Group) -> None:
    """What stands before it is stopped behind it. Nothing has begun for the request meanwhile."""
    file = f"/run/held-{group.name}"
    begin_stop_by_hand(group, file)
    asked = ask(group, "2")
    group.wait_for("1 FAILED")
    assert (asked.poll(), stops(group)) == (None, [])
    group.node.path(file).unlink()
    assert asked.communicate()[0] == b"level transition started\n"
    group.wait_for("2 DONE")
    assert stops(group) == one_by_one("a")


def test_a_request_can_still_be_refused_when_it_has_waited(group: Group) -> None:
    """A preflight that does not pass is told to whoever asked, and the group stays as it is."""
    file = f"/run/held-{group.name}"
    begin_stop_by_hand(group, file, f":::preflight.c:[ ! -e {file}-bad ]")
    group.node.write(f"{file}-bad", "")
    asked = group.node.popen("clinit", group.name, "2", stdout=subprocess.PIPE)
    said = f"the preflight of {group.name}.c exited with 1, so {group.name} stays as it is: "
    assert asked.communicate()[0].decode().startswith(said)
    group.node.path(file).unlink()
    assert (asked.returncode, stops(group)) == (1, [])


def test_to_stop_in_order_restarts_nothing(group: Group) -> None:
    """The setting comes and goes with the group's next request, and what runs stays."""
    lines = [f"{tag}:1:respawn:{says(group, tag)}" for tag in "ab"]
    group.define(*lines)
    group.switch("1")
    wait_until(lambda: len(group.events()) == 2)
    pids = [group.pid(tag) for tag in "ab"]
    group.define(*lines, settings=(ordered(group),))
    assert group.unit("a") not in group.property("b", "After")
    group.switch("1")
    assert [group.pid(tag) for tag in "ab"] == pids
    assert group.unit("a") in group.property("b", "After")
    group.switch("0")
    assert stops(group) == one_by_one("ba")


@pytest.mark.parametrize("by", ["halt", "halt of systemd's", "shutdown", "shutdown without a daemon"])
def test_who_stops_all_groups_keeps_the_order(project_layer: Path, tmp_path: Path, by: str) -> None:
    """A halt, and the shutdown of the machine with a daemon and without: the order is in the units."""
    log = KEPT / "log"
    entries = "".join(f"g:{tag}:1:respawn:{polite(str(log), tag, 0.1)}\n" for tag in "dabc")
    with Node("ordered", layers=[project_layer], binds=[Bind(tmp_path, KEPT, read_only=False)]) as node:
        instance = Survivor(node, f"{entries}:::stop.g:ordered\n").start()
        answered(instance.clinit("--wait", "g", "1"), code=0, out="g 1 DONE\n")
        wait_until(lambda: len((tmp_path / "log").read_text().splitlines()) == 4)
        if by == "halt":
            answered(instance.clinit("-k", "--wait"), code=0)
        elif by == "halt of systemd's":
            node.run("systemctl", "stop", "clinit.slice")
        else:
            if by == "shutdown without a daemon":
                node.run("systemctl", "stop", "clinit.service", "clinit.socket")
            node.poweroff()
        said = [line.split(" ", 1)[1] for line in (tmp_path / "log").read_text().splitlines()]
    assert said[4:] == one_by_one("cbad")
