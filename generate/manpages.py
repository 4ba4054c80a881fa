r"""The parts of man pages that tell options: written from the definitions, with what somebody wrote by hand kept.

Below an option, or the heading of a command, stands what its help says. What is behind the comment `.\" by hand` is
kept. An option or a command that is new gets a place, one that is gone loses it.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from generate import mdoc
from generate.model import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from generate.model import Command, Option

BY_HAND = r".\" by hand"
_LIST = ".Bl -tag -width Ds"
_LIST_END = ".El"
_HELP = "--help"


def with_options(page: str, program: Command) -> str:
    """A page with the section OPTIONS of a program."""
    before, section, behind = _section(page, "OPTIONS")
    start = section.index(_LIST)
    end = start + section[start:].index(_LIST_END) + 1
    items = [*_list(section[start:end], program, program.options)]
    return _joined(before, section[:start], items, section[end:], behind)


def with_commands(page: str, program: Command) -> str:
    """A page with the sections SYNOPSIS and COMMANDS of a program that has commands."""
    before, _, behind = _section(page, "SYNOPSIS")
    page = _joined(before, (line for command in program.commands for line in _synopsis(command)), behind)
    before, section, behind = _section(page, "COMMANDS")
    old = _parts(section, ".Ss ", lambda line: line.split()[1])
    return _joined(before, (line for command in program.commands for line in _command(command, old)), behind)


def with_forms(page: str, program: Command) -> str:
    """A page with a SYNOPSIS by hand: options that no form has get into the first, those that are gone get out.

    Which options go together is nothing that the definitions tell. --help and --version are not shown.
    """
    before, section, behind = _section(page, "SYNOPSIS")
    options = [option for option in program.options if not option.is_alone]
    known = {name for option in options for name in option.names}
    shown: set[str] = set()
    lines = []
    for line in section:
        flags = _flags(line)
        shown.update(flags)
        if kept := [flag for flag in flags if flag in known]:
            # Letters without a value share one macro.
            lines.append(line if kept == flags else f".Op Fl {''.join(flag[1:] for flag in kept)}")
        elif not flags:
            lines.append(line)
    missing = [option for option in options if shown.isdisjoint(option.names)]
    # Options stand before the arguments of the first form.
    place = next(index for index, line in enumerate(lines) if index and not _flags(line))
    return _joined(before, lines[:place], map(_synopsis_option, missing), lines[place:], behind)


def _flags(line: str) -> list[str]:
    """The options in a line of a synopsis, as they are typed."""
    found = re.fullmatch(r"\.(?:Op )?Fl (-?)([\w-]+)(?: .*)?", line)
    if found is None:
        return []
    return [f"--{found[2]}"] if found[1] else [f"-{letter}" for letter in found[2]]


def _command(command: Command, old: dict[str, list[str]]) -> Iterator[str]:
    usage = " ".join((command.name, *command.usage)).replace("…", "...")
    # At the end of a line, a bracket or a full stop may be the end of a sentence.
    yield f".Ss {usage}" + (r"\&" if usage[-1] in "].)" else "")
    names = _names(command)
    yield from mdoc.prose(command.help[0], names)
    if command.name in old:
        section = old[command.name]
        start = section.index(_LIST) if _LIST in section else len(section)
        yield from _by_hand(section[:start])
        items = section[start:]
    else:
        items = []
        for paragraph in command.help[1:]:
            yield ".Pp"
            yield from mdoc.prose(paragraph, names)
    if options := [option for option in command.options if _HELP not in option.names]:
        end = items.index(_LIST_END) + 1 if items else 0
        yield from _list(items[:end], command, options)
        yield from items[end:]
    elif _LIST_END in items:
        yield from items[items.index(_LIST_END) + 1 :]


def _list(old: list[str], command: Command, options: Iterable[Option]) -> Iterator[str]:
    """The list of options, with what the old list has by hand."""
    items = _parts(old[1:-1], ".It ", lambda line: " ".join(_item_names(line)))
    yield _LIST
    for option in options:
        shown = " , ".join(f"Fl {name[1:]}" for name in option.names)
        yield f".It {shown}{f' Ar {option.value.name}' if option.value else ''}"
        yield from _body(option, _names(command))
        yield from next((_by_hand(part) for key, part in items.items() if {*key.split()} & {*option.names}), [])
    yield _LIST_END


def _body(option: Option, names: set[str]) -> Iterator[str]:
    yield from mdoc.prose(option.help, names | ({option.value.name} if option.value else set()))
    if option.value and option.value.kind is Kind.WORDS:
        *most, last = option.value.words
        yield "It is"
        yield from (f".Sq {word} ," for word in most[:-1])
        yield from (f".Sq {word}" for word in most[-1:])
        yield "or"
        yield f".Sq {last} ."
    if option.is_required:
        yield "This option is required."
    if option.default is not None:
        macro = "Pa" if option.default.startswith("/") else "Sq"
        yield "The default is"
        yield f".{macro} {option.default} ."


def _synopsis(command: Command) -> Iterator[str]:
    yield ".Nm"
    yield f".Cm {command.name}"
    for option in command.options:
        if not option.is_alone:
            yield _synopsis_option(option)
    yield from (f".{mdoc.argument(usage)}" for usage in command.usage)


def _synopsis_option(option: Option) -> str:
    """An option by its shortest name."""
    value = f" Ar {option.value.name}" if option.value else ""
    shown = f"Fl {min(option.names, key=len)[1:]}{value}"
    if option.is_repeatable:
        shown += " ..." if option.value else ""
    return f".{shown}" if option.is_required else f".Op {shown}"


def _names(command: Command) -> set[str]:
    """The words that stand for what people give to a command."""
    return {name for usage in command.usage for name in re.findall(r"\w+", usage)}


def _item_names(line: str) -> list[str]:
    """The options that an item is about."""
    return [f"-{name}" for name in re.findall(r"\bFl (-?[\w-]+)", line)]


def _by_hand(lines: list[str]) -> list[str]:
    """What was written by hand in a part of a page, with the comment before it."""
    return lines[lines.index(BY_HAND) :] if BY_HAND in lines else []


def _section(page: str, name: str) -> tuple[list[str], list[str], list[str]]:
    """The lines up to the heading of a section, those of the section, and those behind it."""
    lines = page.splitlines()
    start = lines.index(f".Sh {name}") + 1
    length = sum(1 for _ in itertools.takewhile(lambda line: not line.startswith(".Sh "), lines[start:]))
    return lines[:start], lines[start : start + length], lines[start + length :]


def _parts(lines: list[str], mark: str, key: Callable[[str], str]) -> dict[str, list[str]]:
    """What stands below each of the lines that begin with a mark, by what the key makes of that line."""
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith(mark):
            part = found.setdefault(key(line), [])
        else:
            part.append(line)
    return found


def _joined(*parts: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in itertools.chain(*parts))
