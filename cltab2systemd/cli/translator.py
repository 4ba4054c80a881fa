"""`cltab2systemd`: check tables and compile them, with no daemon and no systemd needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cltab2systemd import __version__, plan, store
from cltab2systemd.diagnostics import Severity, has_errors, render

if TYPE_CHECKING:
    from cltab2systemd.table import Table


def main() -> None:
    """Run `cltab2systemd` with the process's arguments, and exit."""
    group()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cltab2systemd")
def group() -> None:
    """Translate /etc/cltab into systemd units.

    Exit codes: 0 fine, 1 the table has errors or cannot be read, 2 usage.
    """


@group.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
def check(files: tuple[str, ...]) -> None:
    """Report everything that is wrong with tables."""
    tables = [_load(path) for path in files]
    raise SystemExit(0 if all(table is not None for table in tables) else 1)


@group.command(name="compile")
@click.argument("file", metavar="FILE")
@click.option("-o", "--output", required=True, metavar="DIR", help="Where the units go; made if it is not there.")
def compile_(file: str, output: str) -> None:
    """Write the units that a table stands for into a directory.

    A table with errors writes nothing. Files that are in the directory already and are not units of this table stay.
    """
    table = _load(file)
    if table is None:
        raise SystemExit(1)
    from cltab2systemd.compiler import compile_table  # noqa: PLC0415 - jinja2, which a check does not need

    files = compile_table(table)
    directory = Path(output)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            store.write_whole(directory / name, content)
    except OSError as error:
        raise click.ClickException(f"{error.filename or output}: {error.strerror}") from error


def _load(path: str) -> Table | None:
    """A table without errors; None after having printed what is wrong."""
    try:
        data, _ = store.read_table(path)
    except store.TableUnreadableError as error:
        click.echo(os.fsencode(f"cltab2systemd: {error}"), err=True)
        return None
    table, findings = plan.load(data, os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow links
    for finding in findings:
        click.echo(os.fsencode(render(finding)), err=True)
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    if errors:
        plural = "s" if errors > 1 else ""
        click.echo(os.fsencode(f"cltab2systemd: {path}: {errors} error{plural}"), err=True)
    return None if has_errors(findings) else table
