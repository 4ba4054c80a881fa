"""A model of systemd's transactions, for the compiled units of a group.

It knows what systemd.unit(5) says of Wants=, BindsTo=, Conflicts=, After= and Before=, and nothing of the scheme.
"""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from cltab2systemd.units.compiler import compile_group
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from cltab2systemd.table.model import ResourceGroup

NAMES = Names()


KEYS = ("Wants", "BindsTo", "Conflicts", "After", "Before")


def _dependencies(text: str) -> dict[str, list[str]]:
    lines = [line.partition("=") for line in text.split("\n")]
    return {key: [unit for name, _, value in lines if name == key for unit in value.split()] for key in KEYS}


class Units:
    """The units of a group as systemd loads them: their dependencies by unit and kind."""

    def __init__(self, group: ResourceGroup) -> None:
        files = compile_group(NAMES, "/etc/cltab", group)
        self.lines = {name: content.decode().split("\n") for name, content in files.items()}
        self._named = {name: _dependencies(content.decode()) for name, content in files.items()}

    def named(self, unit: str, key: str) -> list[str]:
        """The units that a unit names in the lines of a key; templates stand for all of their instances."""
        if unit in self._named:
            return self._named[unit][key]
        prefix, _, instance = unit.rpartition(".")[0].partition("@")
        template = self._named.get(f"{prefix}@.{unit.rpartition('.')[2]}")
        return [other.replace("%i", instance) for other in template[key]] if template else []

    def transaction(self, target: str, active: AbstractSet[str]) -> dict[str, str]:
        """The jobs of `systemctl start TARGET` while these units are active: `start` or `stop` by unit."""
        starts = [target]
        for unit in starts:
            starts += [u for key in ("Wants", "BindsTo") for u in self.named(unit, key) if u not in starts]
        stops = {other for unit in starts for other in self.named(unit, "Conflicts")}
        stops |= {other for other in active if {*self.named(other, "Conflicts")} & {*starts}}
        assert stops.isdisjoint(starts)
        # A job for what is so already is dropped.
        return dict.fromkeys((u for u in starts if u not in active), "start") | dict.fromkeys(stops & active, "stop")

    def before(self, jobs: dict[str, str]) -> dict[str, set[str]]:
        """For each job the jobs that have to end before it begins, directly and through others; fails for a cycle."""
        pairs = [(unit, other) for unit in jobs for other in self.named(unit, "After")]
        pairs += [(other, unit) for unit in jobs for other in self.named(unit, "Before")]
        direct: dict[str, set[str]] = {unit: set() for unit in jobs}
        for later, earlier in pairs:
            if later in jobs and earlier in jobs:
                # A unit that is stopped goes first, whichever way the two are ordered.
                first, second = (later, earlier) if jobs[later] == "stop" else (earlier, later)
                direct[second].add(first)
        found: dict[str, set[str]] = {}
        for unit in TopologicalSorter(direct).static_order():
            found[unit] = direct[unit].union(*(found[other] for other in direct[unit]))
        return found
