"""`cltab2systemd check`."""

from __future__ import annotations

import click

from cltab2systemd import store
from cltab2systemd.cli import tables
from cltab2systemd.diagnostics import has_errors


@click.command(name="check")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
def command(files: tuple[str, ...]) -> None:
    """Report everything that is wrong with tables."""
    raise SystemExit(0 if all([_is_good(path) for path in files]) else 1)  # noqa: C419 - each is to be reported


def _is_good(path: str) -> bool:
    try:
        _, findings = tables.read(path)
    except store.TableUnreadableError as error:
        tables.complain(f"cltab2systemd: {error}")
        return False
    tables.report(path, findings)
    return not has_errors(findings)
