"""`clinitctl status` with all its options."""

from __future__ import annotations

import click

from cltab2systemd.client.requests import Client
from cltab2systemd.commands import options
from cltab2systemd.operators import statusview


@click.command(name="status")
@click.argument("groups", nargs=-1, metavar="[GROUP]…")
@click.option("-a", "--all", "everything", is_flag=True, help="Show entries too that the level does not have.")
@click.option("--json", "as_json", is_flag=True, help="For a program: one JSON document.")
@options.of_daemon
@click.option("--clstat", metavar="PATH", help="The status file.")
def command(
    groups: tuple[str, ...], *, everything: bool, as_json: bool, cltab: str | None, socket: str | None,
    clstat: str | None,
) -> None:  # fmt: skip
    """Show how groups and their entries are, what is wrong first.

    Without a GROUP, these are all groups. The daemon is asked; if it gives no answer, systemd is. The exit code says
    whether all is well: 0 if it is, 4 if a group is FAILED, 3 if no daemon looks after the groups, and 7 if something
    is worth a look: an entry that backs off, say, or a table that is refused.
    """
    raise SystemExit(statusview.show(Client(cltab, socket, clstat), groups, everything=everything, as_json=as_json))
