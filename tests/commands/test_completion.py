"""Completion in bash, zsh and fish: what each offers for a command line."""

from __future__ import annotations

import importlib
import os
import shutil
from typing import TYPE_CHECKING

import click
import pytest
from shells import COMPLETION, PLACES, SHELLS, TABLE, complete

from cltab2systemd.client import options
from cltab2systemd.commands import main as translator
from cltab2systemd.operators import program as operators

if TYPE_CHECKING:
    from pathlib import Path

HELP = {"-h", "--help"}
# Those that have commands.
PROGRAMS = {"clinitctl": operators, "cltab2systemd": translator}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with a table, and with the files as they are installed."""
    for name, place in PLACES.items():
        (tmp_path / "share" / place).mkdir(parents=True, exist_ok=True)
        shutil.copy(COMPLETION / name, tmp_path / "share" / place)
    (tmp_path / "cltab").write_text(TABLE)
    return tmp_path


def commands() -> dict[tuple[str, ...], click.Command]:
    """Every command there is, by its words."""
    found: dict[tuple[str, ...], click.Command] = {("clinit",): options.command}
    for name, program in PROGRAMS.items():
        found[name,] = program.group
        for command, module in program.COMMANDS.items():
            found[name, command] = importlib.import_module(f"{program.__package__}.{module}").command
    return found


def option_names(command: click.Command) -> set[str]:
    """Every option of a command, but for help."""
    return {name for parameter in command.params if isinstance(parameter, click.Option) for name in parameter.opts}


def test_groups_are_those_of_the_table(directory: Path) -> None:
    """Entries only, each group once, in the order of the table; what the shell would read is quoted, and not run."""
    assert [r"\$\(touch", "mail", "web", "wéb"] == sorted(complete(directory, "clinit", "-c", "cltab", ""))
    assert ["web", "wéb"] == complete(directory, "clinit", "-c", "cltab", "w")
    assert not (directory / "evil").exists()


@pytest.mark.parametrize(
    ("group", "levels"), [("web", "3m 3 m"), ("mail", "prod test"), ("wéb", "ä1 ä 1"), ("nobody", "")]
)
def test_levels_are_those_that_the_groups_entries_name(directory: Path, group: str, levels: str) -> None:
    """A whole field, the parts of one with commas, and characters; nobody asks for a whole list."""
    assert levels.split() == complete(directory, "clinit", "-w", "-c", "cltab", group, "")


def test_declared_levels(directory: Path) -> None:
    """They are offered behind those of entries, once each."""
    (directory / "cltab").write_text("w.b:x:3:wait:x\n:::levels.w.b:stop,999,3\n:::levels.other:no\n")
    assert ["3", "stop", "999"] == complete(directory, "clinit", "-w", "-c", "cltab", "w.b", "")


def test_a_level_alone_is_of_the_group_named_like_the_host(directory: Path) -> None:
    """`clinit LEVEL` moves that group, so its levels are offered with the groups."""
    offered = complete(directory, "clinit", "-c", "cltab", "", host="mail")

    assert {"mail", "prod", "test"} < set(offered)
    assert not set(offered) & {"3", "m"}


def test_an_option_with_an_equals_sign_names_the_table_too(directory: Path) -> None:
    """Readline splits `--cltab=FILE` at the sign."""
    assert ["prod"] == complete(directory, "clinit", "--cltab", "=", "cltab", "mail", "p")
    assert ["cltab"] == complete(directory, "clinit", "--cltab", "=", "clt")


def test_a_table_that_cannot_be_read_offers_nothing(directory: Path) -> None:
    """A missing table, a directory, and options whose value is free."""
    assert [] == complete(directory, "clinit", "-c", "missing", "")
    assert [] == complete(directory, "clinit", "-c", "share", "")
    assert [] == complete(directory, "clinit", "--timeout", "")
    assert [] == complete(directory, "clinit", "-c", "cltab", "web", "3", "")


def test_groups_and_levels_of_the_translators_commands(directory: Path) -> None:
    """Explain and graph take groups of a table, and levels."""
    words = ("cltab2systemd", "explain", "--table", "cltab")

    assert ["mail"] == complete(directory, *words, "m")
    assert ["prod", "test"] == complete(directory, *words, "mail", "")
    assert ["prod", "test"] == complete(directory, *words, "mail", "prod", "--from", "")
    assert ["mail"] == complete(directory, "cltab2systemd", "graph", "cltab", "web", "m")
    assert ["cltab"] == complete(directory, "cltab2systemd", "check", "c")
    assert ["json"] == complete(directory, "cltab2systemd", "show", "--format", "j")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_option_is_offered(directory: Path, shell: str, words: tuple[str, ...]) -> None:
    """Each shell offers exactly the options that the command has."""
    expected = option_names(commands()[words]) | HELP

    offered = {*SHELLS[shell](directory, *words, "-")} | {*SHELLS[shell](directory, *words, "--")}
    assert expected == offered


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_is_offered(directory: Path, shell: str, program: str) -> None:
    """Each shell offers exactly the commands that a program has."""
    assert {*PROGRAMS[program].COMMANDS} == {*SHELLS[shell](directory, program, "")}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("clinit -c cltab w", "web wéb"),
        ("clinit -w -c cltab web ", "3m 3 m"),
        ("clinit -c cltab nobody ", ""),
        ("clinit -c cltab web 3 ", ""),
        ("clinit -c missing ", ""),
        ("clinit --timeout ", ""),
        ("clinit --clstat cl", "cltab"),
        ("clinitctl log -c cltab w", "web wéb"),
        ("clinitctl log -c cltab web d", "dirs"),
        ("clinitctl log --lines ", ""),
        ("cltab2systemd explain --table cltab m", "mail"),
        ("cltab2systemd explain -c cltab mail ", "prod test"),
        ("cltab2systemd explain -c cltab mail prod --from ", "prod test"),
        ("cltab2systemd explain -c cltab --from ", ""),
        ("cltab2systemd graph cltab web m", "mail"),
        ("cltab2systemd graph cl", "cltab"),
        ("cltab2systemd check cltab cl", "cltab"),
        ("cltab2systemd diff cltab cl", "cltab"),
        ("cltab2systemd show --format ", "json text"),
        ("cltab2systemd import-inittab --format ", "aix auto busybox sysv"),
        ("cltab2systemd import-inittab --level ", ""),
        ("cltab2systemd compile -o s", "share"),
        ("cltab2systemd no-such-command --f", ""),
    ],
)
def test_values_in_each_shell(directory: Path, shell: str, line: str, expected: str) -> None:
    """Groups, levels, words, files and directories are offered where they can stand, and nothing elsewhere."""
    offered = {*SHELLS[shell](directory, *line.split(" "))}
    if not expected:
        offered = {word for word in offered if not word.startswith("-")}  # zsh offers options then

    assert {*expected.split()} == offered


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_only_directories_where_one_is_wanted(directory: Path, shell: str) -> None:
    """A file is not offered; zsh does so where there is no directory."""
    assert [] == SHELLS[shell](directory, "cltab2systemd", "compile", "-o", "c")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_an_equals_sign_in_each_shell(directory: Path, shell: str) -> None:
    """What stands behind the sign is the value, also of the option that names the table."""
    assert ["prod"] == SHELLS[shell](directory, "clinit", "--cltab=cltab", "mail", "p")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_level_alone_in_each_shell(directory: Path, shell: str) -> None:
    """The levels of the group that is named like the host are offered with the groups."""
    with (directory / "cltab").open("a") as table:
        table.write(f"{os.uname().nodename}:x:alone,:once:true\n")

    assert {"alone", "mail"} < {*SHELLS[shell](directory, "clinit", "-c", "cltab", "")}


@pytest.mark.parametrize("shell", SHELLS)
def test_fragments_in_each_shell(directory: Path, shell: str) -> None:
    """The groups, levels and tags of all files of a table are offered, also if one does not end in a newline."""
    fragments = directory / "cltab.d"
    fragments.mkdir()
    (directory / "cltab").write_text(TABLE.rstrip("\n"))
    (fragments / "10-more.cltab").write_text("wiki:wiki.app:5:respawn:exec app\nweb:more:7:once:true")
    (fragments / "20.cltab").write_text("wiki:wiki.db:6:respawn:exec db\n")
    (fragments / ".hidden.cltab").write_text("who:x:1:once:true\n")
    (fragments / "30.cltab").mkdir()

    assert {"web", "wéb", "wiki"} == {*SHELLS[shell](directory, "clinit", "-c", "cltab", "w")}
    assert {"5", "6"} == {*SHELLS[shell](directory, "clinit", "-c", "cltab", "wiki", "")}
    assert {"3m", "3", "m", "7"} == {*SHELLS[shell](directory, "clinit", "-c", "cltab", "web", "")}
    assert {"wiki", "wiki.app", "wiki.db"} == {*SHELLS[shell](directory, "clinitctl", "log", "-c", "cltab", "wik")}
