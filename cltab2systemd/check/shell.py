"""What this machine's shell cannot read of a table's commands.

The shell only reads (`sh -n`). One process takes a millisecond, so commands are put together into one script, in a
way that no command can hide what is wrong with another, and only if something is wrong is the one looked for.
"""

from __future__ import annotations

import re
import subprocess
from itertools import islice
from typing import TYPE_CHECKING

from cltab2systemd.check.commandline import is_closed, open_quote
from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.terminal import shortened
from cltab2systemd.text import decoded, encoded
from cltab2systemd.units.commands import SHELL, command_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cltab2systemd.check.judged import Judged


# After so many commands that the shell cannot read, the others are not looked at: each takes some milliseconds.
MOST_SYNTAX_ERRORS = 100
# Commands that take a process of their own, likewise.
MOST_ALONE = 500

_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

# What commands are put into, by the word that ends it; a command that has this word nowhere cannot end it.
_FRAMES = {"done": "while :; do\n%s\ndone\n", "}": "{\n%s\n}\n"}

_MESSAGE = re.compile(r"^[^:\n]*: (?:-c: )?(?:line )?(?:\d+: )?(.*)", re.MULTILINE)
_UNEXPECTED = re.compile(r"\"([^\"\n]+)\" unexpected|unexpected token `([^'\n]+)'|unexpected \"([^\"\n]+)\"")
_AT_END = re.compile(r"end of (?:file|line)|EOF|newline|Missing", re.IGNORECASE)
_TRIES = 8


def findings(commands: Sequence[Judged]) -> Iterator[Diagnostic]:
    """Findings about commands that go to the shell and that it cannot read."""
    to_shell = {c.text: None for c in commands if command_words(c.text) == (SHELL, "-c", c.text)}
    try:
        wrong = {command: _complaint(command) for command in islice(_unreadable([*to_shell]), MOST_SYNTAX_ERRORS)}
    except FileNotFoundError:
        return  # a machine without a shell has none to ask
    for command in commands:
        if complaint := wrong.get(command.text):
            start, width = _range(command.text, complaint)
            yield Diagnostic.of(
                "shell-syntax",
                command.place.part(start, width),
                f"{SHELL} cannot read the command: {shortened(complaint)}",
                source=command.line,
                hint=_advice(complaint),
            )


def _advice(complaint: str) -> str:
    if "quote" in complaint or "matching" in complaint:
        return "close the quote, or put a backslash before a quote that is meant as it is"
    return f"{SHELL} runs the command; what only another shell can read goes into a script"


def _unreadable(commands: Sequence[str]) -> Iterator[str]:
    """The commands that the shell cannot read, some in the order given, then others."""
    together: list[str] = []
    alone: list[str] = []
    for command in commands:
        (together if _frame(command) else alone).append(command)
    yield from _unreadable_together(together)
    yield from (command for command in alone[:MOST_ALONE] if _complaint(command))


def _unreadable_together(commands: Sequence[str]) -> Iterator[str]:
    """Those of many, by halves: a few processes for each that is wrong."""
    if len(commands) == 1:
        if _complaint(commands[0]):
            yield commands[0]
    elif commands and _read_by_shell(("-n",), _script(commands)):
        middle = len(commands) // 2
        yield from _unreadable_together(commands[:middle])
        yield from _unreadable_together(commands[middle:])


def _script(commands: Sequence[str]) -> str:
    """A script of all commands that the shell can read only if it can read each.

    Each command stands in a frame of its own: it starts at the beginning of a line and of a list, and cannot end the
    frame. What it leaves open needs an end of its own, or takes the frame's, and then one is missing in the end.
    """
    return "".join(_FRAMES[frame] % command for command in commands if (frame := _frame(command)))


def _frame(command: str) -> str | None:
    """The frame in which a command can stand among others; None if it is to be read alone."""
    # After a wrong `[[`, bash reads the rest of a script differently, and says that all is well.
    if "[[" in command or not is_closed(command):
        return None
    return next((end for end in _FRAMES if end not in command), None)


def _complaint(command: str) -> str:
    """What the shell says about a command that it cannot read; empty if it can."""
    return _read_by_shell(("-n", "-c", "--", command), "")


def _read_by_shell(arguments: tuple[str, ...], script: str) -> str:
    done = subprocess.run(
        [SHELL, *arguments], input=encoded(script), env=_ENVIRONMENT, capture_output=True,
        check=False,
    )  # fmt: skip
    if done.returncode == 0:
        return ""
    said = decoded(done.stderr).strip()
    match = _MESSAGE.search(said)
    return (match[1] if match else said) or f"it ends with status {done.returncode}"


def _range(command: str, complaint: str) -> tuple[int, int]:
    """Where in a command the shell's complaint is about, as well as it tells: start and width, in characters."""
    if match := _UNEXPECTED.search(complaint):
        token = next(filter(None, match.groups()))
        starts = [found.start() for found in islice(re.finditer(re.escape(token), command), _TRIES)]
        # The first place up to which the shell has the same complaint; a place before that is fine, or within quotes.
        for start in starts:
            if len(starts) == 1 or _complaint(command[: start + len(token)]) == complaint:
                return start, len(token)
    if "quote" in complaint.lower() and (opening := open_quote(command)) is not None:
        return opening, 1
    text = command.rstrip()
    return (len(text), 1) if _AT_END.search(complaint) else (0, len(text))
