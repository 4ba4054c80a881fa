"""What is raised if systemd does not do what it is asked over D-Bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


class BusError(Exception):
    """systemd did not do what it was asked."""


class BusUnavailableError(BusError):
    """systemd cannot be reached, or did not answer. It may answer again in a moment."""


class BusBusyError(BusUnavailableError):
    """systemd answers nobody: a daemon-reload is at work, or an answer is late. Whoever waits is told of the end."""


class BusUnansweredError(BusBusyError):
    """systemd was asked, and has not answered in time. It will do what it was asked.

    Args:
        words: the message.
        answer: done when it has answered; fails with BusRefusedError, or with BusUnavailableError if nobody will know.
    """

    def __init__(self, words: str, answer: asyncio.Future[None]) -> None:
        super().__init__(words)
        self.answer = answer


class BusRefusedError(BusError):
    """systemd said no; the text is its own."""
