"""What the completions of bash, zsh and fish know of the commands, as lines for their files. Pure.

In bash and fish a value is a word such as `@files`, `@levels:0` (of the group that is argument 0) or `text|json`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from generate.model import Kind, with_commands

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from generate.model import Command, Option, Value

_ZSH_ACTIONS = {
    Kind.FILES: "_files",
    Kind.DIRECTORIES: "_files -/",
    Kind.NOTHING: " ",
}


def _word(values: Iterable[Value]) -> str:
    """What can stand at one place, as one word."""
    words: list[str] = []
    for value in values:
        if value.kind is Kind.WORDS:
            words += value.words
        else:
            words.append(f"@{value.kind}" if value.of is None else f"@{value.kind}:{value.of}")
    return "|".join(dict.fromkeys(words))


def _arguments(command: Command) -> list[str]:
    """What can stand at each place of a command's arguments; the last word ends in `+` if it may be repeated."""
    words = [_word(values) for values in command.arguments]
    if command.is_open:
        words[-1] += "+"
    return words


# bash


def bash(programs: tuple[Command, ...]) -> Iterator[str]:
    """The function that tells for the words of a command its options, their values, arguments and commands."""
    yield "_cltab_of() {"
    yield "\toptions='' values='' arguments='' commands=''"
    yield "\tcase $1 in"
    for command in with_commands(programs):
        yield f"\t{_quoted(' '.join(command.words)) if command.words[1:] else command.name})"
        names = [name for option in command.options for name in option.names]
        yield f"\t\toptions='{' '.join(names)}'"
        values = [
            f"{name}={_word([option.value])}" for option in command.options if option.value for name in option.names
        ]
        if values:
            yield f"\t\tvalues='{' '.join(values)}'"
        if command.arguments:
            yield f"\t\targuments='{' '.join(_arguments(command))}'"
        if command.commands:
            yield f"\t\tcommands='{' '.join(below.name for below in command.commands)}'"
        yield "\t\t;;"
    yield "\tesac"
    yield "}"


# zsh


def zsh(programs: tuple[Command, ...]) -> Iterator[str]:
    """The functions that tell what a command takes, in the words of _arguments, and which commands a program has."""
    yield "_cltab_of() {"
    yield "\tcase $1 in"
    for command in with_commands(programs):
        yield f"\t{_quoted(' '.join(command.words)) if command.words[1:] else command.name})"
        yield "\t\ttakes=("
        yield from (f"\t\t\t{taken}" for taken in (*map(_zsh_option, command.options), *_zsh_arguments(command)))
        yield "\t\t)"
        yield "\t\t;;"
    yield "\tesac"
    yield "}"
    yield ""
    yield "_cltab_commands_of() {"
    yield "\tcase $1 in"
    for program in programs:
        if program.commands:
            yield f"\t{program.name})"
            yield "\t\tcommands=("
            for command in program.commands:
                yield f"\t\t\t{_quoted(f'{command.name}:{command.summary}')}"
            yield "\t\t)"
            yield "\t\t;;"
    yield "\tesac"
    yield "}"


def _zsh_option(option: Option) -> str:
    shown = option.summary
    for character in "\\[]:":
        shown = shown.replace(character, f"\\{character}")
    text = f"[{shown}]{_zsh_value([option.value]) if option.value else ''}"
    names = [_zsh_name(option, name) for name in option.names]
    # What may stand there no more when the option does.
    without = "(- *)" if option.is_alone else "*" if option.is_repeatable else f"({' '.join(option.names)})"
    if len(names) == 1:
        return _quoted(f"{without if option.is_alone or option.is_repeatable else ''}{names[0]}{text}")
    return f"'{without}'{{{','.join(names)}}}{_quoted(text)}"


def _zsh_name(option: Option, name: str) -> str:
    if not option.value:
        return name
    return f"{name}=" if name.startswith("--") else f"{name}+"


def _zsh_arguments(command: Command) -> Iterator[str]:
    if command.commands:
        yield "'1:command:->command'"
        yield "'*::argument:->argument'"
    for place, values in enumerate(command.arguments, 1):
        is_repeated = command.is_open and place == len(command.arguments)
        yield _quoted(f"{'*' if is_repeated else place}{_zsh_value(values)}")


def _zsh_value(values: Iterable[Value]) -> str:
    """The message and the action for what can stand at one place."""
    values = [*values]
    names = dict.fromkeys(value.name.lower() for value in values)
    actions = [*dict.fromkeys(map(_zsh_action, values))]
    action = actions[0] if len(actions) == 1 else f"{{{';'.join(actions)}}}"
    return f":{' or '.join(names)}:{action}"


def _zsh_action(value: Value) -> str:
    if value.kind is Kind.WORDS:
        return f"({' '.join(value.words)})"
    if value.kind in _ZSH_ACTIONS:
        return _ZSH_ACTIONS[value.kind]
    # A blank before it keeps zsh from putting options of its own between the words. Its arrays begin at 1.
    return f" _cltab_{value.kind}{'' if value.of is None else f' {value.of + 1}'}"


# fish


def fish_values(programs: tuple[Command, ...]) -> Iterator[str]:
    """The function that prints the options of a command that have a value."""
    yield "function __cltab_valued"
    yield '    switch "$argv"'
    for command in with_commands(programs):
        if names := [name for option in command.options if option.value for name in option.names]:
            yield f"        case {_fish_quoted(' '.join(command.words)) if command.words[1:] else command.name}"
            yield f"            string split ' ' -- '{' '.join(names)}'"
    yield "    end"
    yield "end"


def fish(program: Command) -> Iterator[str]:
    """What fish is told of one program."""
    condition = f" -n '__cltab_is {program.name}'" if program.commands else ""
    start = f"complete -c {program.name}{condition}"
    if program.commands:
        yield f"{start} -f"
    for command in program.commands:
        yield f"{start} -a {command.name} -d {_fish_quoted(command.summary)}"
    yield from _fish_command(program, condition)
    for command in program.commands:
        yield from _fish_command(command, f" -n '__cltab_is {program.name} {command.name}'")


def _fish_command(command: Command, condition: str) -> Iterator[str]:
    start = f"complete -c {command.words[0]}{condition}"
    # Files are what fish offers if it is told nothing.
    if any(value.kind is not Kind.FILES for values in command.arguments for value in values):
        places = " ".join(f'"{word}"' for word in _arguments(command))
        yield f"{start} -f -k -a {_fish_quoted(f'(__cltab_argument {command.words[0]} {places})')}"
    elif not command.arguments and not command.commands:
        yield f"{start} -f"
    for option in command.options:
        names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
        yield f"{start} {names}{_fish_value(command, option.value)} -d {_fish_quoted(option.summary)}"


def _fish_value(command: Command, value: Value | None) -> str:
    if value is None:
        return ""
    match value.kind:
        case Kind.FILES:
            return " -r -F"
        case Kind.NOTHING:
            return " -x"
        case Kind.WORDS:
            return f" -x -a {_fish_quoted(' '.join(value.words))}"
    return f" -x -k -a {_fish_quoted(f'(__cltab_value {command.words[0]} {_word([value])})')}"


def _quoted(text: str) -> str:
    """A text as one word of bash or zsh."""
    return "'" + text.replace("'", "'\\''") + "'"


def _fish_quoted(text: str) -> str:
    """A text as one word of fish."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
