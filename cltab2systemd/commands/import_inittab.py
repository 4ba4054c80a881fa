"""`cltab2systemd import-inittab`."""

from __future__ import annotations

from pathlib import Path

import click

from cltab2systemd.commands import printing, tables
from cltab2systemd.disk import files as disk
from cltab2systemd.disk.tables import TableUnreadableError
from cltab2systemd.importers.inittab.dialects import DIALECTS
from cltab2systemd.importers.inittab.importer import LARGEST, import_inittab
from cltab2systemd.importers.inittab.names import DEFAULT_LEVEL, unusable
from cltab2systemd.table.diagnostics import render

_AUTO = "auto"
_STANDARD = "-"  # input or output


@click.command(name="import-inittab")
@click.argument("file", metavar="FILE")
@click.option("-g", "--group", required=True, metavar="NAME", help="The group that the entries get.")
@click.option(
    "--format", "format_", type=click.Choice((_AUTO, *DIALECTS)), default=_AUTO, show_default=True,
    help="Whose inittab it is.",
)  # fmt: skip
@click.option(
    "--level", default=DEFAULT_LEVEL, show_default=True, metavar="LEVEL",
    help="The level of all entries if it is BusyBox's, which has no runlevels.",
)  # fmt: skip
@click.option(
    "-o", "--output", default=_STANDARD, metavar="FILE", help="Where the table goes, instead of the standard output."
)
def command(file: str, *, group: str, format_: str, level: str, output: str) -> None:
    """Turn an inittab (FILE, or - for the standard input) into a table with one group.

    A note is printed on each line that has no equivalent. Such a line stays in the table, as a comment.
    """
    if reason := unusable(group, level):
        printing.complain(f"cltab2systemd: unusable name: {reason}")
        raise SystemExit(1)
    try:
        path, data = _read(file)
    except TableUnreadableError as error:
        printing.complain(f"cltab2systemd: {error}")
        raise SystemExit(1) from error
    imported = import_inittab(data, path, group, dialect=DIALECTS.get(format_), level=level)
    for finding in imported.diagnostics:
        printing.complain(render(finding))
    if output == _STANDARD:
        click.echo(imported.content, nl=False)
        return
    target = Path(output)
    # The file is replaced, and a device is not to be.
    if target.exists() and not target.is_file():
        raise click.ClickException(f"{output}: not a regular file")
    try:
        disk.write_whole(target, imported.content)
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror}") from error


def _read(file: str) -> tuple[str, bytes]:
    """The name and the bytes of an inittab; TableUnreadableError if there is none, or it is too large."""
    if file == _STANDARD:
        path, data = tables.STANDARD_INPUT_PATH, click.get_binary_stream("stdin").read(LARGEST + 1)
    else:
        main = tables.content(file).main
        path, data = main.path, main.content
    if len(data) > LARGEST:
        raise TableUnreadableError(f"{path} is larger than {LARGEST} bytes, as no inittab is")
    return path, data
