"""Has the unit started that tells Pacemaker how the groups are, if a table says so (`:::publish:pacemaker`).

The daemon itself has no network, in whose namespace Pacemaker listens. Nothing waits for the unit.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.systemd.buserrors import BusError, BusRefusedError
from cltab2systemd.table.settings import WORDS, Kind

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from cltab2systemd.disk.instance import Instance
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.table.model import Table

UNIT = "clinit-publish.service"


class Publishing:
    """Follows the tables of the system's own daemon.

    Args:
        bus: its connection to systemd.
        instance: where it notes that a table has the unit run, for the next daemon.
    """

    def __init__(self, bus: Bus, instance: Instance) -> None:
        self._bus = bus
        self._instance = instance
        self._is_wanted = False
        self._orders: set[asyncio.Task[None]] = set()

    def follow(self, table: Table) -> None:
        """Start the unit if a table that takes effect wants it, and the one before did not.

        Stop it if the table does not want it, and one before did, perhaps an earlier daemon's. One that the
        administrator has enabled is not ours to stop.
        """
        before, self._is_wanted = self._is_wanted, table.setting(Kind.PUBLISH.word) == WORDS[Kind.PUBLISH]
        if self._is_wanted and not before:
            self._begin(self._start())
        elif not self._is_wanted and (before or self._instance.is_publishing):
            self._begin(self._stop())

    def _begin(self, what: Coroutine[None, None, None]) -> None:
        order = asyncio.get_running_loop().create_task(self._told(what))
        self._orders.add(order)  # a loop keeps no task from being collected
        order.add_done_callback(self._orders.discard)

    async def _told(self, what: Coroutine[None, None, None]) -> None:
        try:
            await what
        except (BusError, OSError) as error:
            events.NOT_PUBLISHING(unit=UNIT, why=error)

    async def _start(self) -> None:
        self._instance.note_publishing(is_on=True)  # before it runs, whatever happens to us
        await self._bus.order(partial(self._bus.start_if_free, UNIT))

    async def _stop(self) -> None:
        if not await self._bus.persist(partial(self._bus.is_enabled, UNIT)):
            try:
                await self._bus.order(partial(self._bus.stop, UNIT))
            except BusRefusedError as error:  # as it would be each time: there is no such unit, say
                events.NOT_PUBLISHING(unit=UNIT, why=error)
        if not self._is_wanted:  # by now
            self._instance.note_publishing(is_on=False)
