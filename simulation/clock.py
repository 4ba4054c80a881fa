"""Virtual time: what happens next, and an asyncio loop to which nothing takes time but waiting."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND = 1_000_000
_FOREVER = 1 << 62


class Killed(SystemExit):
    """The daemon's process ends here. Nobody but the driver catches that, as nobody survives SIGKILL."""


class Clock:
    """The time, CLOCK_MONOTONIC in µs, and what is due when."""

    def __init__(self) -> None:
        self.now = 100 * SECOND
        self._due: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._numbers = itertools.count()

    def stamp(self) -> int:
        """The time of an event; no two events have the same."""
        self.now += 1
        return self.now

    def after(self, delay: int, do: Callable[..., None], *arguments: object) -> None:
        """Have something done after some µs."""
        heapq.heappush(self._due, (self.now + delay, next(self._numbers), do, arguments))

    @property
    def next_due(self) -> int:
        """When something is due next."""
        return self._due[0][0] if self._due else _FOREVER

    def step(self, limit: int) -> bool:
        """Do what is due next, if that is before the limit, else only come to the limit; whether anything was done."""
        if not self._due or self._due[0][0] > limit:
            self.now = max(self.now, limit)
            return False
        when, _, do, arguments = heapq.heappop(self._due)
        self.now = max(self.now, when)
        do(*arguments)
        return True


class _Selector:
    """Where a loop waits: the time goes on to the next thing that happens, in the loop or outside of it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.limit = 0

    def select(self, timeout: float | None) -> list[object]:
        """Wait for so many seconds, at most until the limit. What is ready takes no time, so it comes first."""
        if timeout is None or timeout > 0:
            limit = self.limit if timeout is None else min(self.limit, self._clock.now + int(timeout * SECOND) + 1)
            self._clock.step(limit)
        return []

    def close(self) -> None:
        """Nothing is open."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An asyncio loop on a clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._selector = _Selector(clock)
        self._tasks: list[asyncio.Task[Any]] = []
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        """The time in seconds."""
        return self._clock.now / SECOND

    def run_to(self, limit: int) -> None:
        """Run until a time in µs, and until nothing is ready then."""
        self._selector.limit = limit
        self.call_at((limit + 1) / SECOND, self.stop)
        self._selector.limit = limit + 2
        self.run_forever()

    def _make_task(self, _loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=self, **options)
        self._tasks.append(task)
        return task

    def abandon(self) -> None:
        """Nothing of it runs ever again."""
        self.set_exception_handler(lambda _loop, _context: None)
        for task in self._tasks:
            if not task.done():
                with suppress(Exception, Killed):
                    task.get_coro().close()

    def __del__(self) -> None:
        """One that is left behind has nothing to close."""

    def _process_events(self, _events: list[object]) -> None:
        pass
