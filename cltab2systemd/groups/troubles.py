"""Holds the trouble of a respawn entry while it is tried again, so that what is told of its group does not flap. Pure.

Such an entry runs for a moment before it turns out that it ends as before. That is no recovery.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cltab2systemd.groups.reasons import Cause
from cltab2systemd.groups.state import State
from cltab2systemd.table.model import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cltab2systemd.groups.reasons import Reason
    from cltab2systemd.groups.state import GroupStatus

# Seconds for which a trouble is held that does not show any more. A try that is in vain shows that well before.
HOLD = 5.0
# What shows of an entry that is being tried again.
_OF_TRIES = frozenset({Cause.RESTARTING, Cause.KEEPS_ENDING})


def _is_tried_again(reason: Reason) -> bool:
    is_restarted = bool(reason.mode) and Mode(reason.mode).is_restarted
    return is_restarted and reason.cause in {Cause.PAUSED, Cause.NOT_EXECUTED, Cause.NOT_READY}


@dataclass(slots=True)
class _Held:
    reason: Reason
    over: float | None = None  # since when it does not show, in seconds


class Troubles:
    """The troubles of one group's entries: that they pause, or cannot be started."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}  # by unit

    def steady(self, status: GroupStatus, units: Iterable[str], now: float) -> GroupStatus:
        """A status with the troubles that are held.

        Args:
            status: how the group is at this moment.
            units: of the level's entries, in their order.
            now: seconds, on any clock that goes on.
        """
        if not status.state.settled:
            self.forget()
            return status
        order = {unit: number for number, unit in enumerate(units)}
        shown = {reason.unit: reason for reason in (*status.momentary, *status.reasons)}
        for unit, held in [*self._held.items()]:
            reason = shown.get(unit)
            if unit not in order or not self._goes_on(held, reason, now):
                del self._held[unit]
        for reason in status.reasons:
            if _is_tried_again(reason):
                self._held.setdefault(reason.unit, _Held(reason))
        return self._with_held(status, order) if self._held else status

    def forget(self) -> None:
        """Forget all: the group is on its way, and whatever comes of that is news."""
        self._held.clear()

    @property
    def is_waiting(self) -> bool:
        """Whether a trouble is held that does not show at this moment."""
        return any(held.over is not None for held in self._held.values())

    def _goes_on(self, held: _Held, now_shown: Reason | None, now: float) -> bool:
        """Whether a trouble is still to be told, after another look at its entry."""
        if now_shown is None or now_shown.cause in _OF_TRIES:
            held.over = now if held.over is None else held.over
            return now - held.over < HOLD
        if now_shown.cause is not held.reason.cause:
            return False
        if now_shown.words == held.reason.words or now_shown.words not in held.reason.words:
            held.reason = now_shown  # of a later attempt, or it says something new
        held.over = None
        return True

    def _with_held(self, status: GroupStatus, order: dict[str, int]) -> GroupStatus:
        others = [reason for reason in status.reasons if reason.unit not in self._held]
        reasons = [*others, *(held.reason for held in self._held.values())]
        reasons.sort(key=lambda reason: order.get(reason.unit, -1))
        momentary = tuple(reason for reason in status.momentary if reason.unit not in self._held)
        state = State.FAILED if any(reason.is_failure for reason in reasons) else status.state
        return replace(status, state=state, reasons=tuple(reasons), momentary=momentary)
