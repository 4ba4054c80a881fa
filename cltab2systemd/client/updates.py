"""An update of all groups, to its end, also if the daemon goes away meanwhile and comes back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cltab2systemd import clstat, varlink
from cltab2systemd.client.calls import RefusedError, SupersededError
from cltab2systemd.client.waiting import Wait, persistent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from cltab2systemd.client.calls import Caller

    Update = dict[str, Any]


class Updating:
    """One update. What comes in and out is as for `Client.apply`.

    Args:
        caller: calls the daemon.
        timeout: seconds for all of it; None for ever.
        on_progress: called at each change; None if nobody wants to know.
        on_tick: called some times a second.
    """

    def __init__(
        self,
        caller: Caller,
        timeout: float | None,
        *,
        on_progress: Callable[[dict[str, Any]], object] | None,
        on_tick: Callable[[], object] | None,
    ) -> None:
        self._caller = caller
        self._on_progress = on_progress
        self._on_tick = on_tick
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._begun: dict[str, Update] = {}  # by the group, as each was told first
        self._notes: tuple[str, ...] = ()

    def run(self) -> tuple[list[Update], tuple[str, ...]]:
        """Ask for it, and wait. If the daemon goes away, the next one is asked again, which does what is left."""
        call = varlink.call("Apply", {"progress": True} if self._on_progress else {}, more=True)
        reply: dict[str, Any] = {}

        def ask() -> Iterator[dict[str, Any]]:
            return self._caller.replies(call, self._deadline, on_tick=self._on_tick)

        for reply in persistent(self._caller, ask, self._deadline, self._tell_of_loss, self._on_tick):
            self._take_note(reply)
        ended = {update["group"]: update for update in reply["groups"]}
        return [self._ended(update, ended.get(name)) for name, update in self._begun.items()], self._notes

    def _tell_of_loss(self) -> None:
        if self._on_progress:
            self._on_progress({"action": "apply", "phase": "disconnected", "done": 0, "total": 0, "groups": []})

    def _take_note(self, reply: dict[str, Any]) -> None:
        if self._on_progress and "progress" in reply:
            self._on_progress({"action": "apply", **reply["progress"]})
        for update in reply["groups"]:
            self._begun.setdefault(update["group"], update)
        self._notes = tuple(dict.fromkeys((*self._notes, *map(str, reply.get("notes", ())))))

    def _ended(self, begun: Update, ended: Update | None) -> Update:
        """How an update has ended; if the daemon that has begun it went away, the next one goes on with the switch."""
        if ended is not None:
            return {**ended, "changes": begun["changes"]}
        if "level" not in begun:
            return {**begun, "status": {"state": clstat.STOPPED}}
        left = None if self._deadline is None else max(self._deadline - time.monotonic(), 0.0)
        wait = Wait(
            self._caller, begun["group"], begun["level"], left, on_progress=self._on_progress, on_tick=self._on_tick
        )
        try:
            return {**begun, "status": wait.follow()["status"]}
        except SupersededError as error:
            return {**begun, "error": str(error), "code": error.code or "later-request"}
        except RefusedError as error:
            return {**begun, "error": str(error), "code": error.code}
