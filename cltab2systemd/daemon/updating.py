"""What a client is told of an update of all groups: what it does to each, and how that has ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cltab2systemd.core.request import reason_of
from cltab2systemd.reports.overview import status_object
from cltab2systemd.systemd.kernel import clock_offset

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cltab2systemd.core.updates import Update
    from cltab2systemd.reports.overview import Object


def begun(updates: Iterable[Update]) -> list[Object]:
    """What each update does, as values for JSON; the error and its code of one that was refused at once."""
    return [_object(update) | _refused(update) for update in updates]


async def ended(updates: Sequence[Update]) -> list[Object]:
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
    return {"error": str(error), "code": str(reason_of(error))}


def _object(update: Update) -> Object:
    changes = [{"tag": tag, "effect": str(effect)} for tag, effect in update.effects.items()]
    level = {} if update.level is None else {"level": update.level}
    return {"group": update.group, **level, "changes": changes}
