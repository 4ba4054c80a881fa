"""The syntax of unit files: the one module that turns text into what a unit file may hold. Pure.

Rules: systemd.syntax(7), systemd.service(5) COMMAND LINES and systemd.unit(5) SPECIFIERS. Nothing that a table holds
can end a line, continue one, or become a directive, a specifier or a variable.
"""

from __future__ import annotations

import re

from cltab2systemd.diagnostics import printable

_SIMPLE_ESCAPES = {"\\": "\\\\", '"': '\\"', "%": "%%", "$": "$$"}
_TO_ESCAPE = re.compile(
    r'[\\"%$\x00-\x1f\x7f'
    "\ud800-\udfff"  # bytes that are not UTF-8
    "\ufdd0-\ufdef" + "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF)) + "]"
    # noncharacters, for which systemd refuses the whole line
)

# Perl's exec(3perl) goes through the shell for these characters, a leading assignment, `exec` or `.`.
_SHELL_CHARACTERS = re.compile(r"""[$&*(){}\[\]'";\\|?<>~`]""")
_SHELL_START = re.compile(r"[ \t\n\r\f\v]*(?:\w*=|(?:exec|\.)[ \t\n\r\f\v])", re.ASCII)
_BLANKS = re.compile(r"[ \t\n\r\f\v]+")
_ERRORS_TO_OUTPUT = re.compile(r"[ \t\n\r\f\v]2>&1[ \t\n\r\f\v]*\Z")

SHELL = "/bin/sh"


def command_words(command: str) -> tuple[str, ...]:
    """The argument vector that a table's command runs as, by the rule of Perl's exec.

    With a shell metacharacter, a leading assignment, `exec` or `.`, the command goes to `/bin/sh -c` as it is; else
    its blank-separated words are executed by PATH without a shell's reading, so that `prog a #b` passes `#b`. As in
    Perl, a `2>&1` at the very end does not count as a metacharacter.
    """
    plain = command
    execute = 'exec "$@"'
    if match := _ERRORS_TO_OUTPUT.search(command):
        plain = command[: match.start()]
        execute += " 2>&1"
    if _SHELL_CHARACTERS.search(plain) or _SHELL_START.match(command):
        return (SHELL, "-c", command)
    words = [word for word in _BLANKS.split(plain) if word]
    return (SHELL, "-c", execute, "sh", *words)


def quote(argument: str) -> str:
    """One argument of an `ExecStart=` line: double-quoted, so that exactly these bytes arrive."""
    return '"' + _TO_ESCAPE.sub(_escape, argument) + '"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return _SIMPLE_ESCAPES.get(character) or "".join(
        f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape")
    )


def command_line(words: tuple[str, ...]) -> str:
    """An argument vector as the value of `ExecStart=`; the first word is a path of ours and needs no quotes."""
    program, *arguments = words
    return " ".join((program, *map(quote, arguments)))


def text(value: str) -> str:
    """Free text, as in `Description=`: readable, without specifiers, control characters or a continuation."""
    shown = printable(value).replace("%", "%%")
    return shown[:-1] + "\\x5c" if shown.endswith("\\") else shown


def comment(value: str) -> str:
    """Text for a comment line: one line, readable."""
    return printable(value)


def path(value: str) -> str | None:
    """A path for `SourcePath=`, or None for one that cannot stand there (systemd does not unescape it)."""
    if not value.startswith("/") or not value.isprintable() or value != value.strip() or value.endswith("\\"):
        return None
    return value.replace("%", "%%")
