"""Running a command to its end, beside everything else that a loop does.

asyncio's own way has a fault on Python 3.13. If a task is cancelled while it starts a command, the task that connects
the pipes is cancelled as well. Then nothing tells of the command's end, and the first task waits for ever.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import dataclass

# Bytes of a command's errors that are kept.
_MOST_ERRORS = 64 * 1024
# Seconds between two looks whether the command has ended. It has closed its standard error, so it soon will.
_PAUSE = 0.002


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code, negative for a signal, and what it wrote to its standard error."""

    code: int
    errors: str


async def run(*command: str) -> Ended:
    """Run a command; OSError if it cannot be started. If the task is cancelled, the command runs on."""
    loop = asyncio.get_running_loop()
    source, target = os.pipe()
    os.set_blocking(source, False)
    closed: asyncio.Future[None] = loop.create_future()
    errors = bytearray()

    def read() -> None:
        try:
            data = os.read(source, 65536)
        except BlockingIOError:
            return
        errors.extend(data[: _MOST_ERRORS - len(errors)])
        if not data and not closed.done():
            closed.set_result(None)

    try:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=target)  # noqa: ASYNC220
        finally:
            os.close(target)
        loop.add_reader(source, read)
        await closed
        loop.remove_reader(source)
        while (code := process.poll()) is None:  # noqa: ASYNC110 - of a moment
            await asyncio.sleep(_PAUSE)
    finally:
        loop.remove_reader(source)
        os.close(source)
    return Ended(code, errors.decode(errors="replace"))
