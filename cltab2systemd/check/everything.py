"""All that there is to find about a table: its errors, and what is probably wrong, on this machine too."""

from __future__ import annotations

import functools
from itertools import islice
from typing import TYPE_CHECKING

from cltab2systemd.check import lint, loading, machine
from cltab2systemd.check.filesystem import Root
from cltab2systemd.table.diagnostics import Diagnostic, has_errors, in_order
from cltab2systemd.table.model import MOST_FINDINGS
from cltab2systemd.table.tablefiles import TableFiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.table.diagnostics import Place
    from cltab2systemd.table.model import Table


def findings(data: bytes, path: str, root: str = "/") -> tuple[Diagnostic, ...]:
    """`findings_of` a table that is one file: its bytes, and its name for places."""
    return findings_of(TableFiles.of(data, path), root)


def findings_of(files: TableFiles, root: str = "/") -> tuple[Diagnostic, ...]:
    """All findings about a table, in file order, as `examined` has them."""
    return examined(files, root)[1]


def examined(files: TableFiles, root: str = "/") -> tuple[Table, tuple[Diagnostic, ...]]:
    """A table, and all findings about it, in file order.

    Of the warnings these are at most `MOST_FINDINGS`, and one more that says so.

    Args:
        files: of the table.
        root: the directory whose files, users and units it is checked against; `/` is this machine.
    """
    table, errors = loading.load_files(files)
    found = _each_once(_warnings(table, Root(root), is_complete=not has_errors(errors)))
    warnings = in_order(islice(found, MOST_FINDINGS + 1))
    if len(warnings) > MOST_FINDINGS:
        last = warnings[-1]
        more = Diagnostic.of(
            "too-many-warnings",
            last.place,
            f"more than {MOST_FINDINGS} warnings; not all are shown",
            source=last.source,
            hint="mend some of them, and check again",
        )
        warnings = (*warnings[:-1], more)
    return table, in_order((*errors, *warnings))


def _warnings(table: Table, root: Root, *, is_complete: bool) -> Iterator[Diagnostic]:
    yield from machine.findings(table, root)
    read = functools.lru_cache(maxsize=64)(lambda path: root.content(path) or "")
    yield from lint.findings(table, is_complete=is_complete, read=read)


def _each_once(found: Iterator[Diagnostic]) -> Iterator[Diagnostic]:
    """The first of those of a code at a place: what is set for all entries of a group is found for each."""
    seen: set[tuple[str, Place]] = set()
    for finding in found:
        if (key := (finding.code, finding.place)) not in seen:
            seen.add(key)
            yield finding
