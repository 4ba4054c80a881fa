"""From a plan to unit files, through the templates. In memory: bytes by file name, the same from run to run."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from cltab2systemd.units import unitfile
from cltab2systemd.units.kinds import (
    BarrierUnit,
    BootUnit,
    EntryUnit,
    GateUnit,
    HealthTimerUnit,
    HealthUnit,
    LevelUnit,
    MarkerUnit,
    PreflightUnit,
    SliceUnit,
    Unit,
)
from cltab2systemd.units.names import Names
from cltab2systemd.units.plan import GroupPlan, plan_group, plan_top
from cltab2systemd.units.preflight import plan_preflight
from cltab2systemd.units.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cltab2systemd.table.model import Entry, ResourceGroup, Table

TEMPLATES = Path(__file__).parent.parent / "templates"
DOCUMENTATION = "man:clinit(8) man:cltab(5)"

_TEMPLATE_OF: Mapping[type[Unit], str] = {
    BarrierUnit: "barrier.service.j2",
    BootUnit: "boot.conf.j2",
    EntryUnit: "entry.service.j2",
    GateUnit: "gate.service.j2",
    HealthTimerUnit: "health.timer.j2",
    HealthUnit: "health.service.j2",
    LevelUnit: "level.target.j2",
    MarkerUnit: "marker.target.j2",
    PreflightUnit: "preflight.service.j2",
    SliceUnit: "group.slice.j2",
}


def compile_group(
    names: Names, path: str, group: ResourceGroup, surroundings: Surroundings | None = None
) -> Mapping[str, bytes]:
    """The unit files of one group.

    Args:
        names: the unit names of the instance.
        path: the table's path, absolute, for the header.
        group: the group, as parsed.
        surroundings: what entries inherit from a daemon that was started by hand.

    Returns:
        The content of each file by its name, in the order of the plan.
    """
    return render(plan_group(names, group), path, surroundings or Surroundings())


def compile_top(names: Names, path: str) -> Mapping[str, bytes]:
    """The unit files that all groups of an instance have in common; arguments and result as for `compile_group`."""
    return render(plan_top(names), path, Surroundings())


def compile_preflight(names: Names, path: str, unit: str, entry: Entry, surroundings: Surroundings) -> bytes:
    """The file of a unit that runs the preflight of an entry; other arguments as for `compile_group`."""
    return render(GroupPlan(entry.group, (plan_preflight(names, unit, entry),)), path, surroundings)[unit]


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
    files = _files(path, surroundings)
    return {unit.name: files[type(unit)](unit).encode("utf-8") for unit in plan.units}


@functools.lru_cache(maxsize=4)
def _files(path: str, surroundings: Surroundings) -> Mapping[type[Unit], Callable[[Unit], str]]:
    """The text of a unit's file, by the kind of unit: the macro `file` of each template.

    A macro costs a call. Rendering a template, or including one, costs as much as all that stands in it.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        autoescape=False,  # noqa: S701 - unit files are not HTML; every value comes escaped from the plan
    )
    values = {
        "documentation": DOCUMENTATION,
        "source_comment": unitfile.comment(path),
        "endings": unitfile.ENDINGS,
        "stops": unitfile.STOPS,
        "surroundings": surroundings,
    }
    for shared in ("header", "origin", "never_runs"):
        values[shared] = environment.get_template(f"{shared}.j2").render(values).removesuffix("\n")
    modules = {kind: environment.get_template(name).make_module(values) for kind, name in _TEMPLATE_OF.items()}
    return {kind: module.__dict__["file"] for kind, module in modules.items()}
