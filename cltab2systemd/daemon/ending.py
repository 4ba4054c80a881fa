"""The end of the daemon comes in time, whatever is under way.

A sudden end loses nothing: a daemon can be killed at any moment, and the next one goes on. So an end that takes too
long is cut short.
"""

from __future__ import annotations

import asyncio
import os
import signal

from cltab2systemd import events
from cltab2systemd.daemon import logs

# Seconds for an orderly end, in which clients take their last replies and tasks are cancelled.
LIMIT = 1.6
# Seconds until the kernel ends the process. Something blocks all of it then: a call of a library, or a disk.
HARD_LIMIT = 2.5


def bound(code: int = 0) -> None:
    """Have this process end in time from now on. To be called in the loop, once the end is certain.

    `code` is the exit code if the end has to be cut short.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, HARD_LIMIT)
    asyncio.get_running_loop().call_later(LIMIT, _end, code)


def _end(code: int) -> None:
    waiting = sorted({_name(task) for task in asyncio.all_tasks()})
    events.SLOW_END(why=", ".join(waiting) or "nothing known")
    logs.flush()
    os._exit(code)


def _name(task: asyncio.Task[object]) -> str:
    return getattr(task.get_coro(), "__qualname__", task.get_name())
