"""`cltab2systemd show`."""

from __future__ import annotations

import enum
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from cltab2systemd import terminal
from cltab2systemd.commands import options, printing, tables
from cltab2systemd.locations import TABLE
from cltab2systemd.reports import asjson
from cltab2systemd.reports import show as matrix
from cltab2systemd.table import settings
from cltab2systemd.terminal import printable
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.reports.show import Matrix
    from cltab2systemd.table.model import ResourceGroup, Table
    from cltab2systemd.table.settings import Directive

_NOT_HERE = "·"


class Kind(enum.StrEnum):
    """What a unit stands for."""

    SLICE = "slice"
    LEVEL = "level"
    ENTRY = "entry"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of a table: of which group it is, what it stands for, the name of that in the table, and its own name.

    A slice stands for the group itself, so it has no other name in the table.
    """

    group: str
    kind: Kind
    name: str | None
    unit: str


@click.command(name="show")
@click.argument("file", metavar="[FILE]", default=TABLE)
@click.option("--units", is_flag=True, help="Show the systemd unit of each group, level and entry instead.")
@options.format_option
def command(file: str, *, units: bool, format_: str) -> None:
    """Show what a table says: for each group its entries by its levels, with their modes.

    FILE is /etc/cltab if it is left out, or - for the standard input. A whole list of levels, such as `3,m`, is the
    name of a level, too; only the JSON has those.
    """
    table = tables.load(file)
    if format_ == options.Format.JSON:
        printing.say_json(units_as_json(table) if units else as_json(table))
    elif units:
        printing.say(units_as_text(table))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        printing.say(as_text(table, width))


def as_text(table: Table, width: int | None = None) -> Iterator[str]:
    """A table as lines for a person.

    Args:
        table: what is shown.
        width: the columns that a line may have, at the cost of the commands; None if there is no limit.
    """
    between = False
    for group in table.groups.values():
        if between:
            yield ""
        between = True
        yield from _group_text(table, matrix.of_group(group), width)
    if rows := [
        [printable(f"{setting.name}:"), printable(setting.value)]
        for setting in table.settings
        if not setting.kind.subject
    ]:
        yield from ["", "settings"] if between else ["settings"]
        yield from (f"  {line}" for line in terminal.aligned(rows))


def _group_text(table: Table, group: Matrix, width: int | None) -> Iterator[str]:
    boot = group.group.boot_level
    stops = ", stops in order" if group.group.stops_in_order else ""
    yield printable((group.group.name if boot is None else f"{group.group.name}, boots to level {boot}") + stops)
    rows = [["", *map(printable, group.levels), ""]]
    rows += [
        [
            printable(row.entry.tag),
            *(row.entry.kind if mode else _NOT_HERE for mode in row.modes),
            printable(row.entry.command),
        ]
        for row in group.rows
    ]
    yield from (terminal.cut(f"  {line}", width) for line in terminal.aligned(rows))
    yield from (printable(f"  slice: {directive.line}") for directive in group.group.directives)
    yield from (printable(f"  services: {directive.line}") for directive in _of_services(table, group.group))
    for row in group.rows:
        own = (given for given in row.entry.directives if table.source_of(given).kind is not settings.Kind.SERVICES)
        yield from (printable(f"  {row.entry.tag}: {directive.line}") for directive in own)
        if row.entry.required:
            yield printable(f"  {row.entry.tag}: required")
        if row.entry.preflight is not None:
            yield printable(f"  {row.entry.tag}: preflight: {row.entry.preflight.text}")
        if row.entry.health is not None:
            yield printable(f"  {row.entry.tag}: health: {row.entry.health.text}")


def _of_services(table: Table, group: ResourceGroup) -> list[Directive]:
    """The directives that all entries of a group have."""
    given = (setting for setting in table.settings if setting.kind is settings.Kind.SERVICES)
    return [setting.directive for setting in given if setting.subject == group.name]


def as_json(table: Table) -> asjson.Json:
    """A table as a JSON value: all that was parsed of it, in file order."""
    return {
        "path": asjson.text(table.path),
        "groups": [_group_json(table, group) for group in table.groups.values()],
        "settings": [
            {
                "name": asjson.text(setting.name),
                "value": asjson.text(setting.value),
                "path": asjson.text(setting.place.path),
                "line": setting.place.line,
            }
            for setting in table.settings
        ],
    }


def _group_json(table: Table, group: ResourceGroup) -> asjson.Json:
    return {
        "group": asjson.text(group.name),
        "boot_level": asjson.optional(group.boot_level),
        "directives": asjson.directives(group.directives),
        "services": asjson.directives(_of_services(table, group)),
        "stops_in_order": group.stops_in_order,
        "levels": asjson.texts(group.levels),
        "declared": asjson.texts(group.declared),
        "entries": [
            {**asjson.entry(entry), "path": asjson.text(entry.place.path), "line": entry.place.line}
            for entry in group.entries
        ],
    }


def units_of(table: Table) -> Iterator[Unit]:
    """The units that people name, in file order: for each group its slice, its levels, also whole lists, its entries.

    They are those of the system's daemon. Gates, barriers and markers are not among them.
    """
    names = Names()
    for group in table.groups.values():
        yield Unit(group.name, Kind.SLICE, None, names.slice(group.name))
        for level in group.levels:
            yield Unit(group.name, Kind.LEVEL, level, names.level(group.name, level))
        for entry in group.entries:
            yield Unit(group.name, Kind.ENTRY, entry.tag, names.entry(group.name, entry.tag))


def units_as_text(table: Table) -> list[str]:
    """The units of a table as lines; each ends in the unit's name, which has no blanks. Whole lists are left out."""
    return terminal.aligned(
        [
            [printable(unit.group), unit.kind, printable(unit.name or ""), unit.unit]
            for unit in units_of(table)
            if unit.kind is not Kind.LEVEL or matrix.without_lists([unit.name or ""])
        ]
    )


def units_as_json(table: Table) -> asjson.Json:
    """The units of a table as a JSON value."""
    return {
        "path": asjson.text(table.path),
        "units": [
            {
                "group": asjson.text(unit.group),
                "kind": str(unit.kind),
                "name": asjson.optional(unit.name),
                "unit": unit.unit,
            }
            for unit in units_of(table)
        ],
    }
