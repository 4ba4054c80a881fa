"""How groups are, told without a daemon: by the lines that were applied, the table on disk, clstat, and systemctl."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cltab2systemd import clstat
from cltab2systemd.check import loading
from cltab2systemd.client.requests import RefusedError
from cltab2systemd.commands.instance import Instance
from cltab2systemd.commands.seen import units_of
from cltab2systemd.disk import tables
from cltab2systemd.groups import advice
from cltab2systemd.groups.overview import group_overview
from cltab2systemd.groups.state import group_status
from cltab2systemd.locations import live_clstat
from cltab2systemd.operators.present import NoAnswerError
from cltab2systemd.reports.overview import group_object
from cltab2systemd.systemd.kernel import clock_offset
from cltab2systemd.table.diagnostics import has_errors
from cltab2systemd.table.model import ResourceGroup, Table
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cltab2systemd.locations import Locations


def describe(locations: Locations, groups: Sequence[str]) -> dict[str, Any]:
    """The table, and groups with their entries, as the daemon's method Describe has them.

    Args:
        locations: of the instance.
        groups: which groups; all, if there are none.

    Raises:
        RefusedError: there is no such group.
        NoAnswerError: systemd does not answer.
    """
    instance = Instance(locations)
    table, refusal = _table(locations.table)
    try:
        applied = instance.applied()
    except OSError:
        applied = {}
    names = _chosen(groups, table, applied)
    units = units_of(instance.names, {name: applied.get(name) or ResourceGroup(name) for name in names})
    if units is None:
        raise NoAnswerError("neither the daemon nor systemd tells how the groups are; see 'systemctl status'")
    levels, offset = _levels(locations), clock_offset()
    described = []
    for name in names:
        found, facts = units[name]
        wanted = applied.get(name, ResourceGroup(name)) if refusal else table.group(name)
        overview = group_overview(found, group_status(found, levels.get(name)), wanted, facts)
        described.append(group_object(overview, offset))
    return {"table": {"path": locations.table, "refusal": refusal or None, "unread": False}, "groups": described}


def _chosen(groups: Sequence[str], table: Table, applied: Mapping[str, ResourceGroup]) -> list[str]:
    known = dict.fromkeys((*table.groups, *applied))
    for name in groups:
        if name not in known:
            hint = advice.on_group(name, table)
            raise RefusedError(f"no such group: {name}", (hint,) if hint else (), "NoSuchGroup")
    return [*dict.fromkeys(groups or known)]


def _table(path: str) -> tuple[Table, str]:
    """The table on disk, and why it would be refused; empty if it would not."""
    try:
        data, _ = tables.read_table(path)
    except tables.TableUnreadableError as error:
        return Table(path), str(error)
    table, findings = loading.load(data, path)
    errors = [finding for finding in findings if has_errors((finding,))]
    return table, errors[0].summary if errors else ""


def _levels(locations: Locations) -> dict[str, str]:
    try:
        text = decoded(Path(live_clstat(locations)).read_bytes())
    except (OSError, ValueError):
        return {}
    return {group: level for group, level, _ in clstat.parse(text)}
