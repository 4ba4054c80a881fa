"""How the translator's commands read tables, and tell what is wrong with them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from cltab2systemd import plan, store
from cltab2systemd.diagnostics import Severity, has_errors, render

if TYPE_CHECKING:
    from collections.abc import Collection

    from cltab2systemd.diagnostics import Diagnostic
    from cltab2systemd.table import Table


def load(path: str) -> Table:
    """A table without errors. Warnings are printed; on errors they are too, and SystemExit with 1 is raised."""
    try:
        table, findings = read(path)
    except store.TableUnreadableError as error:
        complain(f"cltab2systemd: {error}")
        raise SystemExit(1) from error
    report(path, findings)
    if has_errors(findings):
        raise SystemExit(1)
    return table


def read(path: str) -> tuple[Table, tuple[Diagnostic, ...]]:
    """A table and its findings, with absolute paths; store.TableUnreadableError if it cannot be read."""
    data, _ = store.read_table(path)
    return plan.load(data, os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow links


def report(path: str, findings: Collection[Diagnostic]) -> None:
    """Print findings about a table, and how many of them are errors."""
    for finding in findings:
        complain(render(finding))
    if errors := sum(finding.severity is Severity.ERROR for finding in findings):
        complain(f"cltab2systemd: {path}: {errors} error{'s' if errors > 1 else ''}")


def complain(text: str) -> None:
    """Print to the standard error; bytes that are not UTF-8 come out as they came in."""
    click.echo(os.fsencode(text), err=True)
