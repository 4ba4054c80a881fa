"""Text in columns, for a terminal. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.table.diagnostics import columns

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP = "  "


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of printable cells, as many in each, as lines: each column as wide as its widest cell."""
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    return [
        _GAP.join(cell + " " * (wide - columns(cell)) for cell, wide in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def cut(line: str, width: int | None) -> str:
    """A printable line as far as a terminal of so many columns shows it, with `…` for the rest; None is no limit."""
    if width is None or columns(line) <= width:
        return line
    # No character takes more than two columns, so that this is near the place already.
    kept = line[: max(0, width - 1)]
    while columns(kept) > max(0, width - 1):
        kept = kept[:-1]
    return f"{kept}…"
