"""What commands have that bash knows and dash does not: words, operators, braces, `&>`, and `~` without HOME.

Known is what dash 0.5.12 does, which is Debian's; tests/check/test_dash.py asks it. Not judged are words that a command
makes functions or aliases, and those of a command that asks which shell it is in.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

from cltab2systemd.check.commandline import LONGEST, Kind, Word, is_assignment, tokens, word_of
from cltab2systemd.check.filesystem import What
from cltab2systemd.check.needs import DEFAULT_PATH
from cltab2systemd.check.programs import background
from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.table.settings import Kind as SettingKind
from cltab2systemd.table.settings import setting_line
from cltab2systemd.terminal import shortened
from cltab2systemd.units.commands import SHELL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cltab2systemd.check.commandline import Token
    from cltab2systemd.check.judged import Judged
    from cltab2systemd.check.machine.places import Places

# What bash has built in, and dash looks for as a program; what to write instead.
_IN_BASH = "have bash run it: exec bash -c '…'"
_WORDS = {
    "[[": "write '[ … ]', whose '=' compares, or " + _IN_BASH,
    "source": "write '.' for it, with the whole path of the file",
    "let": "write 'x=$((…))'",
    "pushd": "write 'cd'",
    "popd": "write 'cd'",
} | dict.fromkeys(("declare", "disown", "mapfile", "readarray", "shopt", "typeset"), _IN_BASH)
# What a command has that makes such words its own, or shows that its author knows of shells.
_OWN = re.compile(r"\balias\b|\bBASH|\bfunction\b|\)\s*\{|\bcase\b")
# Behind these, a command begins.
_BEFORE_COMMANDS = frozenset(["!", "{", "if", "then", "elif", "else", "while", "until", "do", "time"])
_RANGE = re.compile(r"\{(?:-?\d+\.\.-?\d+|[A-Za-z]\.\.[A-Za-z])(?:\.\.-?\d+)?\}")
_LIST = re.compile(r"\{[^{},\s]*(?:,[^{},\s]*)+\}")
# Programs that are given paths, and do nothing with braces of their own.
_OF_PATHS = frozenset(["cat", "chgrp", "chmod", "chown", "cp", "for", "install", "ln", "ls", "mkdir", "mv", "rm",
                       "rmdir", "touch"])  # fmt: skip
_QUOTED = re.compile(r"""'[^']*'|"(?:[^"\\]|\\.)*"|\\.|\$\{[^}]*\}|`[^`]*`|\$\(+[^)]*\)+""", re.DOTALL)
_HOME = re.compile(r"~(?:/|\Z)")
# The words of a comparison, as in `a == b`.
_COMPARISON = 3
# Directives by which systemd sets HOME, or may.
_GIVING_HOME = frozenset(["User", "DynamicUser", "PAMName", "SetLoginEnvironment", "EnvironmentFile"])


class _Simple(NamedTuple):
    """A simple command: its words behind assignments, and the targets of its redirections."""

    words: list[Word]
    targets: list[Word]


def findings(command: Judged, places: Places) -> Iterator[Diagnostic]:
    """Findings about a command that dash reads, on a machine with such a shell."""
    if len(command.text) > LONGEST:
        return
    found = [*tokens(command.text)]
    commands = _simple_commands(found)
    if not _OWN.search(command.text):
        for simple in commands:
            yield from _word(command, simple.words, places)
    for simple in commands:
        yield from _operator(command, simple.words, places)
        yield from _braces(command, simple.words, places)
    yield from _both_outputs(command, found, places)
    if "HOME" not in command.text and not any(
        given.name in _GIVING_HOME or "HOME" in given.value for given in command.directives
    ):
        yield from _home(command, commands, places)


def _simple_commands(found: Sequence[Token]) -> list[_Simple]:
    """The simple commands of a line, wherever they stand in it, as far as its words tell."""
    commands = [_Simple([], [])]
    is_target = False
    for token in found:
        if token.kind is Kind.COMMENT or token.kind is Kind.OPEN:
            break
        if token.kind is Kind.REDIRECTION:
            is_target = True
        elif token.kind is not Kind.WORD:
            commands.append(_Simple([], []))
            is_target = False
        elif is_target:
            commands[-1].targets.append(word_of(token))
            is_target = False
        elif commands[-1].words or not (token.raw in _BEFORE_COMMANDS or is_assignment(word_of(token))):
            commands[-1].words.append(word_of(token))
    return [command for command in commands if command.words or command.targets]


