"""The syntax of unit files: the one module that turns text into what a unit file may hold. Pure.

Rules: systemd.syntax(7), systemd.service(5) COMMAND LINES and systemd.unit(5) SPECIFIERS. Nothing that a table holds
can end a line, continue one, or become a directive, a specifier or a variable.
"""

from __future__ import annotations

import functools
import re

from cltab2systemd.table.characters import NO_UTF8
from cltab2systemd.terminal import printable
from cltab2systemd.text import encoded

_SIMPLE_ESCAPES = {"\\": "\\\\", '"': '\\"', "%": "%%", "$": "$$"}
_TO_ESCAPE = re.compile(rf'[\\"%$\x00-\x1f\x7f{NO_UTF8}]')


# systemd's codes for what failed before the command ran: 200/CHDIR to 244/BPF (`systemd-analyze exit-status`).
_NOT_EXECUTED = range(200, 245)
_ENDING_SIGNALS = """
    SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM
    SIGSTKFLT SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGIO SIGPWR SIGSYS
"""
_REAL_TIME_SIGNALS = 31

ENDINGS = " ".join((
    *(str(status) for status in range(1, 256) if status not in _NOT_EXECUTED),
    *_ENDING_SIGNALS.split(),
    *(f"SIGRTMIN+{number}" for number in range(_REAL_TIME_SIGNALS)),
))  # fmt: skip
"""Every way in which a command ends that was executed, as the value of `SuccessExitStatus=`, which knows no ranges."""

# More would hide in the journal how a program ended that nobody stopped: "Deactivated successfully", says systemd then.
STOPS = "129 130 131 143"
"""How a `respawn` entry ends that handles what stops it, in the same form: 128 and SIGHUP, SIGINT, SIGQUIT, SIGTERM."""


@functools.lru_cache(maxsize=16)  # the words before a command are the same in all units
def quote(argument: str) -> str:
    """One argument of an `ExecStart=` line: double-quoted, so that exactly these bytes arrive."""
    return '"' + _TO_ESCAPE.sub(_escape, argument) + '"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return _SIMPLE_ESCAPES.get(character) or "".join(f"\\x{byte:02x}" for byte in encoded(character))


def command_line(words: tuple[str, ...]) -> str:
    """An argument vector as the value of `ExecStart=`; the first word needs no quotes."""
    program, *arguments = words
    return " ".join((program, *map(quote, arguments)))


def milliseconds(seconds: float) -> str:
    """A time as a directive takes it, to the millisecond."""
    return f"{round(seconds * 1000)}ms"


def text(value: str) -> str:
    """Free text, as in `Description=`: readable, without specifiers, control characters or a continuation."""
    shown = printable(value).replace("%", "%%")
    return shown[:-1] + "\\x5c" if shown.endswith("\\") else shown


def comment(value: str) -> str:
    """Text for a comment line: one line, readable."""
    return printable(value)


def path(value: str) -> str | None:
    """A path for a directive that takes one, or None for one that cannot stand there (systemd does not unescape it)."""
    if not value.startswith("/") or not value.isprintable() or value != value.strip() or value.endswith("\\"):
        return None
    return value.replace("%", "%%")
