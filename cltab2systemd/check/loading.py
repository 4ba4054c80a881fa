"""Reading a table for use: parsed, and its units known to be possible. Pure."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from cltab2systemd.table.diagnostics import Diagnostic, in_order
from cltab2systemd.table.grammar import parse_files
from cltab2systemd.table.model import MOST_FINDINGS, Table
from cltab2systemd.table.tablefiles import TableFiles
from cltab2systemd.terminal import shortened
from cltab2systemd.units.names import HALT_LEVEL, LONGEST_ASKED_NAME, LONGEST_UNIT_NAME, Names

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each level of a group names each entry, as one that it starts or stops, and each other level, which makes some hundred
# bytes of units each; so does each entry that needs one before it. Nobody wrote a table with more of these, and 700
# entries with a level each would make 99 MB.
MOST_DEPENDENCIES = 250_000


def findings(names: Names, table: Table) -> tuple[Diagnostic, ...]:
    """Findings about a table whose units systemd could not load: names that are too long, and groups too large.

    At most `MOST_FINDINGS` are told.
    """
    found = itertools.chain(_long_names(names, table), _large_groups(table))
    return tuple(itertools.islice(found, MOST_FINDINGS))


def _large_groups(table: Table) -> Iterator[Diagnostic]:
    for group in table.groups.values():
        levels: set[str] = set()
        required = needed = 0
        for number, entry in enumerate(group.entries, 1):
            levels.update(entry.levels.names)
            needed += required
            required += entry.holds_back
            pairs = number * (number - 1) // 2 if group.stops_in_order else 0
            if len(levels) * (number + len(levels) + required) + needed + pairs > MOST_DEPENDENCIES:
                ordered = "and each entry those before it, for they are stopped in order; " if pairs else ""
                yield Diagnostic.of(
                    "group-too-large",
                    entry.place_of("group"),
                    f"up to here group '{shortened(group.name)}' has {number} entries and {len(levels)} levels, which "
                    f"takes more than {MOST_DEPENDENCIES} dependencies",
                    source=entry.line,
                    hint=f"each level names each entry and each other level; {ordered}split the group, or use fewer "
                    "levels",
                )
                break


def _long_names(names: Names, table: Table) -> Iterator[Diagnostic]:
    for entry in table.entries:
        group = entry.group
        is_asked = bool(entry.ready or entry.health)
        longest = {
            "group": max(names.barrier(group, HALT_LEVEL), names.slice(group), key=len),
            # The units of its checks have names that fit as soon as its own one can be asked about.
            "tag": (names.entry if is_asked else names.gate)(group, entry.tag),
            "levels": max((names.barrier(group, level) for level in entry.levels.names), key=len),
        }
        for field, unit in longest.items():
            is_of_asked = is_asked and field == "tag"
            most = LONGEST_ASKED_NAME if is_of_asked else LONGEST_UNIT_NAME
            if len(unit) > most:
                takes = "that of an entry with a check has" if is_of_asked else "systemd takes"
                plain = "':', '_' and '.'" if unit == names.slice(group) else "':', '_', '.' and '-'"
                what = "the group makes" if field == "group" else f"group and {field} make"
                yield Diagnostic.of(
                    f"long-{field}",
                    entry.place_of(field),
                    f"{what} a unit name of {len(unit)} bytes; {takes} at most {most}",
                    source=entry.line,
                    hint=f"other characters than letters, digits, {plain} count four bytes each; use shorter names",
                )


def load(data: bytes, path: str, names: Names | None = None) -> tuple[Table, tuple[Diagnostic, ...]]:
    """`load_files` for a table that is one file: its bytes, and its name for places."""
    return load_files(TableFiles.of(data, path), names)


def load_files(files: TableFiles, names: Names | None = None) -> tuple[Table, tuple[Diagnostic, ...]]:
    """Parse a table and check that its units can be made: everything there is to find in one go.

    Returns the table and all findings in file order; if none is an error, every group of the table can be planned.
    """
    table, diagnostics = parse_files(files)
    return table, in_order((*diagnostics, *findings(names or Names(), table)))
