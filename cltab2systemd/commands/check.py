"""`cltab2systemd check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cltab2systemd.check import everything
from cltab2systemd.commands import doubts, printing, tables
from cltab2systemd.commands.options import Format, format_option
from cltab2systemd.commands.printing import say_json
from cltab2systemd.disk.tables import TableUnreadableError, on_empty, on_no_entry
from cltab2systemd.locations import TABLE, from_here, locate
from cltab2systemd.table.diagnostics import Diagnostic, Place, Severity, has_errors
from cltab2systemd.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.reports.asjson import Json
    from cltab2systemd.table.tablefiles import TableFiles


@click.command(name="check")
@click.argument("files", nargs=-1, metavar="[FILE]…")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    default="/",
    metavar="DIRECTORY",
    help="Check against the files, users and enabled units in DIRECTORY, the root of another machine.",
)
@click.option("--strict", is_flag=True, help="Warnings count as errors do: exit with 1.")
@format_option
def command(files: tuple[str, ...], *, root: str, strict: bool, format_: str) -> None:
    """Report everything that is wrong with tables, and what probably is.

    FILE is /etc/cltab if it is left out, or - for the standard input.

    Errors keep a table from taking effect. Warnings do not: they are about what is legal but looks like a mistake,
    about what the shell and the systemd of this machine do not know, and about what its files, users and enabled units
    are against. With --root these are another machine's; shell and systemd stay this machine's. FILE is looked for here
    in any case. docs/diagnostics.md explains each finding by its code. Findings go to the standard error as text, or to
    the standard output as one JSON array; a file that cannot be read is one of them there.

    Exit codes: 0 no errors (with --strict: no warnings either), 1 findings or a file that cannot be read, 2 usage.
    """
    counted = (Severity.ERROR, Severity.WARNING) if strict else (Severity.ERROR,)
    is_good = True
    found: list[Diagnostic] = []
    for path in files or (TABLE,):
        try:
            content = tables.content(path)
            table, findings = everything.examined(content, root)
        except TableUnreadableError as error:
            printing.complain(f"cltab2systemd: {error}")
            found.append(_unreadable(path, str(error)))
            is_good = False
            continue
        is_without = not (table.entries or has_errors(findings))
        for doubt in _doubts(content, is_here=root == "/", is_without_entries=is_without):
            printing.complain(f"cltab2systemd: {doubt}")
            found.append(_unreadable(path, doubt))
            is_good = False
        found += findings
        is_good = is_good and not any(finding.severity in counted for finding in findings)
        if format_ == Format.TEXT:
            tables.report(path, findings, counted)
    if format_ == Format.JSON:
        say_json([_as_json(finding) for finding in found])
    raise SystemExit(0 if is_good else 1)


def _doubts(files: TableFiles, *, is_here: bool, is_without_entries: bool) -> Iterator[str]:
    """Why the daemon of this machine would not take a table as a whole."""
    told = [*doubts.found(locate(TABLE), files.path, is_without_entries=is_without_entries, is_here=is_here)]
    yield from told
    if files.empty and on_no_entry(files.path) not in told:
        yield on_empty(files.empty)


def _unreadable(path: str, message: str) -> Diagnostic:
    """A finding about a file as a whole: lines, columns and widths count from 1, so it has 0 for each."""
    name = tables.STANDARD_INPUT_PATH if path == tables.STANDARD_INPUT else from_here(path)
    return Diagnostic.of("unreadable", Place(name, line=0, column=0, width=0), message)


def _as_json(finding: Diagnostic) -> Json:
    # Columns count the characters of the line as it is in the file; what a terminal cannot take is escaped in the text.
    place = finding.place
    return {
        "code": finding.code,
        "severity": str(finding.severity),
        "path": printable(place.path),
        "line": place.line,
        "column": place.column,
        "width": place.width,
        "message": printable(finding.message),
        "hint": printable(finding.hint),
        "source": printable(finding.source),
    }
