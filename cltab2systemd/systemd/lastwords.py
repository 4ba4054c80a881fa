"""What a unit that runs once has written at last, as the journal has it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cltab2systemd import journalctl
from cltab2systemd.journal import Writer, of_unit
from cltab2systemd.systemd.inthread import in_thread
from cltab2systemd.terminal import cut, printable
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.journal import Excerpt

# Lines, and characters of each.
_MOST = 20
_LONGEST = 500
# Seconds for journald to store what it has been given, for the journal to be read, and for all of it.
_STORE = 2.0
_SECONDS = 2.0
_PATIENCE = 5.0


async def last_words(unit: str) -> tuple[str, ...]:
    """The last lines that a unit has written, printable; or why they cannot be told, in brackets.

    journald may be late, and then knows the unit of a process that has ended, and no longer which run it was of. So the
    unit has to be one that runs once, as that of a preflight does.
    """

    def work() -> Excerpt:
        journalctl.store(_STORE)
        return of_unit(unit, _MOST, _SECONDS)

    try:
        async with asyncio.timeout(_PATIENCE):
            found = await in_thread(work)
    except (OSError, RuntimeError):  # a TimeoutError is an OSError
        return ("(the journal cannot be read)",)
    return (*_lines(found),)[-_MOST:]


def _lines(found: Excerpt) -> Iterator[str]:
    own = [line for line in found.lines if line.writer is Writer.ENTRY]
    for line in own or (line for line in found.lines if not line.tells_end):
        said = decoded(line.message[: 4 * _LONGEST]).rstrip()
        yield from (cut(printable(text), _LONGEST) for text in said.split("\n") if text.strip())
    if found.trouble is not None:
        yield f"({printable(found.trouble.text)})"
