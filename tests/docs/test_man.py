"""The man pages say what the programs do: options, commands, settings, modes, states and exit codes, and no others."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import click
import pytest
from answers import answered
from manpages import items, page, section

from cltab2systemd import __version__, clstat, locations
from cltab2systemd.check import everything
from cltab2systemd.client import options, outcome
from cltab2systemd.commands import main as translator
from cltab2systemd.disk.tables import LARGEST_TABLE
from cltab2systemd.groups.refusals import Refusal, Supersession
from cltab2systemd.groups.state import State
from cltab2systemd.operators import nodes, statusview
from cltab2systemd.table import directives
from cltab2systemd.table.diagnostics import render
from cltab2systemd.table.model import LONGEST_COMMAND, LONGEST_NAME, MOST_FINDINGS, Mode
from cltab2systemd.table.settings import KINDS_WITH_SUBJECT, PLAIN_SETTINGS, Kind
from cltab2systemd.units import compiler
from cltab2systemd.varlink import DESCRIPTION
from lab.install import PROJECT

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from lab.node import Node

PAGES = sorted((PROJECT / "man").glob("*.[1-9]"), key=lambda path: path.name)
NAMES = ["clinit.8", "clinitctl.8", "clstat.5", "cltab.5", "cltab2systemd-generator.8", "cltab2systemd.8"]
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "FILES", "EXAMPLES", "SEE ALSO"]
# What these pages refer to, and other packages have.
OTHERS = {
    "diff(1)", "journalctl(1)", "systemctl(1)", "systemd(1)", "systemd-escape(1)", "uname(1)", "varlinkctl(1)",
    "rename(2)", "fstab(5)", "su(1)", "runuser(1)", "sudo(8)", "init(8)", "sd_notify(3)",
    "systemd.exec(5)", "systemd.kill(5)", "systemd.resource-control(5)", "systemd.service(5)", "systemd.unit(5)",
    "systemd-system.conf(5)", "systemd.directives(7)", "systemd.generator(7)", "systemd.journal-fields(7)",
    "systemd.syntax(7)", "systemd.time(7)", "logrotate(8)",
}  # fmt: skip
COMMON = {"-h", "--help"}


def flags(text: str) -> set[str]:
    """The options that the items of a text are about, with their long and short names."""
    return {flag for item in items(text) for flag in re.findall(r"(?<![\w-])--?\w[\w-]*", item)}


def flags_of(command: click.Command) -> set[str]:
    """The options that `--help` of a command shows."""
    with click.Context(command) as context:
        found = [found for found in command.get_params(context) if isinstance(found, click.Option)]
    return {flag for option in found for flag in (*option.opts, *option.secondary_opts)}


def test_there_is_a_page_for_each_program_and_file() -> None:
    """Programs, files, and the generator; each page with the sections that people look for."""
    assert [path.name for path in PAGES] == NAMES
    for path in PAGES:
        headings = re.findall(r"^\.Sh (.*)", path.read_text(), re.MULTILINE)
        assert set(SECTIONS) <= set(headings), path.name
        assert ("EXIT STATUS" in headings) == path.name.endswith(".8")
        assert ("ENVIRONMENT" in headings) == (path.name != "clstat.5")
        assert ("SYSTEMD_LOG_LEVEL" in path.read_text()) == path.name.endswith(".8")


def test_head_lines() -> None:
    """All pages are of one date, and of this version."""
    heads = {tuple(path.read_text().splitlines()[:3:2]) for path in PAGES}

    assert len(heads) == 1
    ((date, system),) = heads
    assert re.fullmatch(r"\.Dd (January|February|March|April|May|June|July|August|September|October|November|December) "
                        r"\d{1,2}, 20\d\d", date)  # fmt: skip
    assert system == f".Os cltab2systemd {__version__}"
    for path in PAGES:
        name, _, number = path.name.rpartition(".")
        assert path.read_text().splitlines()[1] == f".Dt {name.upper()} {number}"
        assert f"\n.Nm {name}\n" in section(path.read_text(), "NAME").join("\n\n")
    assert f'version="{__version__}"' in (PROJECT / "packaging/ocf/group").read_text()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_mandoc_is_content(path: Path) -> None:
    """`mandoc -Tlint` has nothing to say, but for which other pages this machine has."""
    mandoc = shutil.which("mandoc")
    if mandoc is None:
        assert not os.environ.get("CI"), "no mandoc; run 'make test'"
        pytest.skip("no mandoc; run 'make test'")
    done = subprocess.run([mandoc, "-Tlint", "-Wstyle", path], capture_output=True, text=True, check=False)
    said = [
        line
        for line in (done.stdout + done.stderr).splitlines()
        if "referenced manual not found" not in line and "outdated mandoc.db" not in line
    ]

    assert said == []


def test_references() -> None:
    """Each page that is referred to is one of ours, or known to be another package's."""
    ours = {re.sub(r"(.*)\.(\d)", r"\1(\2)", name) for name in NAMES}
    found = {f"{name}({number})" for path in PAGES
             for name, number in re.findall(r"^\.Xr (\S+) (\d)", path.read_text(), re.MULTILINE)}  # fmt: skip
    units = [PROJECT / "packaging/systemd" / name for name in ("clinit.service", "clinit.socket")]
    named = [re.findall(r"man:(\S+)", compiler.DOCUMENTATION)]
    named += [re.findall(r"man:(\S+)", unit.read_text()) for unit in units]

    assert found - ours <= OTHERS
    assert OTHERS <= found
    assert all(pages and set(pages) <= ours for pages in named)


