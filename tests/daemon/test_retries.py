"""Entries that are tried again and again, in vain: what is told of them is told once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from instance import Group, Instance
from programs import RUN

from cltab2systemd.units.commands import PAUSED
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

MISSING = "missing:3:respawn:/srv/nowhere/program"
PAUSING = ("fast:3:respawn:exec false", "zero:3:respawn:exec true", MISSING)
TAGS = {line.partition(":")[0] for line in PAUSING}
# systemd has to stop for some seconds what ignores SIGINT.
FORKS = "fork:3:respawn:trap '' INT; sleep 300 & exit 0"
WATCHED = "/run/watched"
GATE = "/run/gate"


def pausing(group: Group) -> dict[str, int]:
    """The main processes of entries that pause."""
    pids = {tag: group.pid(tag) for tag in TAGS}
    return {tag: pid for tag, pid in pids.items() if pid and PAUSED in command_line(group.node, pid)}


def command_line(node: Node, pid: int) -> str:
    """The words of a process; empty if it is gone."""
    return str(node.run("cat", f"/proc/{pid}/cmdline", check=False).stdout)


def all_pause(group: Group, timeout: float, before: dict[str, int] | None = None) -> dict[str, int]:
    """Wait until all of them pause, each in another pause than before; their processes. The timeout is in seconds."""
    now: dict[str, int] = {}

    def do_they() -> bool:
        now.clear()
        now.update(pausing(group))
        return now.keys() == TAGS and not (before or {}).items() & now.items()

    try:
        wait_until(do_they, timeout=timeout, what="all pause")
    except TimeoutError as error:
        units = group.node.run("systemctl", "status", *map(group.unit, TAGS), check=False).stdout
        raise AssertionError(f"before: {before}, now: {now}\n{units}") from error
    return now


def try_again(group: Group) -> None:
    """End all pauses; the next ones begin. A pause may end by itself meanwhile, for it is of 60 s."""
    paused = all_pause(group, 30)
    for pid in paused.values():
        group.node.run("kill", str(pid), check=False)
    all_pause(group, 30, paused)


def logged(group: Group) -> list[str]:
    """What the daemon has logged of the group."""
    return [line for line in group.node.journal(group.instance.unit).splitlines() if group.name in line]


def reasons(group: Group) -> str:
    """What is told of it, as anybody can read it."""
    return str(group.node.run("cat", "/run/cltab2systemd/system/reasons").stdout)


def test_a_try_in_vain_is_no_news(fresh_node: Node) -> None:
    """Neither for the log, nor for who watches. A program that goes to the background is told to stay."""
    instance = Instance(fresh_node)
    group = Group(instance.share())
    group.define(*PAUSING, FORKS, "odd:3:once:false")
    group.switch("3", code=4)
    all_pause(group, 60)
    wait_until(lambda: reasons(group).count("pauses for 60 s") == 2, timeout=20, what="that is told")
    wait_until(lambda: "it is tried again every 60 s" in reasons(group), timeout=20, what="of the missing one, too")
    try_again(group)  # how a run has ended may have been missed when all was started
    wait_until(lambda: "its last run exited with 0: exec true" in reasons(group), timeout=20, what="that is told, too")
    wait_until(
        lambda: "its last run exited with 0: trap" in reasons(group),
        timeout=60,
        what="it forks",
    )
    assert "is being stopped" not in fresh_node.journal(instance.unit)
    why = fresh_node.run("clinitctl", "why", group.name, check=False).stdout
    assert "a respawn has to stay in the foreground" in why
    watch = f"clinitctl watch {group.name} >{WATCHED} 2>&1"
    fresh_node.run("systemd-run", "--unit=watched", "sh", "-c", watch)
    wait_until(lambda: fresh_node.run("cat", WATCHED, check=False).stdout, what="it is watched")
    before, told = logged(group), reasons(group)

    for _ in range(2):
        try_again(group)
    fresh_node.run("sleep", "7")  # for what is held no longer
    assert before == logged(group)
    assert told == reasons(group)
    assert len(fresh_node.read(WATCHED).splitlines()) == 1


@pytest.mark.parametrize("is_new", [False, True])
def test_a_try_that_comes_to_nothing_yet_is_no_news(fresh_node: Node, *, is_new: bool) -> None:
    """It is known that it was in vain, also to a new daemon, and to one that has not seen how the tries have ended."""
    instance = Instance(fresh_node)
    group = Group(instance.share())
    group.define(MISSING)
    instance.table += f":::service.{group.name}.missing:StandardInput=file:{GATE}\n"
    instance.write_table(instance.table)
    fresh_node.run("mkfifo", GATE)
    fresh_node.run("systemd-run", "--unit=gate", "sh", "-c", f"exec sleep 600 3<>{GATE}")
    group.switch("3", code=4)
    wait_until(lambda: pausing(group), timeout=30, what="it pauses")
    if is_new:
        instance.kill()
        instance.start()
    wait_until(lambda: "it is tried again every 60 s" in reasons(group), timeout=20, what="that is told")
    before, pid = logged(group), group.pid("missing")

    fresh_node.run("systemctl", "stop", "gate")  # now none comes to its program
    fresh_node.run("kill", str(pid))
    wait_until(lambda: group.pid("missing") not in {0, pid}, what="it is tried again")
    fresh_node.run("sleep", "7")  # for what is held no longer
    assert group.status == "3 FAILED"
    assert before == logged(group)


def test_how_one_ends_again_and_again(fresh_node: Node) -> None:
    """What is told of it says how it has ended last, by which signal or for which limit; and is told once."""
    instance = Instance(fresh_node)
    group = Group(instance.share())
    group.define("segv:3:respawn:sleep 1.2; kill -SEGV $$", f"long:3:respawn:{RUN}", "odd:3:respawn:sleep 1.2; false")
    instance.table += f":::service.{group.name}.long:RuntimeMaxSec=1500ms\n"
    instance.write_table(instance.table)
    group.switch("3")
    limit = "was killed by SIGINT, for it ran for longer than 1.5 s (RuntimeMaxSec=)"
    for how in ("was killed by SIGSEGV", "exited with 1", limit):
        wait_until(lambda how=how: f"its last run {how}: " in reasons(group), timeout=60, what=how)  # type: ignore[misc]
    told = [line for line in logged(group) if "ends again and again" in line]
    assert len(told) == 3
