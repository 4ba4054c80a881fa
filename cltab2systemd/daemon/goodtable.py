"""The copies of the last good tables. Writing them holds nobody up, for a disk may be stuck."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from cltab2systemd import events, oserrors
from cltab2systemd.disk import kepttables, tables
from cltab2systemd.systemd.inthread import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from cltab2systemd.events import Asker
    from cltab2systemd.table.tablefiles import TableFiles

T = TypeVar("T")

# Seconds that a request waits for its table to be on disk. After that it goes on.
PATIENCE = 2.0


class GoodTable:
    """Keeps a copy of each table that takes effect. Of tables that come while the disk is busy, it keeps the last."""

    def __init__(self) -> None:
        self._wanted: tuple[TableFiles, Asker | None] | None = None
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, files: TableFiles, asker: Asker | None) -> None:
        """Write a table, and who had it read. Returns when that is on disk, or after PATIENCE; then it comes later."""
        self._wanted = files, asker
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())
        _, late = await asyncio.wait({self._writing}, timeout=PATIENCE)
        if late:
            events.LATE_COPY()

    async def _write(self) -> None:
        while self._wanted is not None:
            (files, asker), self._wanted = self._wanted, None
            earlier = await _in_thread(kepttables.earlier_table)
            try:
                await _in_thread(partial(tables.keep_good_table, files.joined))
            except OSError as error:
                events.NO_COPY(why=oserrors.worded(error))
            try:
                await _in_thread(partial(_keep_with_others, files, asker, earlier))
            except OSError as error:
                events.NOT_KEPT(why=oserrors.worded(error))


def _keep_with_others(files: TableFiles, asker: Asker | None, earlier: tuple[bytes | None, int | None]) -> None:
    kepttables.keep_earlier(*earlier)
    kepttables.keep_table(files, asker)


async def _in_thread(work: Callable[[], T]) -> T:
    try:
        return await in_thread(work)
    except RuntimeError:  # no thread can be started
        return work()
