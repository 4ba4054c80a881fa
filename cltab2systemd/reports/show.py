"""A table as a person looks at it: for each group, its entries by its levels. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cltab2systemd.table.model import Entry, Mode, ResourceGroup


@dataclass(frozen=True, slots=True)
class Row:
    """An entry, and its mode at each level of the matrix that is one of its levels; None at the others."""

    entry: Entry
    modes: tuple[Mode | None, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """A group: what it says of itself, its levels in order of first appearance, and its entries in file order."""

    group: ResourceGroup
    levels: tuple[str, ...]
    rows: tuple[Row, ...]


def of_group(group: ResourceGroup) -> Matrix:
    """The matrix of a group, with the levels that people ask for."""
    levels = without_lists(group.levels)
    rows = (
        Row(entry, tuple(entry.mode if level in entry.levels else None for level in levels)) for entry in group.entries
    )
    return Matrix(group, levels, tuple(rows))


def without_lists(levels: Iterable[str]) -> tuple[str, ...]:
    """The levels that people ask for.

    A whole list such as `3,m` is a level, too, as it was with the ancestor. Nobody means that, and it would take a
    column for each list.
    """
    return tuple(level for level in levels if "," not in level)
