"""How long a cluster has to wait for a start, a stop and a switch of a group, from what its entries may take. Pure.

What each entry may take is what its unit says (`templates/entry.service.j2`), and what the table's directives say
instead. What somebody has put into a drop-in is not known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.table.directives import is_finite
from cltab2systemd.table.model import level_names
from cltab2systemd.table.settings import Kind, setting_line
from cltab2systemd.table.timespans import seconds
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cltab2systemd.table.model import Entry, ResourceGroup

# Seconds. An entry gets SIGINT, SIGTERM after the first, and SIGKILL after the second of these.
STOP, ABORT = 5.0, 10.0
# What is assumed of an entry that may take for ever. systemd's own limit of a start is longer, and its users know it.
ASSUMED = 60.0
# Of a program that says when it is ready, without a limit of its own.
NOTIFY = 90.0
# Beyond the timeout of a readiness: systemd's, for a prober that does not keep to it.
PROBER = 5.0
# What the agent keeps for itself (RESERVE, 2 s), and what a daemon and a systemd under load need.
MARGIN = 5.0
# What the agent asks for in its metadata: pcs and crmsh warn of less, and a busy machine needs it.
LEAST = 60


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for the actions of a group's resource, and the entries of which a limit was assumed, in file order."""

    start: int
    stop: int
    switch: int
    unlimited: tuple[Entry, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know of them, a printable line each."""
        return tuple(map(_remark, self.unlimited))


def timeouts(group: ResourceGroup, level: str, stop_level: str) -> Timeouts:
    """The timeouts for a group of the table that a cluster brings from one level to another.

    Args:
        group: the group.
        level: the level at which it is started.
        stop_level: the level at which it is stopped.
    """
    starting, stopped = _of_level(group, level), _of_level(group, stop_level)
    every_level = [_of_level(group, name) for name in level_names(group.entries)]
    # Somebody may have moved it by hand since the cluster started it.
    ending = max((_time_to_end(group, entries) for entries in every_level), default=0.0)
    start, stop = _time_to_come_up(starting), _time_to_come_up(stopped)
    unlimited = [entry for entry in group.entries if entry in (*starting, *stopped) and _limit(entry) is None]
    return Timeouts(
        _rounded(_time_to_end(group, stopped) + start), _rounded(ending + stop), _rounded(ending + start),
        tuple(unlimited),
    )  # fmt: skip


def _of_level(group: ResourceGroup, level: str) -> list[Entry]:
    return [entry for entry in group.entries if entry.runnable and level in entry.levels]


def _rounded(time: float) -> int:
    return max(LEAST, math.ceil(time + MARGIN))


def _time_to_come_up(entries: Iterable[Entry]) -> float:
    """How long the start of entries takes, one behind the other, their preflights before them."""
    limits = (_limit(entry) for entry in entries)
    preflights = (entry.preflight.timeout for entry in entries if entry.preflight)
    return sum(ASSUMED if limit is None else limit for limit in limits) + sum(preflights)


def _time_to_end(group: ResourceGroup, entries: Sequence[Entry]) -> float:
    """How long entries may take to end: all at once, or one behind the other."""
    times = [*map(_stop_limit, entries)]
    return sum(times) if group.stops_in_order else max(times, default=0.0)


def _limit(entry: Entry) -> float | None:
    """How long what stands behind an entry waits for it, its end by force included; None if nothing limits that."""
    if entry.ready_of:
        assert entry.ready is not None
        return entry.ready.timeout + PROBER
    if not (entry.mode.is_waited_for or entry.notifies):
        return 0.0
    limit = _given(entry, ("TimeoutSec", "TimeoutStartSec"), NOTIFY if entry.notifies else None)
    return None if limit is None else limit + _stop_limit(entry)


def _stop_limit(entry: Entry) -> float:
    if entry.ready_of:
        return STOP
    stop, abort = _given(entry, ("TimeoutSec", "TimeoutStopSec"), STOP), _given(entry, ("TimeoutAbortSec",), ABORT)
    return (stop or STOP) + (abort or ABORT)


def _given(entry: Entry, names: tuple[str, ...], limit: float | None) -> float | None:
    """The limit that the last of the directives gives; a text that is no time leaves what was before it."""
    for directive in entry.directives:
        if directive.name not in names:
            continue
        if (found := seconds(directive.value)) is not None and is_finite(directive.value):
            limit = found
        elif found is not None or directive.value in {"", "infinity"}:
            limit = None
    return limit


def _remark(entry: Entry) -> str:
    cure = setting_line(Kind.SERVICE, shortened(entry.tag), "TimeoutStartSec=")
    return (
        f"{shortened(entry.group)}: the {entry.mode} '{shortened(entry.tag)}' has no limit, and is taken to need "
        f"{ASSUMED:.0f} s; {cure} gives it one"
    )
