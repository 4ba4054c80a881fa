"""Waiting for the end of a switch, also if the daemon goes away meanwhile and comes back. Imports nothing heavy."""

from __future__ import annotations

import time

from cltab2systemd import clstat, varlink
from cltab2systemd.client import transport
from cltab2systemd.client.calls import LostError, NoDaemonError, SupersededError, timed_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from cltab2systemd.client.calls import Caller

# Seconds before a daemon that went away is looked for again.
_PAUSE = 0.1


class Wait:
    """One switch, from the request to its end. What comes in and out is as for `Client.wait`.

    Args:
        caller: calls the daemon.
        group: the group.
        level: where it is to go.
        timeout: seconds for all of it; None for ever.
        on_progress: called at each change; None if nobody wants to know.
        on_tick: called some times a second.
    """

    def __init__(
        self,
        caller: Caller,
        group: str,
        level: str,
        timeout: float | None,
        *,
        on_progress: Callable[[dict[str, Any]], object] | None,
        on_tick: Callable[[], object] | None,
    ) -> None:
        self._caller = caller
        self._group = group
        self._level = level
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._on_progress = on_progress
        self._on_tick = on_tick
        self._has_begun = False

    def switch(self, *, strict: bool, known: bool, trial: float | None = None) -> dict[str, Any]:
        """Ask for the switch, and wait. Returns `status`, of type GroupStatus, which settles it, and `notes`."""
        wishes: dict[str, object] = {"level": self._level}
        wishes |= {"strict": True} if strict else {"known": True} if known else {}
        wishes |= {} if trial is None else {"usec": int(trial * 1_000_000)}
        return self._ended("Switch" if trial is None else "Try", wishes)

    def follow(self) -> dict[str, Any]:
        """Wait for the end of a switch that has begun. Returns as `switch`."""
        self._has_begun = True
        return self._ended("", {})

    def _ended(self, method: str, wishes: dict[str, object]) -> dict[str, Any]:
        """Wait for the end. What has begun is not asked for again."""
        notes: list[str] = []
        reply: dict[str, Any] = {}

        def ask() -> Iterator[dict[str, Any]]:
            return self._followed() if self._has_begun else self._replies(method, wishes)

        def tell_of_loss() -> None:
            self._tell(self._disconnected())

        for reply in persistent(self._caller, ask, self._deadline, tell_of_loss, self._on_tick):
            self._has_begun = self._has_begun or reply.get("message") != varlink.PREPARING
            self._tell(reply.get("progress"))
            notes = notes or reply.get("notes", [])
        return {"status": reply.get("status", {"state": clstat.STOPPED}), "notes": notes}  # else it is halted

    def _followed(self) -> Iterator[dict[str, Any]]:
        """Follow the group. Yields the daemon's answers, and last the status that settles it."""
        for reply in self._replies("Status", {}):
            yield reply
            status: dict[str, Any] = reply["groups"][0] if reply["groups"] else {"level": "", "state": clstat.STOPPED}
            self._tell(status.get("progress"))
            if status["state"] in clstat.SETTLED and status["level"] == self._level:
                yield {"status": status}
                return
            if status["state"] in clstat.SETTLED:
                raise SupersededError(f"{self._group} was taken to level {status['level']} instead")
            if status["state"] == clstat.STOPPED:
                raise SupersededError(f"{self._group} was stopped before it reached level {self._level}")
        raise LostError(f"the daemon at {self._caller.locations.socket} went away")

    def _replies(self, method: str, parameters: dict[str, object]) -> Iterator[dict[str, Any]]:
        wish = {"progress": True} if self._on_progress else {}
        call = varlink.call(method, {"group": self._group, **parameters, **wish}, more=True)
        return self._caller.replies(call, self._deadline, on_tick=self._on_tick)

    def _tell(self, progress: dict[str, Any] | None) -> None:
        if progress and self._on_progress:
            self._on_progress(progress)

    def _disconnected(self) -> dict[str, Any]:
        """An object of type Progress, in a phase that no daemon tells: there is none."""
        nothing: dict[str, Any] = {"origin": None, "done": 0, "total": 0, "waiting": 0, "awaited": []}
        return {"group": self._group, "level": self._level, "phase": "disconnected", **nothing}


def persistent(
    caller: Caller,
    ask: Callable[[], Iterator[dict[str, Any]]],
    deadline: float | None,
    on_lost: Callable[[], object] | None = None,
    on_tick: Callable[[], object] | None = None,
) -> Iterator[dict[str, Any]]:
    """The replies of a daemon; if it goes away once it has answered, those of the next one, too, until all are there.

    Args:
        caller: calls it.
        ask: asks a daemon, the next one again.
        deadline: until when all is to be there; None for ever.
        on_lost: called when a daemon has gone away.
        on_tick: called some times a second while there is none.

    NoDaemonError if none comes back, TimedOutError at the deadline; else as `ask`.
    """
    # Until when a daemon that went away may come back; None if it has answered since.
    patience: float | None = None
    while True:
        try:
            for reply in ask():
                patience = None
                yield reply
        except LostError:
            patience = patience or time.monotonic() + transport.ANSWER_TIMEOUT
        except NoDaemonError:
            if patience is None:
                raise
        else:
            return
        if on_lost:
            on_lost()
        _await_daemon(caller, patience, deadline, on_tick)


def _await_daemon(
    caller: Caller, patience: float, deadline: float | None, on_tick: Callable[[], object] | None
) -> None:
    """Wait until a daemon listens again that went away.

    Args:
        caller: calls it.
        patience: until when it may come back.
        deadline: until when the caller waits at all; None for ever.
        on_tick: called some times a second.

    NoDaemonError when patience ends, TimedOutError at the deadline.
    """
    while True:
        try:
            caller.connect(deadline).close()
        except TimeoutError:
            raise timed_out(caller.locations, deadline, is_answered=True) from None
        except OSError as error:
            if deadline is not None and time.monotonic() >= deadline:
                raise timed_out(caller.locations, deadline, is_answered=True) from None
            if time.monotonic() >= patience:
                raise NoDaemonError(f"the daemon at {caller.locations.socket} went away, and none came back") from error
            time.sleep(_PAUSE)
            if on_tick:
                on_tick()
        else:
            return
