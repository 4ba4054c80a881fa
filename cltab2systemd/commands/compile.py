"""`cltab2systemd compile`."""

from __future__ import annotations

from pathlib import Path

import click

from cltab2systemd.commands import tables
from cltab2systemd.disk import files as disk


@click.command(name="compile")
@click.argument("file", metavar="FILE")
@click.option("-o", "--output", required=True, metavar="DIR", help="Where the units go; made if it is not there.")
def command(file: str, output: str) -> None:
    """Write the units that a table stands for into a directory.

    A table with errors writes nothing. Files that are in the directory already and are not units of this table stay.
    """
    table = tables.load(file)
    from cltab2systemd.units.compiler import compile_table  # noqa: PLC0415 - jinja2, for a table without errors only

    files = compile_table(table)
    directory = Path(output)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = directory / name
            path.parent.mkdir(exist_ok=True)
            disk.write_whole(path, content)
    except OSError as error:
        raise click.ClickException(f"{error.filename or output}: {error.strerror}") from error