def _word(command: Judged, words: Sequence[Word], places: Places) -> Iterator[Diagnostic]:
    """A builtin of bash, which dash looks for as a program."""
    if not words or words[0].raw not in _WORDS or places.installs:
        return
    name = words[0].raw
    if places.root.search(name, DEFAULT_PATH).what is What.MISSING:
        message = f"{SHELL} is dash on {places.root.name}, which does not know '{name}', and there is no such program"
        yield _at(command, "missing-program", words[0], message, _WORDS[name])


def _operator(command: Judged, words: Sequence[Word], places: Places) -> Iterator[Diagnostic]:
    """`==` between the words of a test, which dash cannot compare."""
    if not words or words[0].raw not in {"test", "["}:
        return
    arguments = [*words[1 : -1 if words[0].raw == "[" and words[-1].raw == "]" else None]]
    part: list[Word] = []
    for word in (*arguments, None):
        if word is not None and word.raw not in {"-a", "-o"}:
            part += [] if word.raw == "!" and not part else [word]
            continue
        if len(part) == _COMPARISON and part[1].text == "==":
            message = (
                f"{SHELL} is dash on {places.root.name}, whose '{words[0].raw}' does not know '==': it ends with 2"
            )
            yield _at(command, "other-shell", part[1], message, "write '='")
        part = []


def _braces(command: Judged, words: Sequence[Word], places: Places) -> Iterator[Diagnostic]:
    """Braces that only other shells make words of; the first of a command."""
    for word in words:
        bare = _QUOTED.sub(lambda match: "_" * len(match[0]), word.raw)
        match = _RANGE.search(bare) or (_LIST.search(bare) if words[0].text in _OF_PATHS else None)
        if match:
            braces = word.raw[match.start() : match.end()]
            part = Word(braces, braces, word.start + match.start())
            message = f"{SHELL} is dash on {places.root.name}, which makes no words of '{shortened(braces)}'"
            yield _at(command, "other-shell", part, message, "write the words one by one, or " + _IN_BASH)
            return


def _both_outputs(command: Judged, found: Sequence[Token], places: Places) -> Iterator[Diagnostic]:
    """`&>`, of which the `&` puts what is before it into the background. Of some it is told as that."""
    is_told = command.check is None and command.entry.mode.is_restarted and background(command.text) is not None
    for before, token in itertools.pairwise(found):
        if before.raw == "&" and token.raw in {">", ">>"} and token.start == before.end and not is_told:
            sign = Word("&" + token.raw, "&" + token.raw, before.start)
            message = (
                f"{SHELL} is dash on {places.root.name}, which takes no '{sign.raw}' for a redirection: the '&' puts "
                "what is before it into the background, and nothing asks how that ends"
            )
            yield _at(command, "other-shell", sign, message, f"write '{token.raw}FILE 2>&1'")


def _home(command: Judged, commands: Sequence[_Simple], places: Places) -> Iterator[Diagnostic]:
    """`~` where systemd sets no HOME; the first."""
    words = (word for simple in commands for word in (*simple.words, *simple.targets))
    word = next((word for word in words if _HOME.match(word.raw)), None)
    if word is None:
        return
    message = (
        f"systemd sets no HOME for an entry without User=, and {SHELL}, which is dash on {places.root.name}, leaves "
        f"'{shortened(word.raw)}' as it is then"
    )
    tag = shortened(command.entry.tag)
    hint = f"write the whole path, or add {setting_line(SettingKind.SERVICE, tag)}Environment=HOME=/DIRECTORY"
    yield _at(command, "other-shell", word, message, hint)


def _at(command: Judged, code: str, word: Word, message: str, hint: str) -> Diagnostic:
    place = command.place.part(word.start, word.end - word.start)
    return Diagnostic.of(code, place, message, source=command.line, hint=hint)
