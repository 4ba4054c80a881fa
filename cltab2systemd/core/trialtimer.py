"""What starts the daemon at the end of a trial, if there is none then: a timer of systemd's."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.core.group import now_in_microseconds
from cltab2systemd.systemd.buserrors import BusError, BusRefusedError
from cltab2systemd.text import escape

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from cltab2systemd.disk.instance import Instance
    from cltab2systemd.systemd.bus import Bus

log = logging.getLogger(__name__)


class _NothingToDoError(Exception):
    """There is no timer to start."""


class TrialTimer:
    """The timers of all trials. They outlive the daemon, and do nothing if it runs, or if the trial's note has gone.

    Args:
        instance: its state on disk.
        bus: its connection to systemd.
        service: what is started; empty for nothing.
    """

    def __init__(self, instance: Instance, bus: Bus, service: str) -> None:
        self._names = instance.names
        self._notes = instance.trials
        self._bus = bus
        self._service = service
        self._tasks: set[asyncio.Task[None]] = set()
        self._wanted: set[str] = set()

    @property
    def has_service(self) -> bool:
        """Whether there is anything to start."""
        return bool(self._service)

    def start(self, group: str, deadline: int) -> None:
        """Have the daemon started at the end of a group's trial, CLOCK_MONOTONIC in µs. That fails with a warning."""
        if self._service:
            unit = self._names.trial_timer(group, deadline)
            self._wanted.add(unit)
            self._spawn(self._start(group, unit, deadline))

    def stop(self, group: str, deadline: int) -> None:
        """Do without it, whoever has started it."""
        if self._service:
            unit = self._names.trial_timer(group, deadline)
            self._wanted.discard(unit)
            self._spawn(self._stop(unit))

    async def _start(self, group: str, unit: str, deadline: int) -> None:
        note = str(self._notes.path(escape(group)))

        def start() -> None:
            after = max(1, deadline - now_in_microseconds())
            self._bus.start_service_later(unit, after, self._service, note)

        def check() -> None:
            if unit not in self._wanted or any(found.active == "active" for found in self._bus.list_units([unit])):
                raise _NothingToDoError

        try:
            await self._bus.order(start, check)
        except _NothingToDoError:  # an earlier daemon has started it, or the trial is over
            return
        except BusError as error:
            events.NO_TRIAL_TIMER(group=group, why=error)

    async def _stop(self, unit: str) -> None:
        try:
            await self._bus.persist(partial(self._bus.stop, unit))
        except BusRefusedError:  # it has gone: its time was over
            return
        except BusError as error:
            log.debug("%s: %s", unit, error)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)