def test_options_of_clinit() -> None:
    """Every option stands in the page, with both its names, and no other does."""
    assert flags(section(page("clinit.8"), "OPTIONS")) == flags_of(options.command) | COMMON


IN_SYNOPSIS = {"--timeout", "--clstat", "--strict", "--progress", "--try", "--keep", "--apply", "--json"}


def test_synopsis_of_clinit() -> None:
    """Every option but those that print something about the program is in the synopsis."""
    shown = set(re.findall(r"\bFl (-\w+|\w+)", section(page("clinit.8"), "SYNOPSIS")))
    letters = {f"-{letter}" for word in shown if not word.startswith("-") for letter in word}

    assert letters | {f"-{word}" for word in shown if word.startswith("-")} == {
        flag for flag in flags_of(options.command) - COMMON - {"--version"} if len(flag) == 2 or flag in IN_SYNOPSIS
    }


def test_commands_of_the_translator() -> None:
    """Every command stands in the page, with its arguments and options, and no other does."""
    text = page("cltab2systemd.8")
    headings = [heading.replace(r"\&", "") for heading in re.findall(r"^\.Ss (.*)", text, re.MULTILINE)]
    with click.Context(translator.group) as context:
        names = translator.group.list_commands(context)
        commands = {name: translator.group.get_command(context, name) for name in names}

    assert [heading.split()[0] for heading in headings] == names
    assert re.findall(r"^\.Cm (\S+)", section(text, "SYNOPSIS"), re.MULTILINE) == names
    for heading, (name, command) in zip(headings, commands.items(), strict=True):
        assert command is not None
        assert flags(section(text, name, "Ss")) == flags_of(command) - COMMON, name
        arguments = [parameter for parameter in command.params if isinstance(parameter, click.Argument)]
        words = " ".join(argument.metavar or (argument.name or "").upper() for argument in arguments)
        assert heading == f"{name} {words}".rstrip().replace("…", "..."), name
    assert flags(section(text, "OPTIONS")) == flags_of(translator.group) | COMMON


def test_the_finding_of_the_description() -> None:
    """The finding that the page shows is what `check` says."""
    shown = page("cltab2systemd.8").partition(".Bd -literal -offset indent\n")[2].partition(".Ed")[0]
    line = shown.splitlines()[1].strip()
    (finding,) = everything.findings(f"# a comment\n{line}\n".encode(), "/etc/cltab")
    assert render(finding) + "\n" == shown


def test_choices_of_options() -> None:
    """Where an option takes one of several words, the page has them all."""
    text = page("cltab2systemd.8")
    with click.Context(translator.group) as context:
        for name in translator.group.list_commands(context):
            command = translator.group.get_command(context, name)
            assert command is not None
            for parameter in command.params:
                if isinstance(parameter.type, click.Choice) and "As for" not in section(text, name, "Ss"):
                    assert all(f".Sq {word}" in section(text, name, "Ss") for word in parameter.type.choices), name


def exits(module: ModuleType) -> set[int]:
    """The numbers that a command exits with, as its help has them, which lacks none that its source has."""
    calls = (node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Call))
    told = [call.args for call in calls if isinstance(call.func, ast.Name) and call.func.id == "SystemExit"]
    names = (node for args in told for argument in args for node in ast.walk(argument))
    values = (getattr(module, n.id, None) if isinstance(n, ast.Name) else getattr(n, "value", None) for n in names)
    found = {value for value in values if type(value) is int}
    help_ = re.search(r"Exit codes: (.*)", inspect.cleandoc(module.command.help or ""), re.DOTALL)
    in_help = {*map(int, re.findall(r"\b(\d+) ", help_[1]))} if help_ else found
    assert found <= in_help, (module, found, in_help)
    return in_help


