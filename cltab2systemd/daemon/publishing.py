"""Has the unit started that tells Pacemaker how the groups are, if a table says so (`:::publish:pacemaker`).

The daemon itself has no network, in whose namespace Pacemaker listens. Nothing waits for the unit.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.systemd.buserrors import BusError
from cltab2systemd.table.settings import WORDS, Kind

if TYPE_CHECKING:
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.table.model import Table

UNIT = "clinit-publish.service"


class Publishing:
    """Follows the tables of the system's own daemon.

    Args:
        bus: its connection to systemd.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._is_wanted = False  # a unit that the administrator has enabled is not ours to stop
        self._orders: set[asyncio.Task[None]] = set()

    def follow(self, table: Table) -> None:
        """Start the unit if a table that takes effect wants it, and the one before did not; or stop it."""
        is_wanted = table.setting(Kind.PUBLISH.word) == WORDS[Kind.PUBLISH]
        before, self._is_wanted = self._is_wanted, is_wanted
        if is_wanted != before:
            order = asyncio.get_running_loop().create_task(self._order())
            self._orders.add(order)  # a loop keeps no task from being collected
            order.add_done_callback(self._orders.discard)

    async def _order(self) -> None:
        order = self._bus.start_if_free if self._is_wanted else self._bus.stop
        try:
            await self._bus.order(partial(order, UNIT))
        except BusError as error:
            events.NOT_PUBLISHING(unit=UNIT, why=error)
