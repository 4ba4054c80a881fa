"""An update of all groups, to its end, also if the daemon goes away meanwhile and comes back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cltab2systemd import clstat, varlink
from cltab2systemd.client.calls import RefusedError, SupersededError, TimedOutError
from cltab2systemd.client.progress import HALT_LEVEL, UNDER_WAY
from cltab2systemd.client.waiting import Wait, persistent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from cltab2systemd.client.calls import Caller

    Update = dict[str, Any]

# Groups that are told one by one, as the daemon tells them; of more there is only the number.
_MOST_TOLD = 8


class UnfinishedError(TimedOutError):
    """The time was up before the end of all updates.

    Attributes:
        updates: all, as `Client.apply` returns them. Those that are not known to have ended have no status, and no
            error.
        notes: the daemon's.
    """

    def __init__(self, message: str, updates: list[Update], notes: tuple[str, ...]) -> None:
        super().__init__(message)
        self.updates = updates
        self.notes = notes


def has_ended(update: Update) -> bool:
    """Whether it is known how an update has ended."""
    return "status" in update or "error" in update


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
        self._ends: dict[str, Update] = {}  # likewise, as its end was told last
        self._notes: tuple[str, ...] = ()
        self._has_progress = False  # whether it was told how far it has come

    def run(self) -> tuple[list[Update], tuple[str, ...]]:
        """Ask for it, and wait. If the daemon goes away, the next one is asked again, which does what is left."""
        call = varlink.call("Apply", {"progress": True} if self._on_progress else {}, more=True)
        late: TimedOutError | None = None

        def ask() -> Iterator[dict[str, Any]]:
            return self._caller.replies(call, self._deadline, on_tick=self._on_tick)

        try:
            for reply in persistent(self._caller, ask, self._deadline, self._tell_of_loss, self._on_tick):
                self._take_note(reply)
            for name, begun in self._begun.items():
                if name not in self._ends:
                    self._ends[name] = self._follow(begun)
        except TimedOutError as error:
            if not self._begun:
                raise
            self._tell_of_begun()
            late = error
        updates = [{**self._ends.get(name, begun), "changes": begun["changes"]} for name, begun in self._begun.items()]
        if late is not None:
            raise UnfinishedError(str(late), updates, self._notes)
        return updates, self._notes

    def _tell_of_loss(self) -> None:
        self._has_progress = True
        if self._on_progress:
            self._on_progress({"action": "apply", "phase": "disconnected", "done": 0, "total": 0, "groups": []})

    def _tell_of_begun(self) -> None:
        """Tell which groups are on their way, if the daemon has not: it begins with that after 0.1 s."""
        going = [update for name, update in self._begun.items() if name not in self._ends]
        if self._on_progress and going and not self._has_progress:
            done = sum("status" in update for update in self._ends.values())
            count = {"done": done, "total": len(self._begun)}
            self._on_progress({"action": "apply", **count, "groups": [*map(_under_way, going[:_MOST_TOLD])]})

    def _take_note(self, reply: dict[str, Any]) -> None:
        if self._on_progress and "progress" in reply:
            self._has_progress = True
            self._on_progress({"action": "apply", **reply["progress"]})
        for update in reply["groups"]:
            self._begun.setdefault(update["group"], update)
            if has_ended(update):
                self._ends[update["group"]] = update
        self._notes = tuple(dict.fromkeys((*self._notes, *map(str, reply.get("notes", ())))))

    def _follow(self, begun: Update) -> Update:
        """How an update has ended of which the daemon that has begun it went away; the next one goes on with it."""
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


def _under_way(begun: Update) -> dict[str, Any]:
    """An object of type Progress, in a phase that no daemon tells: nothing more is known."""
    nothing: dict[str, Any] = {"done": 0, "total": 0, "waiting": 0, "awaited": []}
    level = begun.get("level")
    route = {"origin": None, "level": HALT_LEVEL} if level is None else {"origin": level, "level": level}
    return {"group": begun["group"], **route, "phase": UNDER_WAY, **nothing}