def test_exit_codes() -> None:
    """The pages have the exit codes of the programs."""
    codes = {value for name, value in vars(outcome).items() if name.isupper() and type(value) is int}

    assert {*map(int, "0123456"), 130} == codes
    assert items(section(page("clinit.8"), "EXIT STATUS")) == [str(code) for code in sorted({*codes, os.EX_TEMPFAIL})]
    codes |= {statusview.DEGRADED, nodes.CONFLICT}
    assert items(section(page("clinitctl.8"), "EXIT STATUS")) == [str(code) for code in sorted(codes)]
    modules = [importlib.import_module(f"cltab2systemd.commands.{name}") for name in translator.COMMANDS.values()]
    codes = {0, outcome.USAGE}.union(*map(exits, modules))
    assert items(section(page("cltab2systemd.8"), "EXIT STATUS")) == [str(code) for code in sorted(codes)]
    assert items(section(page("cltab2systemd-generator.8"), "EXIT STATUS")) == ["0"]


def test_modes_and_states() -> None:
    """cltab(5) has every mode, and clstat(5) every state."""
    assert items(section(page("cltab.5"), "MODES")) == ["wait", "test", "once", "respawn", "off"]
    assert {*items(section(page("cltab.5"), "MODES"))} == {*Mode}
    assert {*items(section(page("clstat.5"), "STATES"))} == {*State}
    assert f"Li {clstat.CLASS} Ar GROUP LEVEL STATE" in page("clstat.5")


def test_settings() -> None:
    """cltab(5) has every setting that the code knows, and no other."""
    found = {item.removeprefix(":::").partition(":")[0] for item in items(section(page("cltab.5"), "SETTINGS"))}

    assert found == {*PLAIN_SETTINGS, Kind.PUBLISH.word, *(kind.prefix + kind.subject for kind in KINDS_WITH_SUBJECT)}


def test_refused_directives() -> None:
    """cltab(5) has every directive of a service that a table cannot give; those of [Unit] it has in one word."""
    listed = re.search(r'^\.\\" refused directives\n(.*?)^\.\\" end', page("cltab.5"), re.DOTALL | re.MULTILINE)
    assert listed is not None
    found = re.findall(r"^\.Ql (\w+)= [,.]$", listed[1], re.MULTILINE)

    assert found == sorted({*directives.REFUSED} - {*directives._UNIT_DIRECTIVES.split()})


def test_numbers_and_paths() -> None:
    """Limits and default paths are those of the code."""
    limits = section(page("cltab.5"), "LIMITS")
    for number in (
        f"{LARGEST_TABLE >> 20} MiB",
        f"{LONGEST_COMMAND:,} bytes",
        f"{LONGEST_NAME} bytes",
        f"{MOST_FINDINGS:,} ",
    ):
        assert number in limits.replace("\n", " ")
    for path in (locations.TABLE, locations.SOCKET, locations.CLSTAT, f"{locations.STATE}/", locations.GOOD_TABLE):
        assert f".It Pa {path}\n" in section(page("clinit.8"), "FILES")


def test_varlink() -> None:
    """clinit(8) has the methods and errors of the interface."""
    text = section(page("clinit.8"), "VARLINK")

    assert {item.partition("(")[0] for item in items(text)} == {
        *re.findall(r"^method (\w+)", DESCRIPTION, re.MULTILINE)
    }
    assert {*re.findall(r"^\.Li ([A-Z]\w+)", text, re.MULTILINE)} == {
        *re.findall(r"^error (\w+)", DESCRIPTION, re.MULTILINE)
    }


def test_codes_of_errors() -> None:
    """clinit(8) has every code of a refused and of a superseded request, in the order of the code."""
    assert items(section(page("clinit.8"), "Codes of errors", "Ss")) == [*Refusal, *Supersession]


def test_installed_pages_are_found(node: Node) -> None:
    """Where the pages are installed, systemd finds those that units name, and verify is content with them."""
    if not shutil.which("man"):
        pytest.skip("this machine has no man")
    node.write("/etc/cltab", (PROJECT / "demo/cltab").read_bytes())
    node.run("cltab2systemd", "compile", "/etc/cltab", "--output", "/etc/systemd/system")
    done = node.shell(
        "systemd-analyze verify --man=yes --recursive-errors=yes /etc/systemd/system/clinit*", check=False
    )

    answered(done, code=0, out="", err="")
