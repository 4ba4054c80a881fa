"""The end of the daemon, which comes in time whatever is under way.

Nothing is lost by a sudden end: a daemon can be killed at any moment, and the next one goes on. So an end that waits
for what does not come is cut short.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal

from cltab2systemd.daemon import logs

log = logging.getLogger(__name__)

# Seconds for an orderly end: clients take their last replies, tasks are cancelled.
LIMIT = 1.6
# Seconds until the kernel ends what blocks the whole process then: a call of a library, a disk.
HARD_LIMIT = 2.5


def bound(code: int = 0) -> None:
    """See to it that this process ends in time from now on. To be called in the loop, once the end is certain.

    `code` is its exit code if the end has to be cut short.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, HARD_LIMIT)
    asyncio.get_running_loop().call_later(LIMIT, _end, code)


def _end(code: int) -> None:
    waiting = sorted({_name(task) for task in asyncio.all_tasks()})
    log.warning("the end waits for %s; ending without", ", ".join(waiting) or "nothing known")
    logs.flush()
    os._exit(code)


def _name(task: asyncio.Task[object]) -> str:
    return getattr(task.get_coro(), "__qualname__", task.get_name())
