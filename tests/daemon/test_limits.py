"""Limits of groups and entries, seen at work: in the files of the kernel, and in what becomes of processes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from failureviews import LEVEL, VIEWS, Failed, assert_told
from instance import Group, Instance
from programs import RUN
from waystofail import LIMITED, MEMORY, TASKS, Way

from cltab2systemd.node import cgroups
from cltab2systemd.node.spec import Limits
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.node import Node

# Wants 128 MiB.
GREEDY = """perl -e '$x = "x" x (128 << 20)'"""
# Says how many tasks of eight it could have.
FORKS = (
    """perl -e '$n++ while $n < 8 and defined($p = fork) and ($p or exec "sleep", 1000);"""
    """ syswrite STDOUT, $n; sleep 1000'"""
)


@pytest.fixture(scope="module")
def instance(controllers: None, node: Node) -> Iterator[Instance]:
    """One daemon for all tests."""
    found = Instance(node)
    found.write_table("")
    yield found.start()
    node.run("systemctl", "stop", found.unit)


@pytest.fixture
def group(instance: Instance) -> Iterator[Group]:
    yield Group(instance)
    print(instance.node.journal())  # seen if the test fails


def push(group: Group, *settings: str) -> None:
    """Push the table with settings before it; an `@` stands for the group."""
    lines = "".join(f":::{setting.replace('@', group.name)}\n" for setting in settings)
    group.instance.write_table(lines + group.instance.table)


def switch(group: Group, level: str, state: str = "DONE") -> None:
    """`clinit --wait GROUP LEVEL`; again if an emulated machine is so slow that the client gives up."""

    def outcome() -> str:
        return group.instance.clinit("--wait", group.name, level).stdout.strip()

    assert f"{group.name} {level} {state}" == wait_until(outcome, what="an answer")


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
    switch(group, "1")
    assert [memory(64), "64", "50"] == in_force(group, *files)
    pid = group.pid("a")
    push(group, "group.@:MemoryMax=32M", "group.@:TasksMax=32", "group.@:CPUWeight=25")
    switch(group, "1")
    assert [memory(32), "32", "25"] == in_force(group, *files)
    push(group, "group.@:TasksMax=48", "group.@:MemoryHigh=16M")
    switch(group, "1")
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
    switch(group, "1")
    group.node.run("systemctl", "set-property", "--runtime", name, "MemoryMax=48M")
    assert [memory(48)] == in_force(group, "memory.max")
    push(group, "group.@:MemoryMax=32M")
    switch(group, "1")
    assert [memory(48)] == in_force(group, "memory.max")
    group.node.run("systemctl", "revert", name)
    wait_until(lambda: in_force(group, "memory.max") == [memory(32)], what="the table's limit")
    # As systemctl edit does.
    group.node.write(f"/etc/systemd/system/{name}.d/override.conf", "[Slice]\nMemoryMax=40M\n")
    group.node.run("systemctl", "daemon-reload")
    wait_until(lambda: in_force(group, "memory.max") == [memory(40)], what="the drop-in's limit")


def test_tasks(group: Group) -> None:
    """A group that has all the tasks it may have gets no more; and the limit can be raised while it is full."""
    said = f"/tmp/{group.name}"
    group.define(f"a:1:respawn:exec {FORKS} >{said}")
    push(group, "group.@:TasksMax=4")
    switch(group, "1")
    wait_until(lambda: group.node.exists(said) and group.node.read(said) == "3", what="as many as may be")
    assert ["4", "4"] == in_force(group, "pids.current", "pids.max")
    push(group, "group.@:TasksMax=6")
    switch(group, "1")
    assert ["4", "6"] == in_force(group, "pids.current", "pids.max")


def test_memory(group: Group) -> None:
    """An entry that wants more than the group may have is killed, all of it or, by its OOMPolicy=, the greedy part."""
    group.define(f"greedy:1:once:{GREEDY}; sleep 1000", f"child:2:once:{GREEDY} & exec sleep 1000")
    push(group, "group.@:MemoryMax=32M", "service.@.greedy:OOMPolicy=stop", "service.@.child:OOMPolicy=continue")
    group.request("1")
    wait_until(lambda: group.property("greedy", "ActiveState") == "failed", what="killed")
    assert "oom-kill" == group.property("greedy", "Result")
    group.request("2")
    wait_until(lambda: counted(group, "memory.events", "oom_kill") >= 2, what="killed")
    assert "success" == group.property("child", "Result")
    assert "running" == group.property("child", "SubState")


# What is said of entries that were killed, or not started, for want of memory or tasks.


