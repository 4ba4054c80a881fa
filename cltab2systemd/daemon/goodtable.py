"""The copy of the last good table, for a boot with a bad one. Writing it holds nobody up, for a disk may be stuck."""

from __future__ import annotations

import asyncio

from cltab2systemd import events, oserrors
from cltab2systemd.disk import tables
from cltab2systemd.systemd.inthread import in_thread

# Seconds that a request waits for its table to be on disk. After that it goes on.
PATIENCE = 2.0


class GoodTable:
    """Keeps a copy of each table that takes effect. Of tables that come while the disk is busy, it keeps the last."""

    def __init__(self) -> None:
        self._wanted: bytes | None = None
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, content: bytes) -> None:
        """Write a table's bytes. Returns when they are on disk, or after PATIENCE; then they are written later."""
        self._wanted = content
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())
        _, late = await asyncio.wait({self._writing}, timeout=PATIENCE)
        if late:
            events.LATE_COPY()

    async def _write(self) -> None:
        while self._wanted is not None:
            content, self._wanted = self._wanted, None
            try:
                await _in_thread(content)
            except OSError as error:
                events.NO_COPY(why=oserrors.worded(error))


async def _in_thread(content: bytes) -> None:
    try:
        await in_thread(lambda: tables.keep_good_table(content))
    except RuntimeError:  # no thread can be started
        tables.keep_good_table(content)
