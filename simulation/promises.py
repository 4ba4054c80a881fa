"""What is promised of readiness, of what is required, and of times, judged by rules of its own; see `rules.RULES`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from cltab2systemd.text import escape
from simulation import tables
from simulation.clock import SECOND
from simulation.disk import STATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from simulation.daemon import Client
    from simulation.disk import Files
    from simulation.systemd import Systemd
    from simulation.units import Unit
    from simulation.world import World

# What each start may take at most, µs: the times of `tables`, and what is documented beside them.
_NOTIFY = 2 * SECOND
_READINESS = (5 + 15) * SECOND
_BARRIER = 60 * SECOND
# All three stages of a stop, and a preflight with its end.
_STOP = 16 * SECOND
_PREFLIGHT = 3 * SECOND
# For the daemon itself: it tries again for 10 s what systemd does not answer, and waits for reloads.
_BESIDE = 60 * SECOND
# How late a time is noticed.
_LATE = SECOND


class Required(NamedTuple):
    """An entry of the lines that a group has, whether it is required, and the service that has to do well then."""

    service: str
    levels: frozenset[str]
    holder: str


def lines_of(files: Files, group: str) -> list[Required]:
    """The entries that a group has by the lines that it was given last."""
    return _read(group, files.content(f"{STATE}/applied/{escape(group)}.cltab") or b"")


@functools.lru_cache(maxsize=4096)
def _read(group: str, content: bytes) -> list[Required]:
    lines = content.decode().splitlines()
    required = {line.split(":")[3].partition(".")[2] for line in lines if line.startswith(":::required.")}
    asked = {line.split(":")[3].partition(".")[2] for line in lines if line.startswith(":::ready.")}
    found = []
    for line in lines:
        if line.startswith((":::", "#")) or not line:
            continue
        _, tag, levels, *_ = line.split(":")
        holder = f"clinit-{group}@{tag}{':ready' if tag in asked else ''}.service" if tag in required else ""
        found.append(Required(f"clinit-{group}@{tag}.service", frozenset(levels.split(",")), holder))
    return found


def holders(files: Files, unit: Unit, level: str) -> list[str]:
    """The services that have to do well before the service of an entry, or of its readiness, starts at a level."""
    name = unit.name.replace(":ready.", ".")
    found: list[str] = []
    for line in lines_of(files, unit.family):
        if line.service == name:
            break
        if line.holder and level in line.levels:
            found.append(line.holder)
    return found


def has_failed(systemd: Systemd, name: str) -> bool:
    """Whether a required entry has not done well when it was started last."""
    unit = systemd.units.get(name)
    return unit is None or unit.process is not None or unit.end[1:] != (1, 0)


def limit(unit: Unit) -> int | None:
    """What the start of a unit may take, µs; None if no time is stated."""
    if unit.file is None:
        return None
    if unit.file.is_notify:
        return _NOTIFY
    if ":ready." in unit.name:
        return _READINESS
    return _BARRIER if unit.name.startswith("clinitbarrier-") else None


def is_in_time(unit: Unit, now: int) -> bool:
    """Whether a unit is being started, and its stated time is not over."""
    process, longest = unit.process, limit(unit)
    is_starting = unit.active == "activating" and process is not None and longest is not None
    return is_starting and process is not None and longest is not None and now - process.since < longest + _LATE


def is_late(unit: Unit, now: int) -> bool:
    """Whether a unit is being started for longer than its stated time."""
    is_starting = unit.active == "activating" and unit.process is not None and limit(unit) is not None
    return is_starting and not is_in_time(unit, now)


def longest_request(world: World) -> int | None:
    """What a request may take by all tables that were read, µs; None if an entry of them has no time stated."""
    lines = {line for number in world.read for line in tables.table(number)}
    if any(line.kind == "never" for line in lines):
        return None
    return _BESIDE + sum(_longest(line) for line in lines)


def _longest(line: tables.Line) -> int:
    return _STOP + (_READINESS + _PREFLIGHT if line.kind in tables.CHECKED else SECOND)


def is_refused_rightly(world: World, client: Client) -> bool:
    """Whether an entry of the group that is asked for has a preflight that fails, by a table that was read."""
    lines = {line for number in world.read for line in tables.table(number)}
    return any(line.group == client.group and line.kind in tables.REFUSED for line in lines)


def is_overdue(world: World, client: Client) -> bool:
    """Whether a request takes longer than all that it may wait for together."""
    longest = longest_request(world)
    return longest is not None and world.clock.now - client.asked_at > longest


def broken(world: World, touched: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    """What is promised and is not so when all is settled: the rule, and what was seen.

    Args:
        world: the machine.
        touched: groups that somebody has taken a hand in, or that are on their way.
    """
    for unit in world.systemd.units.values():
        if is_late(unit, world.clock.now):
            yield "hangs", f"{unit.name} is being started for longer than its time"
        if not unit.is_down or "/passed/" not in unit.failed_condition or unit.family in touched or unit.by_hand:
            continue
        holder = unit.failed_condition.rpartition("/")[2]
        if not has_failed(world.systemd, holder):
            yield "kept", f"{unit.name} is kept back, and {holder} did well"