def blamed(group: Group) -> list[str]:
    """The entries that are why the group is FAILED, as `LEVEL TAG (MODE)`."""
    path = "/run/cltab2systemd/system/reasons"
    lines = group.node.read(path).splitlines() if group.node.exists(path) else []
    found = re.compile(rf"{group.name} (\S+) {group.name}: {group.name}\.(\S+ \(\w+\)) ")
    return [f"{match[1]} {match[2]}" for line in lines if (match := found.match(line))]


def test_killed_for_want_of_memory(group: Group) -> None:
    """A `wait` or a `once` that was killed for want of memory makes its group FAILED, with the entry in the reason."""
    group.define(f"a:1:wait:exec {GREEDY}", f"b:2:once:sleep 1; exec {GREEDY}", f"c:2:respawn:{RUN}")
    push(group, "group.@:MemoryMax=32M")
    switch(group, "1", "FAILED")
    assert ["1 a (wait)"] == blamed(group)
    group.request("2")
    group.wait_for("2 FAILED")
    assert ["2 b (once)"] == blamed(group)


@pytest.mark.parametrize("way", LIMITED, ids=lambda way: way.name.replace(" ", "-"))
def test_the_right_entry_and_reason(group: Group, way: Way) -> None:
    """As for the other ways to fail, each view names the entry, and says what is wrong."""
    group.define(*way.entries, f"well:3:respawn:{RUN}")
    push(group, f"group.@:MemoryMax={MEMORY}", f"group.@:TasksMax={TASKS}")
    switch(group, LEVEL, "FAILED")
    failed = Failed(way, group.instance, group)
    views = {**VIEWS, "agent": Failed.by_file}
    told = {name: view(failed) for name, view in views.items()}
    for lines in told.values():
        assert_told(failed, lines)


def test_not_started_for_want_of_tasks(group: Group) -> None:
    """A `once` that cannot be started, since its group has all the tasks it may have, makes the group FAILED.

    systemd before 255 starts it outside of the group and moves it there, which the kernel does not count.
    """
    release = int(group.node.run("systemctl", "--version").stdout.split()[1])
    group.define(f"a:1:respawn:exec {FORKS}")
    push(group, "group.@:TasksMax=4")
    switch(group, "1")
    wait_until(lambda: in_force(group, "pids.current") == ["4"], what="as many as may be")
    group.define(f"a:1:respawn:exec {FORKS}", "b:1:once:true")
    push(group, "group.@:TasksMax=4")
    switch(group, "1", "FAILED" if release >= 255 else "DONE")
    assert (["1 b (once)"] if release >= 255 else []) == blamed(group)


def test_usage(group: Group) -> None:
    """Where the kernel counts memory and tasks, `clinitctl status` has what systemctl has."""
    group.define(f"r:1:respawn:{RUN}")
    unit = group.unit("r")
    tag = unit.partition("@")[2].removesuffix(".service")
    push(group, f"service.{tag}:MemoryAccounting=yes", f"service.{tag}:TasksAccounting=yes")
    switch(group, "1")
    (shown,) = json.loads(group.node.run("clinitctl", "status", "--json", group.name).stdout)["groups"]
    (entry,) = shown["entries"]
    counted = group.instance.properties(unit, "MemoryCurrent", "TasksCurrent")

    assert entry["tasks"] == int(counted["TasksCurrent"])
    assert 0.5 < entry["memory_bytes"] / int(counted["MemoryCurrent"]) < 2


def test_limits_of_a_node(controllers: None, tmp_path: Path) -> None:
    """A node's own limits hold in the version of cgroups that this kernel has: who wants more fails."""
    greedy = {
        "memory": "bytearray(64 << 20)",
        "tasks": "import os, time\nfor _ in range(20):\n    if not os.fork(): time.sleep(600)",
    }
    node_cgroups = cgroups.Cgroups("greedy", Limits(memory=32 << 20, tasks=10), tmp_path)
    node_cgroups.make(None)
    try:
        ends = {}
        for name, program in greedy.items():
            words = [sys.executable, "-S", "-c", program]
            # Not a pipe, which its children would hold open.
            with (tmp_path / name).open("wb") as output:
                ends[name] = subprocess.call(words, preexec_fn=node_cgroups.enter, stdout=output, stderr=output)
            (node_cgroups.path / "cgroup.kill").write_text("1")
            wait_until(lambda: not (node_cgroups.path / "cgroup.procs").read_text(), what="all of them are gone")
        assert ends["memory"] == -signal.SIGKILL
        assert "BlockingIOError" in (tmp_path / "tasks").read_text()
    finally:
        node_cgroups.remove()
