"""What a client is told of an update of all groups: what it does to each, and how that has ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cltab2systemd.core.group import now_in_microseconds
from cltab2systemd.core.request import SwitchRefusedError, reason_of
from cltab2systemd.groups.state import State
from cltab2systemd.reports.overview import status_object
from cltab2systemd.reports.progress import halt_object
from cltab2systemd.systemd.kernel import clock_offset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from cltab2systemd.core.controller import Controller
    from cltab2systemd.core.updates import Update
    from cltab2systemd.core.watch import Watch
    from cltab2systemd.reports.overview import Object

_BEGUN = "apply begun"


def begun(controller: Controller, updates: Sequence[Update]) -> Object:
    """What is told at once, as values for JSON: what each update does, or the error and its code if it is refused."""
    told = [_object(update) | _refused(update) for update in updates]
    return {"message": _BEGUN, "groups": told} | _failed(controller, told)


async def followed(
    controller: Controller, updates: Sequence[Update], watch: Watch | None, next_change: Callable[[], asyncio.Event]
) -> AsyncIterator[Object]:
    """What is told until all have ended: how far that has come, and which have ended since; last how each has.

    Args:
        controller: has made them.
        updates: that have begun.
        watch: sees how far they have come; None if nobody wants to know.
        next_change: an event that is set when the status of any group changes.
    """
    end = asyncio.ensure_future(_ended(updates))
    try:
        if watch is not None:
            going = [*updates]
            async for seen in watch.follow_all(updates, end, next_change):
                ended = [update for update in going if update.outcome.done()]
                going = [update for update in going if not update.outcome.done()]
                progress = halt_object(seen, now_in_microseconds())
                yield {"message": _BEGUN, "groups": await _ended(ended), "progress": progress}
        ends = await end
        yield {"message": "apply done", "groups": ends} | _failed(controller, ends)
    finally:
        end.cancel()


async def _ended(updates: Sequence[Update]) -> list[Object]:
    """Wait for the end of all updates; the same, and how each has ended: with a status, or an error and its code."""
    shielded = (asyncio.shield(update.outcome) for update in updates)
    outcomes = await asyncio.gather(*shielded, return_exceptions=True)
    told = []
    for update, outcome in zip(updates, outcomes, strict=True):
        if isinstance(outcome, Exception):
            told.append(_object(update) | _error(outcome))
        elif isinstance(outcome, BaseException):  # this is given up
            raise outcome
        else:
            told.append(_object(update) | {"status": status_object(outcome, clock_offset())})
    return told


def _failed(controller: Controller, told: list[Object]) -> Object:
    """The groups that are FAILED, and not by an update: they have none, or it was refused. Nothing without such."""
    updated = {update["group"] for update in told if "error" not in update}
    left = (status for status in controller.statuses if status.state is State.FAILED and status.group not in updated)
    failed = [status_object(status, clock_offset()) for status in left]
    return {"failed": failed} if failed else {}


def _refused(update: Update) -> Object:
    error = update.outcome.exception() if update.outcome.done() and not update.outcome.cancelled() else None
    return {} if error is None else _error(error)


def _error(error: BaseException) -> Object:
    output = {"output": [*error.output]} if isinstance(error, SwitchRefusedError) and error.output else {}
    return {"error": str(error), "code": str(reason_of(error)), **output}


def _object(update: Update) -> Object:
    changes = [{"tag": tag, "effect": str(effect)} for tag, effect in update.effects.items()]
    level = {} if update.level is None else {"level": update.level}
    return {"group": update.group, **level, "changes": changes}
