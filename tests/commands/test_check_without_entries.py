"""`cltab2systemd check` of tables without entries: what the daemon would refuse here, in the daemon's words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Instance

from cltab2systemd.disk.tables import on_empty, on_no_entry
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

TABLE = "web:db:1:respawn:exec sleep 1000\n"
COMMENT = "# nothing\n"


@pytest.fixture
def instance(fresh_node: Node) -> Instance:
    """A daemon with an active group."""
    instance = Instance(fresh_node)
    instance.write_table(TABLE)
    instance.start()
    assert instance.clinit("--wait", "web", "1").returncode == 0
    return instance


def checked(node: Node, *arguments: str) -> tuple[int, str]:
    done = node.run("cltab2systemd", "check", *arguments, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr


def foretold_nothing(node: Node, why: str, *path: str) -> None:
    """What would be done under a table is not told, as the daemon does not take it."""
    in_words = f"cltab2systemd: {why}\n"
    table = ["--table", *path] if path else []
    for code, words in ((2, ["diff", *path]), (1, ["explain", "web", "1", *table]), (1, ["rehearse", *path])):
        answered(node.run("cltab2systemd", *words, check=False), code=code, out="", err=in_words)


@pytest.mark.parametrize("text", ["", COMMENT], ids=["empty", "comment"])
def test_groups_are_active(instance: Instance, text: str) -> None:
    """It says what a request is refused with, before and after the table is in place."""
    node = instance.node
    node.write("/root/cltab", text)
    for options in ((), ("--strict",)):
        assert checked(node, "/root/cltab", *options) == (1, f"cltab2systemd: {on_no_entry('/root/cltab')}\n")
    instance.write_table(text)
    assert checked(node) == (1, f"cltab2systemd: {on_no_entry('/etc/cltab')}\n")
    assert instance.clinit().stdout == f"{on_no_entry('/etc/cltab')}\n"
    (finding,) = json.loads(node.run("cltab2systemd", "check", "--format", "json", check=False).stdout)
    assert (finding["code"], finding["message"]) == ("unreadable", on_no_entry("/etc/cltab"))
    assert checked(node, "--root", "/usr")[0] == (0 if text else 1)  # another machine's groups are not known
    for path in ("/root/cltab", "/etc/cltab"):
        foretold_nothing(node, on_no_entry(path), path)

    assert instance.clinit("-k", "-w").returncode == 0
    empty = f"cltab2systemd: {on_empty('/etc/cltab')}\n"
    assert checked(node) == ((0, "") if text else (1, empty))


def test_one_of_several_files(instance: Instance) -> None:
    """A file that is none by itself is not judged alone, if there are fragments beside the table."""
    node = instance.node
    node.write("/etc/cltab.d/web.cltab", TABLE)
    instance.write_table(COMMENT)
    node.write("/root/cltab", COMMENT)
    for path in ("/root/cltab", "/etc/cltab"):
        assert checked(node, path) == (0, "")
    node.write("/etc/cltab.d/more.cltab", "")
    assert checked(node) == (1, f"cltab2systemd: {on_empty('/etc/cltab.d/more.cltab')}\n")


def test_fragments_that_nobody_may_list(instance: Instance) -> None:
    """Where they cannot be listed, or are too many, there may be some, so that another file is not judged alone."""
    node = instance.node
    node.write("/etc/cltab.d/web.cltab", TABLE)
    node.write("/srv/cltab", COMMENT)
    node.run("chmod", "700", "/etc/cltab.d")
    other = ("setpriv", "--reuid=65534", "--clear-groups", "cltab2systemd", "check", "/srv/cltab")
    done = node.run(*other, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    node.run("sh", "-c", "cd /etc/cltab.d && seq 1001 | xargs touch")
    assert checked(node, "/srv/cltab") == (0, "")
    returncode, told = checked(node)
    assert returncode == 1
    assert told.startswith("cltab2systemd: cannot read /etc/cltab.d: more than 1000 files")


def test_fragments_that_are_gone(instance: Instance) -> None:
    """While the daemon runs, it says what a request is refused with; the next one takes the table as it is."""
    node = instance.node
    node.write("/etc/cltab.d/more.cltab", "more:m:1:respawn:exec sleep 1000\n")
    answered(instance.clinit("--wait", "more", "1"), code=0)
    node.run("mv", "/etc/cltab.d", "/etc/aside")
    refused = instance.clinit()
    assert refused.returncode == 1
    assert refused.stdout.startswith("/etc/cltab.d is gone, and the table in force has lines of there: ")
    said = refused.stdout.rstrip("\n")
    assert checked(node) == (1, f"cltab2systemd: {said}\n")
    foretold_nothing(node, said)
    assert node.run("cltab2systemd", "diff", "/etc/aside/more.cltab", check=False).returncode == 1  # another table
    node.run("mkdir", "/etc/cltab.d")
    assert checked(node) == (0, "")
    assert node.run("cltab2systemd", "diff", check=False).stdout.startswith("more (at level 1): leaves the table, ")

    node.run("rmdir", "/etc/cltab.d")
    node.run("systemctl", "restart", instance.unit)
    wait_until(instance.answers)
    assert checked(node) == (0, "")
