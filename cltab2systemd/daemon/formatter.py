"""How log lines become text that a terminal can take."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from cltab2systemd.terminal import printable

if TYPE_CHECKING:
    from types import TracebackType


class PrintableFormatter(logging.Formatter):
    r"""Spells out what a terminal would obey: a line may quote a client, a table or a program.

    A line stays one line, so that nobody can forge another one. The only newlines are those of a traceback, whose lines
    are indented.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line."""
        return printable(super().formatMessage(record))

    def formatException(  # noqa: N802
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[Any, ...]
    ) -> str:
        """The traceback behind it."""
        return "\n".join("  " + printable(line) for line in super().formatException(ei).split("\n"))
