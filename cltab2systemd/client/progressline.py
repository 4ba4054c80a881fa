"""Progress on the standard error: in place on a terminal, or a plain line for each change. Nothing here may block."""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING, Protocol

from cltab2systemd.client.progresstext import line, plain_lines
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from typing import Any

_STANDARD_ERROR = 2
# Columns of a terminal that does not tell how many it has.
_USUAL_WIDTH = 80
# ECMA-48: erase from the cursor to the end of the line, and of the screen. tmux keeps in its history what the second
# erases from the top of a screen on, so that what is to be gone for good takes both.
_ERASE_LINE = "\x1b[K"
_ERASE = "\x1b[J"


class Writer(Protocol):
    """Shows how far a switch has come. OSError if nobody reads it any more."""

    def show(self, progress: dict[str, Any], passed: float) -> None:
        """Show an object of type Progress or HaltProgress that came so many seconds ago; also again, for the clock."""

    def end(self) -> None:
        """Leave nothing behind that is not meant to stay."""


class InPlace:
    """One line of a terminal.

    The cursor is left at its beginning. So if the terminal gets narrower and breaks the line in two, the cursor is
    still above all of it, and the next line erases that.
    """

    def __init__(self) -> None:
        self._shown: tuple[str, int] | None = None  # the line, and for how many columns it was drawn

    def show(self, progress: dict[str, Any], passed: float) -> None:
        """Draw the line, for as many columns as there are now, if we are in the foreground."""
        if _is_in_background():
            self._shown = None  # what others write there is not erased
            return
        width = _width()
        due = line(progress, passed, width - 1), width
        if due != self._shown:
            self._shown = due  # first, for Ctrl-C may come in between
            if not _write("\r" + due[0] + _ERASE + "\r"):
                self._shown = "", 0

    def end(self) -> None:
        """Erase the line."""
        if self._shown and not _is_in_background():
            _write("\r" + _ERASE_LINE + _ERASE)
        self._shown = None


class Plain:
    """A line for each change, which stays.

    Args:
        program: whose lines these are.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self._written: dict[str, object] = {}

    def show(self, progress: dict[str, Any], passed: float) -> None:
        """Write each line that has news. If the reader does not read, it is left out, or written later."""
        for subject, news, text in plain_lines(progress, passed):
            if news != self._written.get(subject) and _write(f"{self._program}: {text}\n"):
                self._written[subject] = news

    def end(self) -> None:
        """All that was written stays."""


def never_be_stopped() -> None:
    """From now on, write from the background, too. With `stty tostop`, that would stop us, and with us the waiting."""
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)


def _is_in_background() -> bool:
    try:
        return os.tcgetpgrp(_STANDARD_ERROR) != os.getpgrp()
    except OSError:  # not a terminal, or not the one that controls us
        return False


def _width() -> int:
    try:
        return os.get_terminal_size(_STANDARD_ERROR).columns or _USUAL_WIDTH
    except OSError:
        return _USUAL_WIDTH


def _write(text: str) -> bool:
    """Write some text if that can be done without waiting; whether it was."""
    poll = select.poll()
    poll.register(_STANDARD_ERROR, select.POLLOUT)
    if not poll.poll(0):
        return False
    os.write(_STANDARD_ERROR, encoded(text))
    return True
