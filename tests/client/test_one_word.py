"""One word is a level of the group that is named like the host, or no request at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Group
from programs import RUN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instance import Instance


@pytest.fixture
def host(shared: Instance) -> Iterator[Group]:
    """The group that is named like the host, at level 3."""
    group = Group(shared, shared.node.run("hostname").stdout.strip())
    group.define(f"a:3:respawn:{RUN}")
    group.switch("3")
    yield group
    group.define()
    shared.clinit()


@pytest.mark.parametrize(
    "options", [(), ("--wait",), ("-v",), ("--strict",)], ids=["plain", "wait", "status", "strict"]
)
def test_a_word_that_is_no_level(host: Group, options: tuple[str, ...]) -> None:
    """A slip of the hand stops nothing, and the two things that it may have meant are told."""
    done = host.instance.clinit(*options, "prdo")

    assert done.returncode == 1
    assert (
        f"no entry of {host.name} names level 'prdo': refused, and the group stays as it is; its levels are 3\n"
        in done.stdout
    )
    assert "'clinit GROUP LEVEL', 'clinit -v GROUP'" in done.stderr
    assert f"'clinit {host.name} prdo'" in done.stderr
    assert host.status == "3 DONE"
    assert host.pid("a") != 0


@pytest.mark.parametrize("word", ["sohp", "SHOP"])
def test_a_word_that_is_nearly_a_group(host: Group, shared: Instance, word: str) -> None:
    """The group that was probably meant is told, by its case as well."""
    shop = Group(shared, "shop")
    shop.define(f"a:3:respawn:{RUN}")
    done = host.instance.clinit("-v", word)
    shop.define()

    assert done.returncode == 1
    told = "did you mean group shop? 'clinit -v shop' shows how it is, 'clinit shop LEVEL' moves it"
    assert done.stderr.startswith(f"clinit: {told}\n")


def test_a_level_in_the_other_case(group: Group) -> None:
    """Also a level of one letter that is of the other case is a slip; few levels are all told, many are not."""
    group.define(f"a:3m:respawn:{RUN}")
    told = f"no entry of {group.name} names level 'M': refused, and the group stays as it is"
    answered(
        group.instance.clinit("--strict", group.name, "M"),
        code=1,
        out=f"{told}; its levels are 3, m; did you mean 'm'?\n",
    )
    group.define(f"a:123456789m:respawn:{RUN}")
    answered(group.instance.clinit("--strict", group.name, "M"), code=1, out=f"{told}; did you mean 'm'?\n")


def test_two_groups(group: Group, shared: Instance) -> None:
    """With the option for a status, two groups are no move; a level is one, and so are two words alone."""
    other = Group(shared)
    for each in (group, other):
        each.define(f"a:3:respawn:{RUN}")
        each.switch("3")
    for options in (("-v",), ("-v", "--wait"), ("-v", "--try", "100")):
        done = shared.clinit(*options, group.name, other.name)
        assert done.returncode == 1
        assert done.stdout.startswith(f"no entry of {group.name} names level '{other.name}': refused, and the group ")
        assert f"{group.name} 3 DONE\n{other.name} 3 DONE\n" in done.stdout
        told = (
            f"'clinit -v {group.name}', 'clinit -v {other.name}' show how they are; to have {group.name} go to a level"
        )
        assert (
            done.stderr == f"clinit: {other.name} is a group: {told} of that name, 'clinit {group.name} {other.name}'\n"
        )
    assert (group.status, other.status) == ("3 DONE", "3 DONE")

    group.define(f"a:3:respawn:{RUN}", f"b:{other.name},:respawn:{RUN}")
    done = shared.clinit("-v", "--wait", group.name, other.name)
    answered(done, code=0, err="")
    assert done.stdout.startswith(f"{group.name} {other.name} DONE\n")
    group.define(f"a:3:respawn:{RUN}")
    assert group.switch("3") == "DONE"
    answered(shared.clinit("-v", "--wait", group.name, "nowhere"), code=0)
    answered(shared.clinit("--wait", group.name, other.name), code=0, out=f"{group.name} {other.name} DONE\n")
    other.define()
    shared.clinit()


def test_two_groups_that_are_none(group: Group, shared: Instance) -> None:
    """No advice that would be refused as well: of a group that is none, or to a level where others are declared."""
    other = Group(shared)
    for each in (group, other):
        each.define(f"a:3:respawn:{RUN}")
    done = shared.clinit("-v", "wbe", other.name)
    assert (done.returncode, "wbe" in done.stderr) == (1, False)
    group.define(f"a:3:respawn:{RUN}", settings=(f":::levels.{group.name}:stop",))
    done = shared.clinit("-v", group.name, other.name)
    assert done.returncode == 1
    shown = f"'clinit -v {group.name}', 'clinit -v {other.name}' show how they are"
    assert done.stderr == f"clinit: {other.name} is a group: {shown}\n"
    for each in (group, other):
        each.define()
    shared.clinit()


def test_both_words(host: Group) -> None:
    """Who names the group means the level."""
    done = host.instance.clinit("--wait", host.name, "prdo")

    answered(done, code=0, out=f"{host.name} prdo DONE\n")
    assert "it stops everything" in done.stderr


def test_a_declared_level(host: Group) -> None:
    """It is one of the group's, so one word is enough; any other one is refused, with both words, too."""
    host.define(f"a:3:respawn:{RUN}", settings=(f":::levels.{host.name}:stop",))
    answered(host.instance.clinit("--wait", "stop"), code=0, out=f"{host.name} stop DONE\n", err="")
    answered(host.instance.clinit("--wait", "3"), code=0, out=f"{host.name} 3 DONE\n", err="")

    for words in (["stpo"], [host.name, "stpo"]):
        done = host.instance.clinit(*words)
        assert done.returncode == 1
        assert f":::levels.{host.name}: does not declare it: refused, and the group stays as it is" in done.stdout
        assert "did you mean 'stop'?" in done.stdout
    assert host.status == "3 DONE"


def test_no_group_is_named_like_the_host(group: Group) -> None:
    """The daemon's answer is the old one; what was meant is told besides."""
    name = group.node.run("hostname").stdout.strip()
    done = group.instance.clinit("3")

    answered(done, code=1, out=f"no such group: {name}\n")
    assert "'clinit GROUP LEVEL'" in done.stderr


def test_the_status_of_one_group(group: Group, shared: Instance) -> None:
    """`clinit -v GROUP` prints its line only, tells why it is FAILED, and changes nothing."""
    another = Group(shared)
    group.define(f"a:3:respawn:{RUN}")
    another.define("b:3:test:exit 7")
    group.switch("3")
    another.instance.clinit("--wait", another.name, "3")

    answered(group.instance.clinit("-v", group.name), code=0, out=f"{group.name} 3 DONE\n", err="")
    failed = another.instance.clinit("-v", another.name)
    answered(failed, code=4, out=f"{another.name} 3 FAILED\n")
    assert failed.stderr.startswith(f"{another.name}: ")
    assert group.name not in failed.stderr


def test_the_status_of_a_group_that_was_nowhere(group: Group) -> None:
    """It is in the table, so the word is no level; there is nothing to print."""
    group.define(f"a:3:respawn:{RUN}")
    done = group.instance.clinit("-v", group.name)

    answered(done, code=0, out="", err=f"clinit: {group.name} was never at a level, as far as is known\n")
