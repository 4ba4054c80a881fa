"""From a plan to unit files, through the templates. In memory: bytes by file name, the same from run to run."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from cltab2systemd import unitfile
from cltab2systemd.names import Names
from cltab2systemd.plan import (
    BarrierUnit,
    BootUnit,
    EntryUnit,
    GateUnit,
    GroupPlan,
    LevelUnit,
    MarkerUnit,
    SliceUnit,
    Unit,
    plan_group,
)
from cltab2systemd.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cltab2systemd.table import ResourceGroup, Table

TEMPLATES = Path(__file__).parent / "templates"
DOCUMENTATION = "file:///usr/share/doc/cltab2systemd/README.md"

_TEMPLATE_OF: Mapping[type[Unit], str] = {
    BarrierUnit: "barrier.service.j2",
    BootUnit: "boot.conf.j2",
    EntryUnit: "entry.service.j2",
    GateUnit: "gate.service.j2",
    LevelUnit: "level.target.j2",
    MarkerUnit: "marker.target.j2",
    SliceUnit: "group.slice.j2",
}


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        autoescape=False,  # noqa: S701 - unit files are not HTML; every value comes escaped from the plan
    )


def compile_group(
    names: Names, path: str, group: ResourceGroup, surroundings: Surroundings | None = None
) -> Mapping[str, bytes]:
    """The unit files of one group.

    Args:
        names: the unit names of the instance.
        path: the table's path, absolute, for `SourcePath=` and the header.
        group: the group, as parsed.
        surroundings: what entries inherit from a daemon that was started by hand.

    Returns:
        The content of each file by its name, in the order of the plan.
    """
    return render(plan_group(names, group), path, surroundings or Surroundings())


def compile_table(table: Table, names: Names | None = None) -> Mapping[str, bytes]:
    """The unit files of all groups of a table; arguments and result as for `compile_group`."""
    names = names or Names()
    return {
        name: content
        for group in table.groups.values()
        for name, content in compile_group(names, table.path, group).items()
    }


def render(plan: GroupPlan, path: str, surroundings: Surroundings) -> Mapping[str, bytes]:
    """The files of a plan, by name."""
    shared = {**_shared(path), "surroundings": surroundings}
    return {
        unit.name: _environment().get_template(_TEMPLATE_OF[type(unit)]).render(shared, unit=unit).encode("utf-8")
        for unit in plan.units
    }


@functools.lru_cache(maxsize=4)
def _shared(path: str) -> Mapping[str, str]:
    """What all units of a table have in common, rendered once: an include costs as much as a unit."""
    values = {
        "documentation": DOCUMENTATION,
        "source_comment": unitfile.comment(path),
        "source_path": unitfile.path(path),
    }
    parts = {name: _environment().get_template(f"{name}.j2").render(values) for name in ("header", "origin", "point")}
    return {name: text.removesuffix("\n") for name, text in parts.items()}
