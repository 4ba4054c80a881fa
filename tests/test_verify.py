"""systemd's own opinion of the units: `systemd-analyze verify` on everything that is compiled."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cltab2systemd.compiler import compile_table
from cltab2systemd.names import Names
from cltab2systemd.plan import load

if TYPE_CHECKING:
    from lab.node import Node

UNITS = "/etc/systemd/system"
VERIFY = "systemd-analyze verify --recursive-errors=yes"

NASTY = [
    "%i",
    "a-b",
    "a/b",
    "ü",
    "back\\slash",
    "x@y",
    "$HOME",
    ".dot",
    "end\\",
    '"q"',
    "#c",
    "[Unit]",
    "\udcff",
    "\ufdd0",
]
COMMANDS = [
    "true", "sleep 5; echo %n %% $HOME ${X} $$", "prog a #b", "trailing \\", "'quote\" `x` \\x41", "\t tab \x01 \x7f",
    "é日本 \udcff\udcc3 \ufffe \u2028", "[Service] ExecStart=/bin/false", "-/bin/false", "@x y", "", " ",
]  # fmt: skip
MODES = ["wait", "respawn", "once", "test", "off"]


def nasty_table(seed: int) -> str:
    """A table of names and commands that would break a careless generator."""
    source = random.Random(seed)  # noqa: S311 - the same tables in every run
    groups = source.sample(NASTY, 4)
    lines = []
    for number in range(40):
        levels = source.choice([source.choice(NASTY), ",".join(source.sample(NASTY, 3)), "12", "1"])
        tag = source.choice(NASTY) + str(number)
        lines.append(f"{source.choice(groups)}:{tag}:{levels}:{source.choice(MODES)}:{source.choice(COMMANDS)}")
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("names", [Names(), Names("_0123abcd")], ids=["system", "other"])
def test_systemd_accepts_every_unit(fresh_node: Node, seed: int, names: Names) -> None:
    """No unit of a table full of nasty names and commands gives systemd-analyze anything to say."""
    table, findings = load(nasty_table(seed).encode("utf-8", "surrogateescape"), "/etc/cl%tab", names)
    files = compile_table(table, names)
    assert not findings
    assert len(files) > 80
    for name, content in files.items():
        fresh_node.write(f"{UNITS}/{name}", content)
    prefix = f"{UNITS}/clinit"
    done = fresh_node.run("sh", "-c", f"exec {VERIFY} {prefix}*", check=False)

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)


def test_verify_would_find_an_error(fresh_node: Node) -> None:
    """The check above is one: a unit with an unknown directive does not pass."""
    fresh_node.write(f"{UNITS}/clinit-x@y.service", "[Service]\nExecStart=/bin/true\nNoSuchDirective=yes\n")
    done = fresh_node.run("sh", "-c", f"exec {VERIFY} {UNITS}/clinit*", check=False)

    assert done.returncode != 0


def test_the_demo_table_compiles_and_verifies(fresh_node: Node) -> None:
    """`cltab2systemd compile` as a user runs it, on the demo's table."""
    fresh_node.write("/etc/cltab", (Path(__file__).parent.parent / "demo/cltab").read_bytes())
    fresh_node.run("cltab2systemd", "compile", "/etc/cltab", "--output", UNITS)
    done = fresh_node.shell(f"{VERIFY} {UNITS}/clinit*")

    assert ("", "") == (done.stdout, done.stderr)
