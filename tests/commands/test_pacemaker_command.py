"""`cltab2systemd pacemaker`: what is refused, and why; what it prints is tests/pacemaker's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from answers import answered
from translator import run

if TYPE_CHECKING:
    from pathlib import Path

LINES = "web:server:3:respawn:server\nweb:notice:m:respawn:notice\ndb:store:3:respawn:store\n"
LEVELS = ":::pacemaker.web:level=3\n:::pacemaker.db:level=3\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "cltab"
    path.write_text(LEVELS + LINES)
    return path


def refused(path: Path, *options: str, code: int = 1) -> str:
    """What is said, and nothing is printed."""
    done = run("pacemaker", *options, path)
    assert (done.exit_code, done.stdout) == (code, "")
    return done.stderr


@pytest.mark.parametrize("format_", ["pcs", "crm", "xml", "ansible"])
def test_formats(table: Path, format_: str) -> None:
    """Each has the resources; a level on the command line beats the table's."""
    done = run("pacemaker", "--format", format_, "--level", "web=m", table)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "ocf:clinit:group" in done.stdout or '<primitive id="web" class="ocf" provider="clinit"' in done.stdout
    assert any(words in done.stdout for words in ('level="m"', "level=m", 'name="level" value="m"', 'value: "m"'))


def test_a_level_that_nobody_says(table: Path) -> None:
    """It is asked for, with the setting to write; no level is guessed."""
    table.write_text(LINES)
    assert refused(table, "--level", "db=3") == (
        "cltab2systemd: nothing says at which level a cluster has 'web' (3, m): write :::pacemaker.web:level=LEVEL, "
        "or :::pacemaker.web:no if it is for no cluster\n"
    )
    assert run("pacemaker", "--level", "db=3", "--level", "web=3", table).exit_code == 0


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (":::pacemaker.web:levl=3", "unknown word 'levl' [setting-value]"),
        (":::pacemaker.web:", "nothing is said of the group [setting-value]"),
        (":::pacemaker.web:level=3 level=m", "'level=' is given again [setting-value]"),
        (":::pacemaker.web:level=3 prefer=n1", "'n1' is no node with a score [setting-value]"),
        (":::pacemaker.web:level=3 prefer=n1:1 prefer=n1:2", "'prefer=' is given again [setting-value]"),
        (":::pacemaker.web:level=3 ip=192.0.2.1", "'192.0.2.1' is no address with a prefix [setting-value]"),
        (":::pacemaker.web:level=3 ip=2001:db8::1/64 ip=2001:DB8:0::1/64", "'ip=' is given again [setting-value]"),
        (
            ":::pacemaker.web:level=3 ip=2001:db8::1/64\n:::pacemaker.db:level=3 ip=2001:DB8:0::1/48",
            "group 'web' has the address 2001:db8::1 as well [cluster-address]",
        ),
        (":::pacemaker.web:level=stop", "'stop' is the level for stopped as well [setting-value]"),
        (":::pacemaker.web:level=4", "no entry of group 'web' runs in level '4' [unknown-level]"),
        (":::pacemaker.web:level=3 after=bd", "no entry is in a group 'bd' [unknown-group]"),
        (":::pacemaker.web:level=3 with=web", "web is where web is [cluster-circle]"),
        (":::pacemaker.wbe:level=3", "no entry is in a group 'wbe' [unknown-group]"),
    ],
)
def test_settings_that_are_wrong(table: Path, setting: str, said: str) -> None:
    """Each is refused with its place, here and by `check --strict`."""
    table.write_text(f"{LEVELS}{setting}\n{LINES}")
    told = refused(table)
    assert f"{table}:{2 + len(setting.splitlines())}:" in told
    assert said in told
    assert said in run("check", "--strict", table).stderr


def test_what_is_no_level_of_a_group(table: Path) -> None:
    """On the command line, too."""
    for option in ("web", "web=", "=3", "wbe=3", "web=4"):
        assert "--level" in refused(table, "--level", option, code=2)


def test_a_level_of_a_group_that_is_left_out(table: Path) -> None:
    """It would come to nothing, so it is refused."""
    table.write_text(
        f":::initdefault.local:3\n:::pacemaker.other:no\n{LEVELS}{LINES}local:l:3:respawn:l\nother:o:3:once:o\n"
    )
    assert "'local' is left out: it runs on every node" in refused(table, "--level", "local=3", code=2)
    assert "'other' is left out: :::pacemaker.other:no says so" in refused(table, "--level", "other=3", code=2)


def test_no_group_for_a_cluster(table: Path) -> None:
    """Then there is nothing to print, and that is said."""
    table.write_text(f":::initdefault.web:3\n:::pacemaker.db:no\n{LINES}")
    assert "the table has no group for a cluster" in refused(table)


def test_names_that_cannot_be_spelt(table: Path) -> None:
    """Of crmsh only some; of no tool bytes that are no text."""
    table.write_bytes(b':::pacemaker.a"b:level=3\na"b:t:3:respawn:x\n')
    assert "crmsh cannot spell the names of 'a\"b'; take --format xml" in refused(table, "--format", "crm")
    answered(run("pacemaker", "--format", "xml", table), code=0, out=None, err="")
    table.write_bytes(b":::pacemaker.a\xff:level=3\na\xff:t:3:respawn:x\n")
    assert "have characters that no cluster takes" in refused(table)


def test_names_that_mean_something_else_to_a_tool(table: Path) -> None:
    """A resource that has the id of an operation, and a word of pcs's command for colocations."""
    name = "web-start-interval-0s"
    table.write_text(f"{LEVELS}:::pacemaker.{name}:level=3\n{LINES}{name}:t:3:once:x\n")
    for format_ in ("pcs", "crm", "ansible"):
        assert f"'{name}' is the id of a resource and of another" in refused(table, "--format", format_)
    answered(run("pacemaker", "--format", "xml", table), code=0, out=None, err="")

    settings = ":::pacemaker.web:level=3 with=with\n:::pacemaker.with:level=3\n:::pacemaker.db:no\n"
    table.write_text(f"{settings}{LINES}with:w:3:once:x\n")
    assert "pcs cannot spell 'with=with'" in refused(table)
    for format_ in ("crm", "xml"):
        answered(run("pacemaker", "--format", format_, table), code=0, out=None, err="")
