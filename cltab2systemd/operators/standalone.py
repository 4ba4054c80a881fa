"""How groups are, if no daemon tells: by the lines that were applied, the table on disk, clstat, and systemd."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cltab2systemd import clstat
from cltab2systemd.check import loading
from cltab2systemd.client.calls import RefusedError
from cltab2systemd.commands.instance import Instance
from cltab2systemd.core.seen import units_of
from cltab2systemd.disk import tables
from cltab2systemd.groups import advice
from cltab2systemd.groups.noted import shown_status
from cltab2systemd.groups.overview import entry_overviews, group_overview
from cltab2systemd.groups.progress import progress, way_of_units
from cltab2systemd.groups.state import State, group_status
from cltab2systemd.locations import GOOD_TABLE, NOTED_REASONS, TABLE, live_clstat, noted
from cltab2systemd.operators.askable import Daemon, NoAnswerError
from cltab2systemd.reports.overview import group_object, table_object
from cltab2systemd.systemd.buserrors import BusError
from cltab2systemd.systemd.kernel import clock_offset
from cltab2systemd.table.diagnostics import has_errors
from cltab2systemd.table.model import ResourceGroup, Table
from cltab2systemd.text import decoded
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cltab2systemd.groups.progress import Progress, Timings
    from cltab2systemd.groups.state import GroupStatus
    from cltab2systemd.groups.units import GroupUnits
    from cltab2systemd.locations import Locations

# Seconds for which systemd is asked about group after group, however late it is.
LEAST = 0.5
# Seconds in which it has to give an answer.
_ANSWER_TIME = 1.0
_WELL = {State.DONE, State.PASSED, State.CONFIGURED}
_STATES = {str(state): state for state in State}
# A level and its state in clstat; None if that is a word of another version.
_Line = tuple[str, State | None]


@dataclass(frozen=True, slots=True)
class _Told:
    """What a daemon has told in files: clstat by group, the reasons, and what there is of it if it keeps these true."""

    lines: Mapping[str, _Line]
    reasons: Sequence[str]
    kept: Daemon | None


def describe(locations: Locations, groups: Sequence[str], until: float, kept: Daemon | None = None) -> dict[str, Any]:
    """The table, and groups with their entries, as the daemon's method Describe has them; and who is missing.

    Groups that do not look well are asked for first. If the time runs out, the names of the others are in `missing`.

    Args:
        locations: of the instance.
        groups: which groups; all, if there are none.
        until: when all is to be there, as `time.monotonic` has it.
        kept: what there is of the daemon that keeps clstat true; None if nobody does. Then clstat is believed, for the
            daemon knows more than the units say.

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
    told = _Told(_lines(locations), noted(locations, NOTED_REASONS), kept)
    there = {**applied, **(told.lines if kept else {})}
    of_table = (name for name in table.groups if name in there or not refusal)  # one that is refused makes no groups
    names = _chosen(groups, (*of_table, *there))
    lines = {name: applied.get(name) or ResourceGroup(name) for name in names}
    wanted = lines if refusal else {name: table.group(name) for name in names}
    try:
        described = asyncio.run(_described(instance, lines, wanted, told, until=until))
    except (BusError, TimeoutError) as error:
        message = f"neither the daemon nor systemd tells how the groups are: {error or 'no answer in time'}"
        raise NoAnswerError(message) from error
    return {
        "table": table_object(locations.table, refusal, _in_force(instance, locations.table), unread=False),
        "groups": [described[name] for name in names if name in described],
        "missing": [name for name in names if name not in described],
    }


