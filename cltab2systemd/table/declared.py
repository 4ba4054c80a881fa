"""Levels without entries, which a group may declare (`:::levels.GROUP:`); any other one is refused then. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.table.settings import Kind, setting_line
from cltab2systemd.table.spelling import Spellings
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.table.model import ResourceGroup, Table


def is_refused(group: ResourceGroup, level: str) -> bool:
    """Whether a group has declared levels, and a level is none of these, nor one that an entry names."""
    return bool(group.declared) and level not in group.levels


def undeclared(group: ResourceGroup, level: str) -> str:
    """What is said of a level that is refused. The resource agent knows it by the line that it names."""
    line = setting_line(Kind.LEVELS, shortened(group.name))
    return f"no entry of {shortened(group.name)} names level '{shortened(level)}', and {line} does not declare it"


def meant(group: ResourceGroup, level: str) -> str:
    """The level of a group that was probably meant by one that it does not have; empty if none is like it."""
    names = group.levels
    bare = level.strip(",")
    # The name of a level before the field that names it: `prod` before `prod,`.
    like = bare if bare in names else Spellings(sorted(names, key=lambda name: "," in name)).like(level)
    return "" if like is None else like


def findings(table: Table) -> Iterator[Diagnostic]:
    """Boot levels that would be refused if somebody asked for them: both lines are in the table, so one is wrong."""
    for setting in table.settings:
        if setting.kind is Kind.BOOT_LEVEL and is_refused(group := table.group(setting.subject), setting.value):
            like = meant(group, setting.value)
            yield Diagnostic.of(
                "undeclared-level",
                setting.place_of_value,
                undeclared(group, setting.value),
                source=setting.line,
                hint=f"did you mean '{shortened(like)}'?" if like else "add it to that line, or remove this one",
            )
