"""The gate to systemd. It is closed while systemd answers nobody: during a daemon-reload, or behind a late answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cltab2systemd import events

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds after which somebody else's daemon-reload is taken to have ended, if systemd does not say so.
_LONGEST_RELOAD = 90.0


class Gate:
    """Counts the reloads that this process has asked for, and follows those of others by systemd's signals.

    Args:
        loop: the loop that waits.
        on_open: called when no reload is at work any more, and no answer is late.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_open: Callable[[], None]) -> None:
        self._loop = loop
        self._on_open = on_open
        self._own = 0  # reloads that this process has asked for, and that have not ended
        self._end: asyncio.TimerHandle | None = None  # while somebody's reload is at work
        self._is_answer_late = False
        self._opened = asyncio.Event()
        self._opened.set()

    @property
    def is_open(self) -> bool:
        """Whether systemd answers, as far as is known."""
        return self._opened.is_set()

    @property
    def is_reloading(self) -> bool:
        """Whether a reload is at work, as far as is known."""
        return self._own > 0 or self._end is not None

    async def wait(self) -> None:
        """Wait until systemd answers."""
        await self._opened.wait()

    def own_begins(self) -> None:
        """Close: this process is about to ask for a reload."""
        self._own += 1
        self._opened.clear()

    def own_ended(self) -> None:
        """A reload of this process has ended, well or not."""
        self._own -= 1
        self._open()

    def somebody_begins(self) -> None:
        """Close: systemd says that it reloads."""
        self._forget_somebody()
        self._end = self._loop.call_later(_LONGEST_RELOAD, self._give_up)
        self._opened.clear()

    def somebody_ended(self) -> None:
        """Systemd says that it has reloaded."""
        self._forget_somebody()
        self._open()

    def answer_is_late(self) -> None:
        """Close: systemd has not answered in time. It may reload, and have told nobody yet."""
        self._is_answer_late = True
        self._opened.clear()

    def answer_has_come(self) -> None:
        """The late answer has come."""
        self._is_answer_late = False
        self._open()

    def connection_lost(self) -> None:
        """Forget the reloads of others, and the late answer: nothing will tell of their end.

        Whoever connects again asks for all anew.
        """
        self._forget_somebody()
        self._is_answer_late = False
        if not self._own:
            self._opened.set()

    def _forget_somebody(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None

    def _give_up(self) -> None:
        events.LONG_RELOAD(why=f"{_LONGEST_RELOAD:.0f}")
        self.somebody_ended()

    def _open(self) -> None:
        if not self.is_reloading and not self._is_answer_late:
            self._opened.set()
            self._on_open()
