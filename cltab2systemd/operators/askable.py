"""Who can be asked how the groups are."""

from __future__ import annotations

import enum


class NoAnswerError(Exception):
    """Nobody can tell how the groups are; the text says why and what to do."""


class Daemon(enum.StrEnum):
    """What there is of the daemon."""

    ANSWERS = "answers"
    GONE = "gone"
    SILENT = "silent"  # it runs, and gives no answer in time
    CLOSED = "closed"  # it runs, and this user may not connect to it
    BUSY = "busy"  # it runs, and this user has as many connections to it as a user may have
    OLD = "old"  # it runs, and does not know the question
