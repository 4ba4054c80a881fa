"""What is made from click's definitions: it is up to date, and a new option or command needs no other place."""

from __future__ import annotations

import sys
from itertools import zip_longest
from types import ModuleType
from typing import TYPE_CHECKING

import click
import pytest
from shells import COMPLETION, PLACES, SHELLS, TABLE

from cltab2systemd.client import options
from cltab2systemd.commands import main as translator
from cltab2systemd.commands import show
from generate import mdoc
from generate.files import MAN, PROJECT, contents
from generate.manpages import BY_HAND, with_commands, with_forms
from generate.model import Command, Kind, Value, programs, read

if TYPE_CHECKING:
    from pathlib import Path

    from click import Parameter


@click.command(name="zap")
@click.argument("file", metavar="[FILE]")
@click.argument("groups", nargs=-1, metavar="[GROUP]…")
@click.option("--at", metavar="LEVEL", multiple=True, help="A level: it's one of GROUP's [sic].  [default: /etc/at]")
@click.option(
    "-w", "--way", type=click.Choice(["fast", "slow"]), required=True, help="How. As `x -y` (FILE) with --at."
)
def zap(**_: object) -> None:
    """Zap groups, and nothing else.

    FILE is left alone.
    """


@pytest.fixture
def extended(monkeypatch: pytest.MonkeyPatch) -> tuple[Command, ...]:
    """The programs, with a new command, and new options of `clinit` and `show`."""
    module = ModuleType("cltab2systemd.commands.zap")
    module.command = zap  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(translator.COMMANDS, "zap", "zap")
    new: list[Parameter] = [click.Option(["-q", "--quick"], is_flag=True, help="Be quick; that's all."),
                            click.Option(["--into"], metavar="DIR", help="Where it goes.")]  # fmt: skip
    for command in (options.command, show.command):
        monkeypatch.setattr(command, "params", [*command.params, *new])
    return programs()


@pytest.mark.parametrize("path", [*contents(programs())], ids=lambda path: path.name)
def test_files_are_as_they_would_be_written(path: Path) -> None:
    """Each file is what `make generated` makes of it."""
    present, wanted = path.read_text().splitlines(), contents(programs())[path].splitlines()
    for number, (found, line) in enumerate(zip_longest(present, wanted), 1):
        assert found == line, f"{path.relative_to(PROJECT)}:{number}: run 'make generated'"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_new_option_and_a_new_command_are_completed(
    extended: tuple[Command, ...], tmp_path: Path, shell: str
) -> None:
    """Their definitions are enough: each shell offers the names, and what the values can be."""
    for name, place in PLACES.items():
        (tmp_path / "share" / place).mkdir(parents=True, exist_ok=True)
        text = contents(extended).get(COMPLETION / name) or (COMPLETION / name).read_text()
        (tmp_path / "share" / place / name).write_text(text)
    (tmp_path / "cltab").write_text(TABLE)

    def offered(line: str) -> set[str]:
        return {*SHELLS[shell](tmp_path, *line.split(" "))}

    assert {"zap", "show"} < offered("cltab2systemd ")
    assert {"--at", "--way", "--help"} == {word for word in offered("cltab2systemd zap --") if word[:2] == "--"}
    assert {"fast", "slow"} == offered("cltab2systemd zap -w ")
    assert {"mail"} == offered("cltab2systemd zap --way fast cltab web m")
    for command in ("clinit", "cltab2systemd show"):
        assert {"--quick", "--into"} < offered(f"{command} --")
        assert {"share"} == offered(f"{command} --into ")


def test_a_new_option_and_a_new_command_are_in_the_man_pages(extended: tuple[Command, ...]) -> None:
    """The pages get them, with what the help says."""
    clinit, translators = (contents(extended)[MAN / name] for name in ("clinit.8", "cltab2systemd.8"))
    new = ".It Fl q , Fl -quick\nBe quick; that's all.\n.It Fl -into Ar DIR\nWhere it goes.\n"

    for page in (clinit, translators):
        assert new in page
        assert ".Op Fl q\n.Op Fl -into Ar DIR\n" in page
    assert (
        """\
.Nm
.Cm zap
.Op Fl -at Ar LEVEL ...
.Fl w Ar WAY
.Op Ar FILE
.Op Ar GROUP ...
.Sh DESCRIPTION
"""
        in translators
    )
    assert (
        """\
.Ss zap [FILE] [GROUP]...\\&
Zap groups, and nothing else.
.Pp
.Ar FILE
is left alone.
.Bl -tag -width Ds
.It Fl -at Ar LEVEL
A level: it's one of GROUP's [sic].
The default is
.Pa /etc/at .
.It Fl w , Fl -way Ar WAY
How.
As
.Ql x -y
.Ar ( FILE )
with
.Fl -at .
It is
.Sq fast
or
.Sq slow .
This option is required.
.El
.Sh ENVIRONMENT
"""
        in translators
    )


