"""`clinitctl restart`."""

from __future__ import annotations

import click

from cltab2systemd.commands import options
from cltab2systemd.operators import acting


@click.command(name="restart")
@click.argument("tags", nargs=-1, required=True, metavar="TAG…")
@acting.progress_option
@options.of_daemon
def command(tags: tuple[str, ...], *, progress: str | None, cltab: str | None, socket: str | None) -> None:
    """Restart entries by their tags, one after the other in the order of the table.

    A wait, test or once is run again. The group has to be at a level that has the entries; nothing else of it is
    touched. It is waited for until they are started, and a wait or test has ended. The exit code is 4 if the group is
    FAILED then.
    """
    raise SystemExit(acting.act(acting.RESTART, tags, cltab, socket, progress))
