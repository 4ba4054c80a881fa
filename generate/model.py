"""The commands as completions and man pages see them, read off click's definitions.

What a value can be is told by its name, which is its metavar: what people read as FILE is completed as a file. So an
option is defined in one place.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from cltab2systemd.client import options
from cltab2systemd.commands import main as translator
from cltab2systemd.operators import program as operators

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEFAULT = re.compile(r" *\[default: (.+)\]$")
# As in `[[GROUP] LEVEL]`: the first of two arguments may be left out.
_FIRST_OPTIONAL = re.compile(r"\[\[\w+\] (\w+)\]")
# As in `[GROUP|TAG]`: either may stand there.
_ALTERNATIVES = "|"
_REPEATED = ("…", "...")
_HELP = "--help"
_HELP_TEXT = "Show a short help and exit."  # click's own speaks of "this message"
_PLAIN_WORD = re.compile(r"[\w.+-]+")


class Kind(enum.StrEnum):
    """What can stand where a value does."""

    FILES = "files"
    DIRECTORIES = "directories"
    GROUPS = "groups"
    LEVELS = "levels"
    TAGS = "tags"
    WORDS = "words"
    NOTHING = "nothing"


# Names that tell what the value is; any other value is free text.
KINDS = {
    "FILE": Kind.FILES,
    "OLD": Kind.FILES,
    "PATH": Kind.FILES,
    "DIR": Kind.DIRECTORIES,
    "GROUP": Kind.GROUPS,
    "LEVEL": Kind.LEVELS,
    "TAG": Kind.TAGS,
}


@dataclass(frozen=True, slots=True)
class Value:
    """What an option takes, or an argument is.

    Attributes:
        name: what people read, such as FILE.
        kind: what is offered.
        words: all values that there are, for Kind.WORDS.
        of: which argument of the command, from 0, is the table that groups are of, or the group that levels are of.
            None is the table that options name, and the group that is named like this host.
    """

    name: str
    kind: Kind
    words: tuple[str, ...] = ()
    of: int | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a command.

    Attributes:
        names: with their hyphens, the short ones first.
        help: what it does, in whole sentences, without the default.
        value: what it takes; None for a flag.
        default: what is taken if it is not given, where people are told of it.
        is_required: whether it has to be given.
        is_repeatable: whether it may be given more than once.
        is_alone: whether nothing else counts beside it, as with --help.
    """

    names: tuple[str, ...]
    help: str
    value: Value | None
    default: str | None
    is_required: bool
    is_repeatable: bool
    is_alone: bool

    @property
    def summary(self) -> str:
        """What it does, in a few words."""
        return _summary(self.help)


@dataclass(frozen=True, slots=True)
class Command:
    """A program, or a command of one.

    Attributes:
        words: how it is called: `cltab2systemd`, `check`.
        help: the paragraphs of its help.
        options: in the order of the definition, --help last.
        usage: its arguments as people read them, such as `[FILE]` and `[GROUP]…`.
        arguments: what can stand at each place of an argument.
        is_open: whether the last argument may be repeated.
        commands: what a program has for its first argument.
    """

    words: tuple[str, ...]
    help: tuple[str, ...]
    options: tuple[Option, ...]
    usage: tuple[str, ...]
    arguments: tuple[tuple[Value, ...], ...]
    is_open: bool
    commands: tuple[Command, ...] = ()

    @property
    def name(self) -> str:
        """The last of its words."""
        return self.words[-1]

    @property
    def summary(self) -> str:
        """What it does, in a few words."""
        return _summary(self.help[0])


def programs() -> tuple[Command, ...]:
    """All programs that click parses the command line of."""
    return (
        read(options.command, "clinit"),
        read(operators.group, "clinitctl"),
        read(translator.group, "cltab2systemd"),
    )


def with_commands(all_programs: tuple[Command, ...]) -> Iterator[Command]:
    """Programs, each with its commands behind it."""
    for program in all_programs:
        yield program
        yield from program.commands


def read(command: click.Command, *words: str, parent: click.Context | None = None) -> Command:
    """A command of click's, and what it has below it.

    Args:
        command: the definition.
        words: how it is called.
        parent: what it is below, whose settings it has.
    """
    below: list[Command] = []
    with click.Context(command, parent, info_name=words[-1], **command.context_settings) as context:
        parameters = command.get_params(context)
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                below.append(read(found, *words, name, parent=context))
    usage = tuple(_name(parameter) for parameter in parameters if isinstance(parameter, click.Argument))
    places = [place for text in usage for place in _places(text)]
    return Command(
        words,
        tuple(" ".join(paragraph.split()) for paragraph in (command.help or "").split("\n\n") if paragraph.strip()),
        tuple(_option(parameter, places) for parameter in parameters if isinstance(parameter, click.Option)),
        usage,
        tuple(tuple(_value(name, places, place) for name in names) for place, names in enumerate(places)),
        bool(usage) and usage[-1].endswith(_REPEATED),
        tuple(below),
    )


def _name(parameter: click.Parameter) -> str:
    return parameter.metavar or (parameter.name or "").rstrip("_").upper()


def _places(usage: str) -> list[tuple[str, ...]]:
    """The names of what can stand at each place of an argument, which may be several words."""
    names = re.findall(r"\w+", usage)
    if _ALTERNATIVES in usage:
        return [tuple(names)]
    places: list[tuple[str, ...]] = [(name,) for name in names]
    if _FIRST_OPTIONAL.fullmatch(usage):
        places[0] = (*places[0], *places[1])
    return places


def _value(name: str, places: list[tuple[str, ...]], place: int | None = None) -> Value:
    """What a name stands for, at a place of the arguments or, for None, behind an option."""
    kind = KINDS.get(name, Kind.NOTHING)
    before = places[:place]
    if kind is Kind.GROUPS:
        return Value(name, kind, of=_place_of("FILE", before))
    if kind is Kind.LEVELS:
        group = _place_of("GROUP", before)
        if group is None and (place is None or "GROUP" not in places[place]):
            kind = Kind.NOTHING  # nobody knows of which group
        return Value(name, kind, of=group)
    return Value(name, kind)


def _place_of(name: str, places: list[tuple[str, ...]]) -> int | None:
    return next((index for index, names in enumerate(places) if names[0] == name), None)


def _option(option: click.Option, places: list[tuple[str, ...]]) -> Option:
    text = " ".join((option.help or "").split()) if _HELP not in option.opts else _HELP_TEXT
    default = found[1] if (found := _DEFAULT.search(text)) else None
    if default is None and option.show_default and option.default is not None:
        default = str(option.default)
    return Option(
        # click has the names of --help in no order.
        tuple(sorted((*option.opts, *option.secondary_opts), key=lambda name: name.startswith("--"))),
        _DEFAULT.sub("", text),
        None if option.is_flag or option.count else _value_of(option, places),
        default,
        option.required,
        option.multiple or option.count,
        option.is_eager and option.is_flag,
    )


def _value_of(option: click.Option, places: list[tuple[str, ...]]) -> Value:
    if not isinstance(option.type, click.Choice):
        return _value(_name(option), places)
    words = tuple(map(str, option.type.choices))
    for word in words:
        if not _PLAIN_WORD.fullmatch(word):
            raise ValueError(f"{option.opts[-1]}: {word!r} needs quotes that no completion has yet")
    return Value(_name(option), Kind.WORDS, words)


def _summary(text: str) -> str:
    """The beginning of a text, up to where it goes into detail, without markup and full stop."""
    return re.split(r"[.:;](?:\s|$)", text, maxsplit=1)[0].replace("`", "")
