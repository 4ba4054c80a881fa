"""Watching groups on their way: what one watcher sees of them. Nothing is asked or remembered when nobody watches."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cltab2systemd.groups.progress import MOST_HALTING, HaltProgress, progress
from cltab2systemd.systemd.buserrors import BusError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from cltab2systemd.core.group import Group
    from cltab2systemd.core.request import Request
    from cltab2systemd.core.updates import Update
    from cltab2systemd.groups.progress import Progress, Timings

# Seconds that pass before anything is told, and between two replies. So a quick switch costs nothing, and a program
# that says something of itself a thousand times a second costs little.
PAUSE = 0.1


class Watch:
    """What one watcher sees.

    Args:
        groups: all groups by name, as the controller keeps them.
        timings: tells of times and limits of units.
    """

    def __init__(self, groups: Mapping[str, Group], timings: Timings) -> None:
        self._groups = groups
        self._timings = timings
        self._last: dict[str, Progress] = {}

    def progress(self, name: str) -> Progress | None:
        """How far a group has come; None if it is at rest. What was seen last, if systemd cannot be asked now."""
        group = self._groups.get(name)
        on = None if group is None else group.way
        if group is None or group.units is None or on is None:
            self._last.pop(name, None)
            return None
        with suppress(BusError):  # as during a daemon-reload; a look follows it
            self._last[name] = _onward(progress(group.units, self._timings, on, group.leaving), self._last.get(name))
        return self._last.get(name)

    def next_news(self, names: Iterable[str]) -> list[asyncio.Event]:
        """Events of which one is set when there is news of any of the groups. Take them before you look."""
        return [self._groups[name].next_news() for name in names if name in self._groups]

    async def follow(self, name: str, until: asyncio.Future[Any]) -> AsyncIterator[Progress]:
        """How far a group has come, at each change, until something is done."""
        shown: Progress | None = None
        while True:
            await asyncio.wait([until], timeout=PAUSE)
            if until.done():
                return
            news = self.next_news([name])
            seen = self.progress(name)
            if seen is not None and seen != shown:
                shown = seen
                yield seen
            else:
                await any_of(news, until)

    async def follow_all(
        self, requests: Sequence[Request | Update], until: asyncio.Future[Any], next_change: Callable[[], asyncio.Event]
    ) -> AsyncIterator[HaltProgress]:
        """How far requests for several groups have come, at each change, until something is done.

        Args:
            requests: those that stop the groups, or update them.
            until: the future of what is waited for.
            next_change: an event that is set when the status of any group changes.
        """
        shown: HaltProgress | None = None
        while True:
            await asyncio.wait([until], timeout=PAUSE)
            if until.done():
                return
            going = [request.group for request in requests if not request.outcome.done()]
            told = going[:MOST_HALTING]
            changed = [next_change(), *self.next_news(told)]
            groups = tuple(on for name in told if (on := self.progress(name)) is not None)
            seen = HaltProgress(sum(map(_is_reached, requests)), len(requests), groups)
            if requests and seen != shown:
                shown = seen
                yield seen
            else:
                await any_of(changed, until)


def _is_reached(request: Request | Update) -> bool:
    """Whether a request has come to its outcome, and not to a refusal."""
    return request.outcome.done() and not request.outcome.cancelled() and request.outcome.exception() is None


def _onward(seen: Progress, before: Progress | None) -> Progress:
    """Progress that does not count back: an entry that has ended, and is started again, has had its turn."""
    if before is None or (before.way, before.total) != (seen.way, seen.total):
        return seen
    return replace(seen, done=max(seen.done, min(before.done, seen.total - seen.waiting)))


async def any_of(events: Iterable[asyncio.Event], *futures: asyncio.Future[Any]) -> None:
    """Wait until one of the events is set, or one of the futures is done."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    awaited: list[asyncio.Future[Any]] = [*tasks, *futures]
    try:
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