async def _described(
    instance: Instance,
    lines: Mapping[str, ResourceGroup],
    wanted: Mapping[str, ResourceGroup],
    told: _Told,
    *,
    until: float,
) -> dict[str, dict[str, object]]:
    """The groups whose units were made from lines, as many as there was time for. TimeoutError, BusError for none."""
    offset, destinations, trials = clock_offset(), _destinations(instance), instance.trials()
    described: dict[str, dict[str, object]] = {}
    async with units_of(instance.names, lines, _ANSWER_TIME) as (units, probe):
        end = max(until, time.monotonic() + LEAST)
        for name, group in sorted(units.items(), key=lambda item: _looks_well(told.lines.get(item[0]), item[1])):
            if described and time.monotonic() >= end:
                break
            try:
                if (line := told.lines.get(name)) is not None and line[1] in {State.DONE, State.PASSED}:
                    probe.trust(lines[name], line[0], instance.names)
                status = _status(group, line, told)
                entries = entry_overviews(group, status, group.entries, probe)
                so_far = _progress(group, status, probe, destinations)
            except BusError:
                if described:
                    break
                raise
            overview = group_overview(
                group, status, wanted[name], entries, applied=lines[name], progress=so_far, trial=trials.get(name)
            )
            described[name] = group_object(overview, offset, time.monotonic_ns() // 1000)
    return described


def _looks_well(line: _Line | None, group: GroupUnits) -> bool:
    """Whether a group is well at first sight."""
    return (line is None or line[1] in _WELL) and all(unit.active != "failed" for unit in group.units.values())


def _status(units: GroupUnits, line: _Line | None, told: _Told) -> GroupStatus | None:
    if line is None:
        return group_status(units, None)
    level, state = line
    judged = group_status(units, level)
    if told.kept is None or state is None:
        return judged
    if told.kept is Daemon.SILENT and judged is not None and _is_news(judged, level, state):
        return judged  # a daemon that hangs may not have seen that
    start = f"{units.group} {level} "
    reasons = [reason.removeprefix(start) for reason in told.reasons if reason.startswith(start)]
    return shown_status(units, judged, level, state, reasons)


def _is_news(judged: GroupStatus, level: str, state: State) -> bool:
    """Whether the units say something else than clstat does: another level, or a failure."""
    return judged.level != level or State.FAILED is judged.state is not state


def _destinations(instance: Instance) -> Mapping[str, str] | None:
    """Where groups are to go of which systemd does not know yet; None if that cannot be read."""
    try:
        return instance.destinations()
    except FileNotFoundError:  # no daemon has ever run
        return {}
    except OSError:
        return None


def _progress(
    units: GroupUnits, status: GroupStatus | None, probe: Timings, destinations: Mapping[str, str] | None
) -> Progress | None:
    """How far a group has come, as far as its units tell; None if they tell of nothing that is waited for."""
    if status is None or status.state.settled or destinations is None:
        return None
    on = way_of_units(units, status, destinations.get(units.group))
    so_far = None if on is None else progress(units, probe, on, None)
    return so_far if so_far is not None and so_far.awaited else None


def _chosen(groups: Sequence[str], there: Iterable[str]) -> list[str]:
    known = dict.fromkeys(there)
    for name in groups:
        if name not in known:
            hint = advice.on_group(name, known)
            raise RefusedError(f"no such group: {name}", (hint,) if hint else (), "NoSuchGroup")
    return [*dict.fromkeys(groups or known)]


def _table(path: str) -> tuple[Table, str]:
    """The table on disk, and why it would be refused; empty if it would not."""
    try:
        files, _ = tables.read_table(path)
    except tables.TableUnreadableError as error:
        return Table(path), str(error)
    table, findings = loading.load_files(files)
    errors = [finding for finding in findings if has_errors((finding,))]
    return table, errors[0].summary if errors else ""


def _in_force(instance: Instance, path: str) -> bytes | None:
    """The bytes of the table that took effect last, of which a daemon keeps a copy if it is the system's own table."""
    if instance.names != Names() or path != TABLE:
        return None
    try:
        return tables.read_table(GOOD_TABLE)[0].joined
    except tables.TableUnreadableError:
        return None


def _lines(locations: Locations) -> dict[str, _Line]:
    """What clstat says of each group."""
    try:
        text = decoded(Path(live_clstat(locations)).read_bytes())
    except (OSError, ValueError):
        return {}
    return {group: (level, _STATES.get(state)) for group, level, state in clstat.parse(text)}
