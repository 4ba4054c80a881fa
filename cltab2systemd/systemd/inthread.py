"""Work that may be stuck, on a disk or a name service, beside all that the loop does."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """What work gives, or raises, in a thread of its own. The end of the process does not wait for it.

    asyncio would wait for its own threads at the end, in one more thread.

    Raises:
        RuntimeError: no thread can be started, for a limit of tasks, say.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def tell(value: T) -> None:
        if not result.done():  # else cancelled
            result.set_result(value)

    def fail(error: Exception) -> None:
        if not result.done():
            result.set_exception(error)

    def run() -> None:
        with suppress(RuntimeError):  # the loop is closed
            try:
                value = work()
            except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
                loop.call_soon_threadsafe(fail, error)
            else:
                loop.call_soon_threadsafe(tell, value)

    threading.Thread(target=run, daemon=True).start()
    return await result
