"""`cltab2systemd graph`."""

from __future__ import annotations

import click

from cltab2systemd.commands import printing, tables
from cltab2systemd.locations import TABLE
from cltab2systemd.reports import graph
from cltab2systemd.terminal import shortened


@click.command(name="graph")
@click.argument("file", metavar="[FILE]", default=TABLE)
@click.argument("groups", nargs=-1, metavar="[GROUP]…")
def command(file: str, groups: tuple[str, ...]) -> None:
    """Print a table as a graph, for `dot -Tsvg` of Graphviz.

    Each level is a line through the entries that it starts, in their order: solid where the next entry waits until the
    one before has ended, dashed where it does not. The boot level has a double line around
    it, and so has an entry that is required.

    FILE is /etc/cltab if it is left out, or - for the standard input; without a GROUP, all groups are drawn.
    """
    table = tables.load(file)
    if unknown := [name for name in groups if name not in table.groups]:
        printing.complain(f"cltab2systemd: no such group: {shortened(unknown[0])}")
        raise SystemExit(1)
    printing.say([graph.dot(group for name, group in table.groups.items() if not groups or name in groups).rstrip()])