def test_what_is_gone_leaves_the_pages(extended: tuple[Command, ...]) -> None:
    """Pages with new options and commands become the present ones again."""
    pages = {path: text for path, text in contents(extended).items() if path.parent == MAN}
    before, section, behind = pages[MAN / "clinit.8"].partition(".Op Fl vw\n")
    shown = read(options.command, "clinit")
    present = [option for option in shown.options if option.names[0] not in {"-q", "--into"}]
    old = Command(shown.words, shown.help, tuple(present), shown.usage, shown.arguments, is_open=shown.is_open)

    assert with_forms(before + ".Op Fl vqw\n" + behind, old) == with_forms(before + section + behind, old)
    assert ".Fl q" not in with_forms(pages[MAN / "clinit.8"], old)
    translators = next(program for program in programs() if program.name == "cltab2systemd")
    few = Command(translators.words, translators.help, translators.options, (), (), is_open=False,
                  commands=translators.commands[:2])  # fmt: skip
    text = with_commands(pages[MAN / "cltab2systemd.8"], few)
    assert [line for line in text.splitlines() if line.startswith(".Ss ")] == [r".Ss check [FILE]...\&",
                                                                             ".Ss compile FILE"]  # fmt: skip


def test_what_was_written_by_hand_stays() -> None:
    """New help takes the place of the old, and not of what was written by hand."""
    page = (MAN / "cltab2systemd.8").read_text()
    old = "Warnings count as errors do: exit with 1.\n"
    by_hand = f"{BY_HAND}\nSay so.\n"
    (translators,) = (program for program in programs() if program.name == "cltab2systemd")

    changed = page.replace(old, f"Something old.\n{by_hand}")
    assert page.replace(old, old + by_hand) == with_commands(changed, translators)


def test_values_are_told_by_their_names() -> None:
    """Files, directories, groups, tags and levels; which table and which group they are of; anything else is free."""
    clinit, operators, translators = programs()
    (log,) = (command for command in operators.commands if command.name == "log")
    (explain,) = (command for command in translators.commands if command.name == "explain")
    (level,) = (command for command in translators.commands if command.name == "import-inittab")

    group, of_host, of_group = (
        Value("GROUP", Kind.GROUPS), Value("LEVEL", Kind.LEVELS), Value("LEVEL", Kind.LEVELS, of=0)
    )  # fmt: skip
    assert clinit.arguments == ((group, of_host), (of_group,))
    assert log.arguments == ((group, Value("TAG", Kind.TAGS)),)
    assert explain.arguments == ((group,), (of_group,))
    assert explain.options[0].value == of_group
    assert {option.value for option in level.options if "--level" in option.names} == {Value("LEVEL", Kind.NOTHING)}
    assert {option.value for option in clinit.options if "--timeout" in option.names} == {
        Value("SECONDS", Kind.NOTHING)
    }


def test_a_choice_that_a_shell_would_read_is_refused() -> None:
    """No completion quotes the words of a choice."""
    command = click.Command("x", params=[click.Option(["--how"], type=click.Choice(["a b"]))])

    with pytest.raises(ValueError, match="--how: 'a b' needs quotes"):
        read(command, "x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two.", ["One.", "Two."]),
        (".x is `a\\b`, or (`c`).", [r"\&.x is", r".Ql a\eb ,", "or", ".Ql ( c ) ."]),
        ("See /etc/cltab. FILE is FIVE, not -x.", ["See", ".Pa /etc/cltab .", ".Ar FILE", "is FIVE, not", ".Fl x ."]),
        ("A - for the standard input", ["A - for the standard input"]),
    ],
)
def test_prose(text: str, expected: list[str]) -> None:
    """Sentences, code, options, paths and names have lines of their own; nothing else is a macro."""
    assert expected == [*mdoc.prose(text, {"FILE"})]
