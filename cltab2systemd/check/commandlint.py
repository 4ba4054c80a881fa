"""What is probably wrong with the words of a command: a builtin alone, a relative path, a comment. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cltab2systemd.check.commandline import calls, is_assignment
from cltab2systemd.check.needs import Kind, needs
from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.table.settings import Kind as SettingKind
from cltab2systemd.table.settings import setting_line
from cltab2systemd.terminal import shortened
from cltab2systemd.units.commands import SHELL, command_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.check.commandline import Call, Word
    from cltab2systemd.check.judged import Judged
    from cltab2systemd.table.model import Entry

# What only changes the shell that runs it. There are programs of some of these names, which change even less.
_BUILTINS = """
    . alias bg cd chdir declare dirs disown enable exit export fg getopts hash jobs let local logout popd pushd readonly
    return set shift shopt source trap typeset ulimit umask unalias unset
"""
# The directive for what a builtin is to do, by the builtin.
_DIRECTIVES = {"cd": "WorkingDirectory=", "chdir": "WorkingDirectory=", "pushd": "WorkingDirectory=",
               "export": "Environment=", "umask": "UMask="}  # fmt: skip
_LIMITS = {"c": "CORE", "d": "DATA", "e": "NICE", "f": "FSIZE", "i": "SIGPENDING", "l": "MEMLOCK", "m": "RSS",
           "n": "NOFILE", "q": "MSGQUEUE", "r": "RTPRIO", "s": "STACK", "t": "CPU", "u": "NPROC", "v": "AS",
           "x": "LOCKS"}  # fmt: skip
# Directives that decide where a relative path begins.
_WHERE = frozenset(["WorkingDirectory"])
# Words such as `#fff` may be meant; a sign that stands alone, with more behind it, is not.
_COMMENT = re.compile(r"(?:^|[ \t])(#+[ \t]+\S.*)$")


def findings(command: Judged) -> Iterator[Diagnostic]:
    """Findings about the words of a command; none about what takes a shell to understand."""
    found = [call for call in calls(command.text) if call.words]
    if found:
        yield from _builtin_alone(command, found)
    yield from _relative_program(command)
    yield from _comment(command)


def _finding(command: Judged, code: str, word: Word, message: str, hint: str) -> Diagnostic:
    place = command.place.part(word.start, word.end - word.start)
    return Diagnostic.of(code, place, message, source=command.line, hint=hint)


def _builtin_alone(command: Judged, found: list[Call]) -> Iterator[Diagnostic]:
    firsts = [_first(call) for call in found]
    if all(first is not None for first in firsts):
        first = firsts[0]
        assert first is not None
        what = "an assignment" if is_assignment(first) else f"'{first.text}'"
        alone = "this command runs nothing else in it" if _goes_to_shell(command) else "this command goes to none"
        yield _finding(
            command,
            "builtin-alone",
            first,
            f"{what} only changes the shell that runs it, and {alone}",
            _instead(command.entry, found[0], first),
        )


def _goes_to_shell(command: Judged) -> bool:
    return command_words(command.text) == (SHELL, "-c", command.text)


def _first(call: Call) -> Word | None:
    """The builtin of a call, or the assignment that is all of it; None if it runs something."""
    words = call.words
    index = next((index for index, word in enumerate(words) if not is_assignment(word)), None)
    if index is None:
        return words[0]
    if words[index].text in {"exec", "command", "builtin"} and index + 1 < len(words):
        index += 1
    return words[index] if words[index].text in _BUILTINS.split() else None


def _instead(entry: Entry, call: Call, first: Word) -> str:
    setting = _setting(entry)
    name = first.text
    if is_assignment(first):
        return f"{setting}Environment= sets it for the command"
    if directive := _DIRECTIVES.get(name):
        return f"{setting}{directive} does so for a command; or put the program behind it, '{name} … && PROGRAM'"
    if name == "ulimit":
        letters = [c for word in call.words[1:] if word.text.startswith("-") for c in word.text[1:] if c in _LIMITS]
        limit = f"Limit{_LIMITS[letters[0]]}=" if letters else "LimitFSIZE="
        return f"{setting}{limit} does so for a command; or put the program behind it, 'ulimit … && PROGRAM'"
    if name in {"exit", "return", "logout"}:
        ending = "a test that always fails is 'false', one that always passes 'true'"
        return ending if entry.mode.is_judged else "an entry that is to do nothing has the mode 'off'"
    if name in {".", "source"}:
        return "to run the file as a program, write its path alone; to use what it sets, '. FILE && PROGRAM'"
    return f"put the program that it is for behind it: '{name} …; PROGRAM'"


def _setting(entry: Entry) -> str:
    """What a line begins with that gives the entry a directive."""
    return setting_line(SettingKind.SERVICE, shortened(entry.tag))


def _relative_program(command: Judged) -> Iterator[Diagnostic]:
    """The first program, or script for a shell, that is looked for in / and can hardly be there."""
    if any(directive.name in _WHERE and directive.value for directive in command.directives):
        return
    for need in needs(command.text):
        is_relative = "/" in need.text and not need.text.startswith("/")
        is_in_root = is_relative and need.kind in {Kind.PROGRAM, Kind.FILE} and need.directory == "/"
        if is_in_root and not need.may_be_made(()):
            yield Diagnostic.of(
                "relative-program",
                command.place.part(need.start, need.end - need.start),
                f"entries run in the directory /, so '{shortened(need.text)}' is looked for there",
                source=command.line,
                hint=f"write its whole path, or add {_setting(command.entry)}WorkingDirectory=/DIRECTORY",
            )
            return


def _comment(command: Judged) -> Iterator[Diagnostic]:
    """Without a shell, a `#` is a word like any other, and so is all that is behind it."""
    if (match := _COMMENT.search(command.text)) and not _goes_to_shell(command):
        start, end = match.span(1)
        yield Diagnostic.of(
            "comment-in-command",
            command.place.part(start, end - start),
            "only a shell takes this for a comment, and the command needs none: its words are arguments",
            source=command.line,
            hint="put the comment on a line of its own, with '#' in the first column; or 'exec' before the command",
        )
