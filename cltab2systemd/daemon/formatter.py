"""How log lines become text that a terminal can take."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from cltab2systemd.terminal import printable

if TYPE_CHECKING:
    from types import TracebackType


# Odd bytes that no terminal takes for control characters. They are parts of names, and come out as they came in.
_FIRST_HARMLESS, _LAST_HARMLESS = "\udca0", "\udcff"


class PrintableFormatter(logging.Formatter):
    r"""Spells out what a terminal would obey: a line may quote a client, a table or a program.

    A line stays one line, so that nobody can forge another one. The only newlines are those of a traceback, whose lines
    are indented.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line."""
        return _spelt(super().formatMessage(record))

    def formatException(  # noqa: N802
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[Any, ...]
    ) -> str:
        """The traceback behind it."""
        return "\n".join("  " + _spelt(line) for line in super().formatException(ei).split("\n"))


def _spelt(text: str) -> str:
    """Text in which what a terminal would obey is spelt out."""
    if text.isprintable():
        return text
    return "".join(
        character if _FIRST_HARMLESS <= character <= _LAST_HARMLESS else printable(character) for character in text
    )
