"""Completion in bash: what is offered for a command line; and that zsh and fish know the same options."""

from __future__ import annotations

import importlib
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import click
import pytest

from cltab2systemd.cli import options, translator
from lab.install import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

COMPLETION = PROJECT / "packaging/completion"
TABLE = """\
# group:tag:levels:mode:command
:::socket:/run/elsewhere:a:b
web:dirs:3m:wait:mkdir -p /srv/www
web:server:3:respawn:exec python3 -m http.server
mail:queue:prod,test:respawn:exec sleep 1000:1:2
wéb:x:ä1:once:true
too:few:fields

$(touch:evil:1:once:true
"""
HELP = {"-h", "--help"}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with a table, and with the files as they are installed."""
    for name, place in (("clinit", "bash-completion/completions"), ("cltab-words.awk", "cltab2systemd")):
        (tmp_path / "share" / place).mkdir(parents=True)
        shutil.copy(COMPLETION / name, tmp_path / "share" / place)
    (tmp_path / "cltab").write_text(TABLE)
    return tmp_path


def complete(directory: Path, *words: str, host: str = "host") -> list[str]:
    """What bash offers for the last of the words of a command line, which Readline has split."""
    line = " ".join(shlex.quote(word) for word in words)
    script = f"""
        HOSTNAME={host}
        . share/bash-completion/completions/clinit
        COMP_WORDS=({line}) COMP_CWORD={len(words) - 1}
        read -r _ _ function _ < <(complete -p {words[0]})
        $function
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    command = ["bash", "--norc", "--noprofile", "-c", script]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True)
    assert not done.stderr
    return [word for word in done.stdout.split("\n") if word]


def commands() -> dict[tuple[str, ...], click.Command]:
    """Every command there is, by its words."""
    found: dict[tuple[str, ...], click.Command] = {("clinit",): options.command, ("cltab2systemd",): translator.group}
    for name, module in translator.COMMANDS.items():
        found["cltab2systemd", name] = importlib.import_module(f"cltab2systemd.cli.{module}").command
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


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_option_is_offered(directory: Path, words: tuple[str, ...]) -> None:
    """Bash offers exactly the options that the command has."""
    assert option_names(commands()[words]) | HELP == set(complete(directory, *words, "-"))


def test_every_command_is_offered(directory: Path) -> None:
    """Bash offers exactly the commands of `cltab2systemd`."""
    assert sorted(translator.COMMANDS) == complete(directory, "cltab2systemd", "")


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_zsh_and_fish_know_every_option(words: tuple[str, ...]) -> None:
    """Each command and each of its options is in the text of zsh's file and of fish's."""
    zsh = (COMPLETION / "_clinit").read_text()
    fish = (COMPLETION / f"{words[0]}.fish").read_text()
    names = option_names(commands()[words]) | HELP

    assert not [name for name in names if name not in zsh]
    assert not [name for name in names if f" {'-l' if name[:2] == '--' else '-s'} {name.lstrip('-')} " not in fish]
    assert all(f"'{name}:" in zsh and f"-a {name} " in fish for name in words[1:])
