"""The files of the instance that a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.client import outcome
from cltab2systemd.commands.printing import complain
from cltab2systemd.locations import is_unknown, locate, unknown
from cltab2systemd.terminal import printable

if TYPE_CHECKING:
    from cltab2systemd.locations import Locations


def located(cltab: str | None, socket: str | None) -> Locations:
    """The files, by table and socket. SystemExit if it is not known what these stand for."""
    found = locate(cltab, socket)
    if is_unknown(found):
        complain(f"clinitctl: {printable(unknown(found))}")
        raise SystemExit(outcome.NO_DAEMON)
    return found
