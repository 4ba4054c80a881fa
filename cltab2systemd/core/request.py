"""Requests for groups, and how they can end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from cltab2systemd import events
from cltab2systemd.core import telling
from cltab2systemd.core.tablesource import TableRefusedError
from cltab2systemd.events import Asker, By
from cltab2systemd.groups.refusals import Refusal, Supersession
from cltab2systemd.groups.state import State
from cltab2systemd.groups.tally import Counted
from cltab2systemd.systemd.buserrors import BusError, BusUnavailableError
from cltab2systemd.terminal import printable, shortened
from cltab2systemd.units.names import HALT_LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from cltab2systemd.groups.state import GroupStatus
    from cltab2systemd.table.model import Entry, ResourceGroup


class NoSuchGroupError(Exception):
    """Neither the table nor what runs has this group. `hint` tells a person what was probably meant, or is empty."""

    def __init__(self, group: str, hint: str = "") -> None:
        super().__init__(f"no such group: {group}")
        self.group = group
        self.hint = hint


class SwitchRefusedError(Exception):
    """The switch cannot be made. The code says why. The text says why, and what to do.

    `output` is what a command has written that has the switch refused, as printable lines.
    """

    def __init__(self, code: Refusal, message: str, output: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.output = output


class SupersededError(Exception):
    """Something else took the group elsewhere. The code says what did, and the text where it is now."""

    def __init__(self, code: Supersession, message: str) -> None:
        super().__init__(message)
        self.code = code


def code_of(error: BusError) -> Refusal:
    """Why a request is refused that systemd has not carried out."""
    return Refusal.NO_SYSTEMD if isinstance(error, BusUnavailableError) else Refusal.SYSTEMD_REFUSES


def tell_rejected(group: str, level: str, asker: Asker | None, error: Exception) -> None:
    """Say to the log that a request has been refused before anything was begun; how, is what `error` tells."""
    summary = printable(error.summary) if isinstance(error, TableRefusedError) else error
    events.REJECTED(
        group=shortened(group), level=shortened(level), request=events.new_request(), asker=asker or Asker(),
        reason=reason_of(error), why=summary,
    )  # fmt: skip


def reason_of(error: BaseException) -> str:
    """The code of an error by which a request ends."""
    if isinstance(error, SwitchRefusedError | SupersededError):
        return error.code
    if isinstance(error, BusError):
        return code_of(error)
    if isinstance(error, TableRefusedError | NoSuchGroupError):
        return events.TABLE_REFUSED if isinstance(error, TableRefusedError) else events.NO_SUCH_GROUP
    return Refusal.UNWRITABLE if isinstance(error, OSError) else Refusal.INTERNAL


class Request:
    """One request for a group: `started` and `outcome` are set once each, with a result or an exception.

    The log has a line when it begins, and one when it ends.

    Args:
        group: the group.
        level: the level that it is to go to.
        asker: who has asked for it; None for somebody who is not known.
        origin: the level that the group comes from; None if it is at none.
        unit: the target of the level.
        on_end: called when it ends, with how, and how long it took, in µs.
    """

    def __init__(
        self,
        group: str,
        level: str,
        asker: Asker | None = None,
        origin: str | None = None,
        unit: str = "",
        *,
        on_end: Callable[[Counted, int], None] = lambda outcome, duration: None,  # noqa: ARG005
    ) -> None:
        loop = asyncio.get_running_loop()
        self.group = group
        self.level = level
        self.asker = asker or Asker()
        self.origin = origin
        self.unit = unit
        self._on_end = on_end
        self.id = events.new_request()
        self.began_at = loop.time()
        self.started: asyncio.Future[None] = loop.create_future()
        self.outcome: asyncio.Future[GroupStatus] = loop.create_future()
        self.task: asyncio.Task[None] | None = None
        self.notes: list[str] = []  # what whoever asked should know besides the answer
        self.pids: dict[str, int] = {}  # main processes of the level, as they were when it was settled first
        self.proven: set[str] = set()  # units of which a process has been the command since then
        self.settled_at: float | None = None  # when its level was settled first, by the loop's clock
        self._is_told = False  # whether the log tells how it has ended
        self.stopped: set[str] = set()  # units that a halt has stopped one by one
        self.checked: set[Entry] = set()  # whose preflights have passed, or are not to be run
        self.lines: ResourceGroup | None = None  # those that the group gets; None for the table's
        self.on_start: Callable[[], None] = lambda: None  # called before anybody is told that it has begun
        # Nobody may be waiting, and that is fine.
        self.started.add_done_callback(retrieve)
        self.outcome.add_done_callback(retrieve)

    def tell_begin(self) -> None:
        """Say to the log that it begins, and for whom."""
        values = self._values
        values["why"] = "with its stop" if self.is_for_good else f"to level {self.level}"
        _BEGINNINGS[self.asker.by](**values)

    def tell_end(self, result: GroupStatus | Exception) -> None:
        """Say how it ends, once: to the log, and to whoever counts."""
        if self._is_told:
            return
        self._is_told = True
        values = self._values
        duration = values["duration"] = int((asyncio.get_running_loop().time() - self.began_at) * 1_000_000)
        self._on_end(self._outcome(result), duration)
        if isinstance(result, Exception):
            event = events.SUPERSEDED if isinstance(result, SupersededError) else events.REFUSED
            values["reason"], values["why"] = reason_of(result), result
            event(**values)
        elif self.is_for_good:
            events.STOPPED(**values)
        else:
            telling.tell(result, values)

    def _outcome(self, result: GroupStatus | Exception) -> Counted:
        if isinstance(result, Exception):
            return Counted.SUPERSEDED if isinstance(result, SupersededError) else Counted.REFUSED
        return Counted.STOPPED if self.is_for_good else Counted(result.state.lower())

    @property
    def _values(self) -> events.Values:
        return {
            "group": self.group, "level": self.level, "origin": self.origin, "unit": self.unit,
            "request": self.id, "asker": self.asker,
        }  # fmt: skip

    def has_started(self) -> None:
        """Tell whoever asked that the transition has begun. clstat shows it by now."""
        if not self.started.done():
            self.on_start()
            self.started.set_result(None)

    @property
    def is_for_good(self) -> bool:
        """Whether the group is stopped for good, because all groups are halted, or because it has left the table."""
        return self.level == HALT_LEVEL

    @property
    def claim(self) -> str:
        """What is told to those who wait for another request for the group, or for no request's end."""
        if self.asker.by is By.TRIAL:
            return f"the trial of {self.group} is over, and nobody has confirmed it; see 'clinitctl status'"
        if self.is_for_good:
            return f"{self.group} is being stopped for good, for it has left the table, or all groups are halted"
        return f"a later request is to take {self.group} to level {self.level}"

    def fail(self, error: Exception) -> None:
        """End the request with an error, at whatever step it is."""
        self.tell_end(error)
        self.give_up()
        for future in (self.started, self.outcome):
            if not future.done():
                future.set_exception(error)

    def succeed(self, status: GroupStatus) -> None:
        """End the request: its level has come to its end, well or not."""
        if not self.outcome.done():
            self.tell_end(status)
            self.outcome.set_result(status)

    def supersession(self, *, is_serving: bool) -> Supersession:
        """What an earlier request of its group is ended by; is_serving: not all groups are being halted."""
        if self.asker.by is By.TRIAL:
            return Supersession.TRIAL_OVER
        if not self.is_for_good:
            return Supersession.LATER_REQUEST
        return Supersession.LEFT_TABLE if is_serving else Supersession.HALT

    def replaced_by(self, later: Request, code: Supersession) -> None:
        """End the request because of a later one. Whoever waits for its start only is answered when that one starts."""
        self.give_up()
        by = later.claim

        def follow(started: asyncio.Future[None]) -> None:
            if started.cancelled() or started.exception() is None:
                self.has_started()
            elif not self.started.done():
                self.started.set_exception(SupersededError(code, by))

        self.tell_end(SupersededError(code, by))
        later.started.add_done_callback(follow)
        if not self.outcome.done():
            self.outcome.set_exception(SupersededError(code, by))

    def give_up(self) -> None:
        """Stop the task that carries it out."""
        if self.task is not None and self.task is not asyncio.current_task():
            self.task.cancel()


_BEGINNINGS = {
    By.CLIENT: events.REQUESTED,
    By.BOOT: events.RESUMED,
    By.RESUMED: events.RESUMED,
    By.TABLE: events.RETIRED,
    By.HALT: events.HALTING,
    By.TRIAL: events.TAKEN_BACK,
}


def taken_by_hand(group: str, level: str, status: GroupStatus | None) -> str:
    """What is said of a group that somebody has kept from a level without the daemon: how it is instead."""
    if status is None or status.state is State.CONFIGURED:
        return f"{group} was stopped before it reached level {level}"
    return f"{group} was taken to level {status.level} instead"


def retrieve(future: asyncio.Future[Any]) -> None:
    """Take note of how something has ended: nobody may be waiting for it, and that is fine."""
    if not future.cancelled():
        future.exception()
