"""Limits of groups and entries, seen at work: in the files of the kernel, and in what becomes of processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from instance import Group, Instance

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node

RUN = "exec sleep 1000"
# Wants 128 MiB.
GREEDY = """perl -e '$x = "x" x (128 << 20)'"""


@pytest.fixture(scope="module")
def instance(controllers: None, node: Node) -> Iterator[Instance]:
    """One daemon for all tests."""
    found = Instance(node)
    found.write_table("")
    yield found.start()
    node.run("systemctl", "stop", found.unit)


@pytest.fixture
def group(instance: Instance) -> Group:
    return Group(instance)


def push(group: Group, *settings: str) -> None:
    """Push the table with settings before it; an `@` stands for the group."""
    lines = "".join(f":::{setting.replace('@', group.name)}\n" for setting in settings)
    group.instance.write_table(lines + group.instance.table)


def in_force(group: Group, *files: str) -> list[str]:
    """What the kernel says of the group's slice; nothing where it keeps no account, since nobody has set a limit."""
    directory = f"/sys/fs/cgroup/clinit.slice/clinit-{group.name}.slice"
    paths = [f"{directory}/{file}" for file in files]
    return [group.node.read(path).strip() if group.node.exists(path) else "" for path in paths]


def memory(mebibytes: int) -> str:
    return str(mebibytes << 20)


def counted(group: Group, file: str, event: str) -> int:
    """How often an event of a controller came in the group's slice."""
    return next(int(line.split()[1]) for line in in_force(group, file)[0].splitlines() if line.split()[0] == event)


def test_a_changed_line_is_in_force(group: Group) -> None:
    """What the table says of a slice is what the kernel keeps to when the request is done; and nothing is restarted."""
    files = ("memory.max", "pids.max", "cpu.weight")
    group.define(f"a:1:respawn:{RUN}")
    push(group, "group.@:MemoryMax=64M", "group.@:TasksMax=64", "group.@:CPUWeight=50")
    assert group.switch("1") == "DONE"
    assert [memory(64), "64", "50"] == in_force(group, *files)
    pid = group.pid("a")
    push(group, "group.@:MemoryMax=32M", "group.@:TasksMax=32", "group.@:CPUWeight=25")
    assert group.switch("1") == "DONE"
    assert [memory(32), "32", "25"] == in_force(group, *files)
    push(group, "group.@:TasksMax=48", "group.@:MemoryHigh=16M")
    assert group.switch("1") == "DONE"
    assert ["max", "48", memory(16)] == in_force(group, "memory.max", "pids.max", "memory.high")
    assert in_force(group, "cpu.weight")[0] in {"", "100"}
    assert pid == group.pid("a")
    # How it came to be in force cannot be seen.
    assert "" == group.node.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "clinitlimits*").stdout
    assert "clinitlimits" not in group.node.journal()


def test_by_hand_wins_until_revert(group: Group) -> None:
    """What an administrator sets is in force until it is taken back, whatever the table says; then the table's is."""
    name = f"clinit-{group.name}.slice"
    group.define(f"a:1:respawn:{RUN}")
    push(group, "group.@:MemoryMax=64M")
    assert group.switch("1") == "DONE"
    group.node.run("systemctl", "set-property", "--runtime", name, "MemoryMax=48M")
    assert [memory(48)] == in_force(group, "memory.max")
    push(group, "group.@:MemoryMax=32M")
    assert group.switch("1") == "DONE"
    assert [memory(48)] == in_force(group, "memory.max")
    group.node.run("systemctl", "revert", name)
    wait_until(lambda: in_force(group, "memory.max") == [memory(32)], what="the table's limit")
    # As systemctl edit does.
    group.node.write(f"/etc/systemd/system/{name}.d/override.conf", "[Slice]\nMemoryMax=40M\n")
    group.node.run("systemctl", "daemon-reload")
    wait_until(lambda: in_force(group, "memory.max") == [memory(40)], what="the drop-in's limit")


def test_tasks(group: Group) -> None:
    """A group that has all the tasks it may have gets no more, until its table says so."""
    group.define(f"a:1:wait:for n in 1 2 3 4 5 6 7 8; do sleep 1000 & echo $n >/tmp/{group.name}; done")
    push(group, "group.@:TasksMax=4")
    group.request("1")
    wait_until(lambda: group.status not in {"", "1 STARTING"}, what="the end of it")
    assert "3" == group.node.read(f"/tmp/{group.name}").strip()
    assert "Cannot fork" in group.node.journal(group.unit("a"))
    group.define(f"b:1:respawn:{RUN}")
    push(group, "group.@:TasksMax=64")
    assert group.switch("1") == "DONE"
    assert ["64"] == in_force(group, "pids.max")


def test_full_and_raised(group: Group) -> None:
    """A limit is raised also where it leaves no room for another task."""
    group.define("a:1:respawn:sleep 1000 & sleep 1001 & wait")
    push(group, "group.@:TasksMax=3")
    assert group.switch("1") == "DONE"
    wait_until(lambda: in_force(group, "pids.current") == ["3"], what="all tasks")
    push(group, "group.@:TasksMax=5")
    assert group.switch("1") == "DONE"
    assert ["5"] == in_force(group, "pids.max")


def test_memory(group: Group) -> None:
    """An entry that wants more than the group may have is killed, all of it or, by its OOMPolicy=, the greedy part."""
    group.define(f"greedy:1:once:{GREEDY}; sleep 1000", f"child:2:once:{GREEDY} & exec sleep 1000")
    push(group, "group.@:MemoryMax=32M", "service.@.greedy:OOMPolicy=stop", "service.@.child:OOMPolicy=continue")
    group.request("1")
    wait_until(lambda: group.property("greedy", "Result") == "oom-kill", what="killed")
    assert "failed" == group.property("greedy", "ActiveState")
    group.request("2")
    wait_until(lambda: counted(group, "memory.events", "oom_kill") >= 2, what="killed")
    assert ("success", "running") == (group.property("child", "Result"), group.property("child", "SubState"))
