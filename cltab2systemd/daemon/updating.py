"""What a client is told of an update of all groups: what it does to each, and how that has ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cltab2systemd.core.group import now_in_microseconds
from cltab2systemd.core.request import SwitchRefusedError, reason_of
from cltab2systemd.reports.overview import status_object
from cltab2systemd.reports.progress import halt_object
from cltab2systemd.systemd.kernel import clock_offset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from cltab2systemd.core.updates import Update
    from cltab2systemd.core.watch import Watch
    from cltab2systemd.reports.overview import Object

BEGUN = "apply begun"


def begun(updates: Iterable[Update]) -> list[Object]:
    """What each update does, as values for JSON; the error and its code of one that was refused at once."""
    return [_object(update) | _refused(update) for update in updates]


async def followed(
    updates: Sequence[Update], watch: Watch | None, next_change: Callable[[], asyncio.Event]
) -> AsyncIterator[Object]:
    """What is told until all have ended: how far that has come, and which have ended since; last how each has.

    Args:
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
                yield {"message": BEGUN, "groups": await _ended(ended), "progress": progress}
        yield {"message": "apply done", "groups": await end}
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
