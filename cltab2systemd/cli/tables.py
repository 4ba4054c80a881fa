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


def report(path: str, findings: Collection[Diagnostic], counted: tuple[Severity, ...] = (Severity.ERROR,)) -> None:
    """Print findings about a table, and how many of them are as bad as the given severities."""
    if findings:
        complain("\n".join(map(render, findings)))
    numbers = [(severity, sum(finding.severity is severity for finding in findings)) for severity in counted]
    if told := ", ".join(f"{number} {severity}{'s' if number > 1 else ''}" for severity, number in numbers if number):
        complain(f"cltab2systemd: {path}: {told}")


def complain(text: str) -> None:
    """Print to the standard error; bytes that are not UTF-8 come out as they came in."""
    click.echo(os.fsencode(text), err=True)
