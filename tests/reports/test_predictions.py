"""`cltab2systemd diff` and `explain` on a live node: what they tell beforehand is what then happens."""

from __future__ import annotations

import json
import random
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from instance import Instance
from programs import RUN

from cltab2systemd.units.names import Names
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lab.node import Node

# Keeps the table from being empty, which no daemon with active groups takes.
KEEPER = "keeper:keeper:1:once:true\n"

OLD = f"""\
web:db:1:respawn:{RUN}
web:init:1:wait:true
web:app:12:respawn:{RUN}
web:job:2:once:{RUN}
"""
# How a table changes, the lines in question, and what becomes of entries of groups that are at level 1.
CHANGES = {
    "nothing": (OLD, {}),
    "another command": (OLD.replace(f"db:1:respawn:{RUN}", "db:1:respawn:exec sleep 999"), {"web:db": "restart"}),
    "another command of a wait": (OLD.replace("wait:true", "wait:(exit 1)"), {"web:init": "restart"}),
    "another command at another level": (OLD.replace("once:", "once:exec -c "), {}),
    "another mode": (OLD.replace("db:1:respawn", "db:1:once"), {"web:db": "restart"}),
    "off": (OLD.replace("db:1:respawn", "db:1:off"), {"web:db": "stop"}),
    "more levels": (OLD.replace("db:1:", "db:13:"), {}),
    "other levels": (OLD.replace("db:1:", "db:3:"), {"web:db": "stop"}),
    "the present level too": (OLD.replace("job:2:", "job:12:"), {"web:job": "start"}),
    "deleted": (OLD.replace(f"web:db:1:respawn:{RUN}\n", ""), {"web:db": "stop"}),
    "deleted at another level": (OLD.replace(f"web:job:2:once:{RUN}\n", ""), {}),
    "added": (OLD + f"web:new:1:respawn:{RUN}\n", {"web:new": "start"}),
    "added at another level": (OLD + f"web:new:2:respawn:{RUN}\n", {}),
    "moved to a group at the level": (OLD.replace("web:db", "mail:db"), {"web:db": "stop", "mail:db": "start"}),
    "moved to a new group": (OLD.replace("web:db", "new:db"), {"web:db": "stop"}),
    "directives": (OLD + ":::service.db:Nice=5\n", {"web:db": "restart"}),
    "directives of the slice": (OLD + ":::group.web:CPUWeight=50\n", {}),
    "directives of all services": (
        OLD + ":::services.web:Nice=5\n", {"web:db": "restart", "web:init": "restart", "web:app": "restart"}
    ),
    "declared levels": (OLD + ":::levels.web:stop\n", {}),
    "stops in order": (OLD + ":::stop.web:ordered\n", {}),
    "required": (OLD + ":::required.init:yes\n", {"web:init": "restart"}),
    "a boot level": (OLD + ":::initdefault.web:1\n", {}),
    "another order": ("".join(reversed(OLD.splitlines(keepends=True))), {}),
    "the group deleted": ("", {"web:db": "stop", "web:init": "stop", "web:app": "stop"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def daemon(node: Node) -> Instance:
    """A daemon that all tests of this module share."""
    instance = Instance(node)
    instance.write_table(KEEPER)
    return instance.start()


@pytest.fixture
def instance(daemon: Instance) -> Instance:
    """The daemon, with nothing left of an earlier test, whose whole table each test replaces."""
    daemon.write_table(KEEPER)
    daemon.clinit()
    wait_until(lambda: diff(daemon.node)[0] == 0, what="earlier groups are gone")
    return daemon


def diff(node: Node, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = node.run("cltab2systemd", "diff", "--format", "json", *arguments, check=False)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def predicted(answer: dict[str, Any]) -> dict[str, str]:
    """What a difference says of each entry, by `GROUP:TAG`."""
    return {
        f"{group['group']}:{entry['tag']}": entry["effects"][0]["effect"] if entry["effects"] else "none"
        for group in answer["groups"]
        for entry in group["entries"]
    }


def runs(node: Node, entries: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Which run of each entry there is at present, and its pid; by `GROUP:TAG`, without those that do not run."""
    units = {entry: Names().entry(*entry.split(":")) for entry in entries}
    shown = node.run("systemctl", "show", "--property=ActiveState,InvocationID,MainPID", "--", *units.values()).stdout
    found = {}
    for entry, block in zip(units, shown.split("\n\n"), strict=True):
        values = dict(line.split("=") for line in block.splitlines())
        if values["ActiveState"] == "active":
            found[entry] = (values["InvocationID"], values["MainPID"])
    return found


def happened(before: tuple[str, str] | None, after: tuple[str, str] | None) -> str:
    """What was done to an entry, by its run before and after, in the words of a difference."""
    if before is None:
        return "none" if after is None else "start"
    if after is None:
        return "stop"
    return "leave" if before == after else "restart"


def _are_gone(instance: Instance, groups: set[str]) -> bool:
    return groups.isdisjoint(instance.clstat())


def at_level_1(instance: Instance, *groups: str) -> None:
    """Take groups to level 1."""
    for group in groups:
        assert instance.clinit("--wait", group, "1").returncode == 0


@pytest.mark.parametrize(("new", "effects"), CHANGES.values(), ids=CHANGES)
def test_what_diff_says_happens(instance: Instance, new: str, effects: dict[str, str]) -> None:
    """What `diff` says of every entry is what the next request for its group does, and what this table says."""
    mail = f"{KEEPER}mail:runner:1:respawn:{RUN}\n"
    instance.write_table(mail + OLD)
    at_level_1(instance, "web", "mail")
    instance.write_table(mail + new)
    code, answer = diff(instance.node)
    assert (code, answer["changed"]) == ((0, False) if new == OLD else (1, True))

    expected = predicted(answer)
    told = {entry: effect for entry, effect in expected.items() if effect not in {"none", "leave"}}
    assert effects == told
    before = runs(instance.node, expected)
    if new:
        assert instance.clinit("--wait", "web", "1").returncode == 0
    assert instance.clinit("--wait", "mail", "1").returncode == 0
    assert instance.clinit().returncode == 0
    wait_until(lambda: new or "web" not in instance.clstat(), what="a group that left the table is gone")
    after = runs(instance.node, expected)

    assert expected == {entry: happened(before.get(entry), after.get(entry)) for entry in expected}
    assert diff(instance.node)[1]["changed"] is False


def random_table(chance: random.Random) -> str:
    """A table with a few groups and levels, whose tags it shares with others of its kind."""
    lines = []
    for tag in "abcdefgh":
        group = chance.choice(("red", "green", "blue"))
        mode, command = chance.choice(
            [("respawn", RUN), ("respawn", "exec sleep 999"), ("once", RUN), ("wait", "true"), ("test", "true"),
             ("off", RUN)]
        )  # fmt: skip
        if chance.random() < 0.8:
            lines.append(f"{group}:{tag}:{chance.choice(('1', '2', '12', '1,3'))}:{mode}:{command}\n")
        if chance.random() < 0.2:
            lines.append(f":::service.{tag}:Nice=5\n")
    chance.shuffle(lines)
    return KEEPER + "".join(lines)


@pytest.mark.parametrize("seed", range(2))
def test_what_diff_says_happens_to_any_table(instance: Instance, seed: int) -> None:
    """So it is from one random table to the next, with groups at different levels, and some at none."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    instance.write_table(random_table(chance))
    for _ in range(4):
        answer = diff(instance.node)[1]
        for group in answer["groups"]:
            if group["change"] != "deleted" and (level := chance.choice((None, "1", "2", "3", "none"))):
                instance.clinit("--wait", group["group"], level)
        instance.write_table(random_table(chance))
        answer = diff(instance.node)[1]
        expected = predicted(answer)
        before = runs(instance.node, expected)
        instance.clinit()
        for group in answer["groups"]:
            if group["change"] != "deleted" and group["level"] is not None and not group["refused"]:
                assert instance.clinit("--wait", group["group"], group["level"]).returncode == 0
        assert instance.clinit("--apply").returncode == any(group["refused"] for group in answer["groups"])
        gone = {group["group"] for group in answer["groups"] if group["change"] == "deleted"}
        wait_until(partial(_are_gone, instance, gone), what="what left the table is gone")
        after = runs(instance.node, expected)
        assert expected == {entry: happened(before.get(entry), after.get(entry)) for entry in expected}


@pytest.mark.parametrize("level", ["1", "2", "none"])
def test_what_explain_says_happens(instance: Instance, level: str) -> None:
    """`explain` knows the level that the group is at, and what of it is not as the table has it any more."""
    instance.write_table(KEEPER + OLD + f"mail:moving:1:respawn:{RUN}\nmail:runner:1:respawn:{RUN}\n")
    at_level_1(instance, "web", "mail")
    new = OLD.replace("app:12:respawn", "app:12:once") + f"web:moving:12:respawn:{RUN}\n"
    instance.write_table(KEEPER + f"mail:runner:1:respawn:{RUN}\n" + new)
    answer = json.loads(instance.node.run("cltab2systemd", "explain", "web", level, "--format", "json").stdout)
    entries = ["web:db", "web:init", "web:app", "web:job", "web:moving", "mail:moving", "mail:runner"]
    before = runs(instance.node, entries)
    assert instance.clinit("--wait", "web", level).returncode == 0
    after = runs(instance.node, entries)

    def named(*steps: str) -> set[str]:
        return {f"{entry['group']}:{entry['tag']}" for step in steps for entry in answer[step]}

    done = {entry: happened(before.get(entry), after.get(entry)) for entry in entries}
    assert answer["from"] == "1"
    assert {entry for entry, what in done.items() if what in {"stop", "restart"}} == named("moving", "stops")
    assert {entry for entry, what in done.items() if what in {"start", "restart"}} == named("starts")
    assert {entry for entry, what in done.items() if what == "leave"} == {*named("stays"), "mail:runner"}


def test_a_stopped_group(instance: Instance) -> None:
    """Of a group that was never asked for, or was halted, nothing runs, and its new lines are applied at once."""
    instance.write_table(KEEPER + f"idle:one:1:respawn:{RUN}\n")
    instance.clinit()
    instance.write_table(KEEPER + f"idle:one:1:respawn:exec {RUN}\n")
    done = instance.node.run("cltab2systemd", "diff", check=False)
    assert done.returncode == 1
    assert done.stdout == (
        "idle (not active): applied at once, nothing runs\n"
        f"  -  idle:one  command: {RUN} → exec {RUN}\n"
    )  # fmt: skip
    instance.clinit()
    assert diff(instance.node)[0] == 0
    explained = instance.node.run("cltab2systemd", "explain", "idle", "1").stdout
    assert explained.startswith("idle: to level 1, while nothing runs\nStart, in this order:\n")


def test_another_daemon(instance: Instance) -> None:
    """`-c` and `-s` name the daemon, as for `clinit`; each has its own groups."""
    node, options = instance.node, ("-c", "/etc/other", "-s", "/run/other.s")
    node.write("/etc/other", ":::clstat:/run/other.clstat\nweb:other:1:respawn:exec sleep 1000\n")
    node.run("systemd-run", "--quiet", "--unit=other", "--property=KillMode=process", "clinit", "-d", *options)
    wait_until(lambda: node.run("clinit", *options, "none", "1", check=False).returncode == 1, what="it answers")
    node.run("clinit", *options, "--wait", "web", "1")
    assert diff(node, *options)[0] == 0
    node.write("/etc/next", "web:other:1:respawn:exec sleep 999\n")
    code, answer = diff(node, *options, "/etc/next")

    assert code == 1
    assert predicted(answer) == {"web:other": "restart"}
    assert node.run("cltab2systemd", "explain", *options, "web", "2").stdout.startswith(
        "web: from level 1 to level 2\n"
    )
