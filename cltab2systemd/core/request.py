"""Requests for groups, and how they can end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from cltab2systemd.groups.refusals import Refusal, Supersession
from cltab2systemd.systemd.bus import BusUnavailableError
from cltab2systemd.units.names import HALT_LEVEL

if TYPE_CHECKING:
    from cltab2systemd.groups.state import GroupStatus
    from cltab2systemd.systemd.bus import BusError


class NoSuchGroupError(Exception):
    """Neither the table nor what runs has this group. `hint` tells a person what was probably meant, or is empty."""

    def __init__(self, group: str, hint: str = "") -> None:
        super().__init__(f"no such group: {group}")
        self.group = group
        self.hint = hint


class SwitchRefusedError(Exception):
    """The switch cannot be made. The code says why. The text says why, and what to do."""

    def __init__(self, code: Refusal, message: str) -> None:
        super().__init__(message)
        self.code = code


class SupersededError(Exception):
    """Something else took the group elsewhere. The code says what did, and the text where it is now."""

    def __init__(self, code: Supersession, message: str) -> None:
        super().__init__(message)
        self.code = code


def code_of(error: BusError) -> Refusal:
    """Why a request is refused that systemd has not carried out."""
    return Refusal.NO_SYSTEMD if isinstance(error, BusUnavailableError) else Refusal.SYSTEMD_REFUSES


class Request:
    """One request for a group: `started` and `outcome` are set once each, with a result or an exception."""

    def __init__(self, group: str, level: str) -> None:
        loop = asyncio.get_running_loop()
        self.group = group
        self.level = level
        self.started: asyncio.Future[None] = loop.create_future()
        self.outcome: asyncio.Future[GroupStatus] = loop.create_future()
        self.task: asyncio.Task[None] | None = None
        self.notes: list[str] = []  # what whoever asked should know besides the answer
        self.pids: dict[str, int] = {}  # main processes of the level, as they were when it was settled first
        self.settled_at: float | None = None  # when its level was settled first, by the loop's clock
        self.is_told = False  # whether the log tells how it has ended
        self.stopped: set[str] = set()  # units that a halt has stopped one by one
        # Nobody may be waiting, and that is fine.
        self.started.add_done_callback(_retrieve)
        self.outcome.add_done_callback(_retrieve)

    def has_started(self) -> None:
        """Tell whoever asked that the transition has begun. clstat shows it by now."""
        if not self.started.done():
            self.started.set_result(None)

    @property
    def is_for_good(self) -> bool:
        """Whether the group is stopped for good, because all groups are halted, or because it has left the table."""
        return self.level == HALT_LEVEL

    def fail(self, error: Exception) -> None:
        """End the request with an error, at whatever step it is."""
        self.give_up()
        for future in (self.started, self.outcome):
            if not future.done():
                future.set_exception(error)

    def replaced_by(self, later: Request, code: Supersession) -> None:
        """End the request because of a later one. Whoever waits for its start only is answered when that one starts."""
        self.give_up()
        by = f"a later request took {self.group} to level {later.level}"
        if later.is_for_good:
            by = f"{self.group} is being stopped for good, for it has left the table, or all groups are halted"

        def follow(started: asyncio.Future[None]) -> None:
            if started.cancelled() or started.exception() is None:
                self.has_started()
            elif not self.started.done():
                self.started.set_exception(SupersededError(code, by))

        later.started.add_done_callback(follow)
        if not self.outcome.done():
            self.outcome.set_exception(SupersededError(code, by))

    def give_up(self) -> None:
        """Stop the task that carries it out."""
        if self.task is not None and self.task is not asyncio.current_task():
            self.task.cancel()


def _retrieve(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
