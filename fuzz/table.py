"""The target for parser and compiler: any bytes give findings and nothing else, or units that are by the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.check import loading
from cltab2systemd.table.diagnostics import has_errors, render
from cltab2systemd.table.grammar import BYTE_ORDER_MARK
from cltab2systemd.table.model import BLANKS, COMMENT, MOST_FINDINGS
from cltab2systemd.text import decoded
from cltab2systemd.units import compiler
from cltab2systemd.units.names import Names
from fuzz import cltab, unitrules

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from cltab2systemd.table.diagnostics import Diagnostic
    from cltab2systemd.table.model import Table

PATH = "/etc/cltab"
_INSTANCES = (Names(), Names("_0123abcd"))


def make(source: random.Random) -> bytes:
    """A table for a case."""
    return cltab.table(source)


def check(data: bytes) -> Iterator[str]:
    """Check all that has to hold for a file with these bytes; AssertionError, or anything, if it does not."""
    names = _INSTANCES[len(data) % 8 == 0]
    table, findings = loading.load(data, PATH, names)
    lines = decoded(data).split("\n")
    for finding in findings:
        _check_finding(finding, lines)
    yield from {f"finding {finding.code}" for finding in findings}
    if has_errors(findings):
        yield "refused"
        return
    _check_complete(table, findings, lines)
    yield "parsed without an error" if table.entries else "parsed without an error and without an entry"
    files = compiler.compile_table(table, names)
    unitrules.check_files(table, names, files)
    if files:
        yield "compiled to units"


def _check_finding(finding: Diagnostic, lines: list[str]) -> None:
    """A finding's place lies in the file, at a character or at the end of a line, and it can be printed."""
    place = finding.place
    assert place.path == PATH
    assert 1 <= place.line <= len(lines), place
    line = lines[place.line - 1]
    if finding.code == "wide-encoding":
        return  # about a file that has no lines
    if not finding.code.startswith(("byte-order-mark", "old-line-ends")):
        line = line.lstrip(BYTE_ORDER_MARK)
    assert finding.source.rstrip("\r\n") == line.rstrip("\r")  # that of a whole table has no line end any more
    assert place.width >= 1
    assert 1 <= place.column <= len(line) + 1, place
    assert place.column + place.width <= max(len(line) + 1, place.column + 1), place
    assert finding.code
    assert finding.message
    text = render(finding)
    assert all(shown.isprintable() for shown in text.split("\n")), text
    assert len(text) < 10_000
    text.encode("utf-8")


def _check_complete(table: Table, findings: tuple[Diagnostic, ...], lines: list[str]) -> None:
    """Each line of a table that is not refused is an entry, a setting, a comment, blank, or was warned of."""
    taken = {entry.place.line for entry in table.entries} | {setting.place.line for setting in table.settings}
    taken |= {finding.place.line for finding in findings}
    if len(findings) >= MOST_FINDINGS:
        return  # of that many warnings, no more are kept
    for number, line in enumerate(lines, 1):
        if line.startswith(BYTE_ORDER_MARK):
            continue  # only the first one is told
        ignored = line.startswith(COMMENT) or not line.strip(BLANKS)
        assert ignored != (number in taken), line
