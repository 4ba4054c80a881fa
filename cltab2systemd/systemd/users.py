"""Users by their names. A name service may be slow, or stuck."""

from __future__ import annotations

import asyncio
import pwd
from functools import partial

from cltab2systemd.systemd.inthread import in_thread

# Seconds for a name service to answer.
_PATIENCE = 1.0


def user_name(uid: int) -> str:
    """A user by name; the number as text, if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


async def user_name_in_time(uid: int) -> str:
    """`user_name`; the number as text, if nobody tells the name within a second."""
    try:
        async with asyncio.timeout(_PATIENCE):
            return await in_thread(partial(user_name, uid))
    except (TimeoutError, RuntimeError):
        return str(uid)
