"""The screen of `clinitctl watch`: the status drawn in place, and the terminal left as it was."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from cltab2systemd.client import progress
from cltab2systemd.client.calls import RefusedError, start_command
from cltab2systemd.operators.askable import NoAnswerError
from cltab2systemd.operators.present import present
from cltab2systemd.operators.statusview import as_text
from cltab2systemd.terminal import printable, wrapped
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType, TracebackType

    from cltab2systemd.client.requests import Client
    from cltab2systemd.operators.following import Heard

# Terminals as xterm: the other screen, and no cursor.
_ENTER = "\x1b[?1049h\x1b[?25l"
_LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
# Seconds after which clocks are drawn anew, and after which memory, CPU and the like are asked for, of which no news is
# told.
_CLOCK = 1.0
_LOOK = 5.0
# How much longer there is peace between two looks than a look takes: a thousand entries are a second's work for nobody.
_PEACE = 4.0
_SHORTEST = 0.2


class Terminal:
    """The other screen of the terminal, without a cursor; left behind however the program ends."""

    def __init__(self) -> None:
        self._drawn = ""

    def __enter__(self) -> Terminal:  # noqa: PYI034 - it has no subclasses
        signal.signal(signal.SIGTERM, _end)
        signal.signal(signal.SIGTSTP, self._pause)
        _write(_ENTER)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _write(_LEAVE)

    def draw(self, lines: Sequence[str]) -> None:
        """Draw lines that fit, if they are others than before."""
        frame = _HOME + f"{_REST_OF_LINE}\r\n".join(lines) + _REST_OF_LINE + _REST_OF_SCREEN
        if frame != self._drawn:
            self._drawn = frame
            _write(frame)

    def _pause(self, _signal: int, _frame: FrameType | None) -> None:
        _write(_LEAVE)
        os.kill(os.getpid(), signal.SIGSTOP)
        _write(_ENTER)
        self._drawn = ""


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _write(text: str) -> None:
    sys.stdout.buffer.write(encoded(text))
    sys.stdout.buffer.flush()


class Screen:
    """What is shown: the status as `clinitctl status` has it, as it was seen last.

    Args:
        terminal: draws it.
        client: of the instance.
        groups: which groups; all, if there are none.
        everything: whether to show the entries too that are not in the level, and do not run.
    """

    def __init__(self, terminal: Terminal, client: Client, groups: Sequence[str], *, everything: bool) -> None:
        self._terminal = terminal
        self._client = client
        self._groups = groups
        self._everything = everything
        self._found: dict[str, Any] | None = None
        self._trouble = ""
        self._under_way: dict[str, tuple[dict[str, Any], float]] = {}
        self._has_news = True
        self._next_look = 0.0
        self._looked = self._drew = 0.0
        self._size = os.terminal_size((0, 0))

    def hear(self, heard: Heard | None) -> None:
        """Take what was heard of the daemon, or that time has passed; look and draw if it is time to."""
        now = time.monotonic()
        if heard is not None:
            self._has_news = True
            self._under_way = {
                status["group"]: (status["progress"], now) for status in heard.groups if status.get("progress")
            }
        is_due = now - self._looked >= _LOOK or self._has_news
        is_seen = is_due and now >= self._next_look
        if is_seen:
            self._look()
        size = shutil.get_terminal_size()
        if heard is not None or is_seen or size != self._size or time.monotonic() - self._drew >= _CLOCK:
            self._size, self._drew = size, time.monotonic()
            self._terminal.draw(self._lines(size.columns, size.lines))

    def _look(self) -> None:
        began = time.monotonic()
        try:
            self._found, self._trouble = present(self._client, self._groups), ""
        except (NoAnswerError, RefusedError) as error:
            self._trouble = str(error)
        self._looked = time.monotonic()
        self._next_look = self._looked + max(_SHORTEST, _PEACE * (self._looked - began))
        self._has_news = False

    def _lines(self, width: int, height: int) -> list[str]:
        """As many lines as there are; the last one says if there were more."""
        shown = [*itertools.islice(self._text(width, height), height + 1)]
        if len(shown) > height:
            shown[max(0, height - 1) :] = ["… and more"[:width]]
        return shown

    def _text(self, width: int, height: int) -> Iterator[str]:
        trouble = wrapped(printable(self._trouble), width) if self._trouble else []
        yield from trouble
        if self._found is not None:
            now = time.monotonic()
            ways = {
                group: progress.line(value, now - came, max(1, width - 2))
                for group, (value, came) in self._under_way.items()
            }
            start = start_command(self._client.locations)
            yield from as_text(
                self._found, start, width, height - len(trouble), scrolls=False, everything=self._everything, ways=ways
            )
