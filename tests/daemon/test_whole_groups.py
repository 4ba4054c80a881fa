"""What a table says of whole groups, on a real systemd: directives of all entries, and groups that wait for others.

How groups stop in order is in test_ordered_stops.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Group, Instance
from programs import RUN, until_there

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node


@pytest.fixture(scope="module")
def instance(node: Node) -> Instance:
    """A daemon that all tests of this module share; each test has groups of its own."""
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


def environment(group: Group, tag: str) -> set[str]:
    """The variables of an entry that runs, of those that the test has set."""
    values = group.node.read(f"/proc/{group.pid(tag)}/environ").split("\0")
    return {value for value in values if value.startswith(("A=", "B="))}


def test_the_own_directive_of_an_entry_wins(group: Group) -> None:
    """Of one value the last counts; of a list the own are added, win where they say the same, or take all back."""
    group.define(
        *(f"{tag}:1:respawn:{RUN}" for tag in ("plain", "own", "empty")),
        settings=(
            f":::service.{group.name}.own:Nice=7",
            f":::service.{group.name}.own:Environment=A=own",
            f":::service.{group.name}.empty:Environment=",
            f":::services.{group.name}:Nice=3",
            f":::services.{group.name}:Environment=A=all B=all",
        ),
    )
    group.switch("1")
    assert [group.property(tag, "Nice") for tag in ("plain", "own", "empty")] == ["3", "7", "3"]
    found = {tag: environment(group, tag) for tag in ("plain", "own", "empty")}
    assert found == {"plain": {"A=all", "B=all"}, "own": {"A=own", "B=all"}, "empty": set()}


def test_a_changed_directive_of_all_restarts_all(group: Group) -> None:
    """They are restarted at the next request, as for one of their own; another group's are not."""
    lines = (f"a:1:respawn:{RUN}", f"b:1:respawn:{RUN}")
    group.define(*lines)
    group.switch("1")
    pids = {group.pid(tag) for tag in "ab"}
    group.define(*lines, settings=(f":::services.{group.name}:Nice=5", f":::services.of-{group.name}:Nice=5"))
    group.switch("1")
    assert pids.isdisjoint({group.pid(tag) for tag in "ab"})
    pids = {group.pid(tag) for tag in "ab"}
    group.switch("1")
    assert pids == {group.pid(tag) for tag in "ab"}


def define_waiting(group: Group, other: Group, seconds: int) -> None:
    """The pattern of docs/high-availability.md: the group waits for the other one, which waits for a file."""
    other.define(f"slow:3:wait:{until_there(f'/run/{other.name}')}")
    tag = f"{group.name}.needs"
    group.define(
        "needs:3:wait:true", f"server:3:respawn:@ server up; {RUN}",
        settings=(f":::ready.{tag}:timeout={seconds}s group:{other.name}:3", f":::required.{tag}:yes"),
    )  # fmt: skip


def test_a_group_waits_for_another(group: Group, other: Group) -> None:
    """It is STARTING until the other group is at its level, then goes on; and stays when the other one goes."""
    define_waiting(group, other, 60)
    group.request("3")
    other.request("3")
    wait_until(lambda: group.property("needs:ready", "ActiveState") == "activating")
    assert (group.status, other.status) == ("3 STARTING", "3 STARTING")
    group.node.write(f"/run/{other.name}", "")
    group.wait_for("3 DONE")
    wait_until(lambda: group.events() == ["server up"])
    other.switch("stop")
    assert group.status == "3 DONE"


def test_a_group_that_does_not_come(group: Group, other: Group) -> None:
    """What needs it is kept back, and the group is FAILED; the next request waits anew."""
    define_waiting(group, other, 1)
    group.switch("3", code=4)
    assert group.events() == []
    assert group.pid("server") == 0
    group.node.write(f"/run/{other.name}", "")
    other.switch("3")
    group.switch("3")
    wait_until(lambda: group.events() == ["server up"])


def test_a_group_that_is_stopped(group: Group, other: Group) -> None:
    """Who asks for no level asks for one that entries name: the group is DONE where it was stopped, but is not up."""
    other.define("x:3:wait:true")
    other.switch("stop")
    group.define("needs:1:wait:true", settings=(f":::ready.{group.name}.needs:group:{other.name}",))
    group.request("1")
    refused = f"{other.name} is DONE at level stop, which no entry names"
    wait_until(lambda: group.property("needs:ready", "StatusText") == refused, timeout=30)
    other.switch("3")
    group.wait_for("1 DONE")


def test_a_circle_is_refused(group: Group, other: Group, instance: Instance) -> None:
    """Such a table takes no effect, and who asks is told of the lines."""
    before = instance.table
    define_waiting(group, other, 60)
    other_line = f":::ready.{other.name}.slow:group:{group.name}\n"
    instance.write_table(instance.table + other_line)
    done = instance.clinit(group.name, "3")
    answered(done, code=1)
    assert f"{group.name} at level 3 waits for {other.name} at level 3 (line" in done.stderr + done.stdout
    assert "neither would ever be ready" in done.stderr + done.stdout
    assert group.status == ""
    instance.write_table(before)
