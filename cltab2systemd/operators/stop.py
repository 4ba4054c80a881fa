"""`clinitctl stop`."""

from __future__ import annotations

import click

from cltab2systemd.commands import options
from cltab2systemd.operators import acting


@click.command(name="stop")
@click.argument("tags", nargs=-1, required=True, metavar="TAG…")
@acting.progress_option
@options.of_daemon
def command(tags: tuple[str, ...], *, progress: str | None, cltab: str | None, socket: str | None) -> None:
    """Stop entries by their tags, as a switch does, and wait until they are gone.

    The group has to be at a level that has the entries; nothing else of it is touched. It is FAILED as long as a
    respawn entry is stopped. `clinitctl restart` starts them again.
    """
    raise SystemExit(acting.act(acting.STOP, tags, cltab, socket, progress))
