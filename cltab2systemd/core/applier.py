"""Puts the units of groups on disk, has systemd load them, and the kernel keep to the limits of their slices."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from cltab2systemd.core.group import Group
from cltab2systemd.core.slices import DROP_IN_DIRECTORIES, Slices
from cltab2systemd.units.compiler import compile_group, compile_preflight, compile_top

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cltab2systemd.disk.unitstore import UnitStore
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.table.model import Entry, ResourceGroup
    from cltab2systemd.units.names import Names
    from cltab2systemd.units.surroundings import Surroundings


class Applier:
    """Applies lines of a table to groups.

    Args:
        names: the unit names of the instance.
        path: the table's path, which the units name as their source.
        surroundings: what entries inherit.
        units: the units of the instance on disk.
        bus: the connection to systemd.
        drop_ins: where drop-ins of slices are.
    """

    def __init__(
        self,
        names: Names,
        path: str,
        surroundings: Surroundings,
        units: UnitStore,
        bus: Bus,
        *,
        drop_ins: Iterable[Path] = DROP_IN_DIRECTORIES,
    ) -> None:
        self._names = names
        self._path = path
        self._surroundings = surroundings
        self._units = units
        self._bus = bus
        self._ticket = self._loaded = 0
        self._slices = Slices(names, bus, drop_ins)
        # Groups whose slice may have a file that is newer than the limits in force.
        self._limited: set[str] = set()
        self._looks: set[asyncio.Task[None]] = set()
        self._reloading = asyncio.Lock()
        self.table_lock = asyncio.Lock()
        """Held by whoever reads the table and applies it, or writes new lines of a group."""

    async def recover(self) -> list[Group]:
        """Take up what an earlier daemon or the generator left: groups with their lines, and a reload that is due."""
        self._units.adopt()
        if self._names.suffix:  # the system instance's is in the package
            self._units.install_top(compile_top(self._names, self._path))
        groups, noted = [], self._units.applied()
        for name, applied in noted.items():
            group = Group(name, self._units.instance.destinations)
            group.applied = applied
            group.is_installed = self._units.is_installed(self._compile(applied))
            groups.append(group)
        without_lines = sorted(self._units.groups() - noted.keys())
        groups += [Group(name, self._units.instance.destinations) for name in without_lines]
        self._bus.follow_reloads(self._reloaded)
        if self._units.reload_needed:
            self._limited.update(group.name for group in groups)
            await self.reload()
        return groups

    async def apply(self, lines: Mapping[Group, ResourceGroup]) -> None:
        """Give groups new lines: `write` them, and have them loaded by `load`. What is raised is that of both."""
        if lines:
            self.write(lines)
            await self.load(lines)

    def write(self, lines: Mapping[Group, ResourceGroup]) -> None:
        """Put the units of new lines on disk; `load` is to follow. A group without lines loses its units.

        The caller has stopped what the new lines do not have. OSError if the files cannot be written. The groups are
        not `is_installed` until they are loaded; after an error begin with this again.
        """
        for group in lines:
            group.is_installed = False
        self._ticket += 1  # a reload that is under way does not serve for these, even if the disk is full halfway
        changed = self._units.install((new, partial(self._compile, new)) for new in lines.values())
        self._limited.update(group.name for group in lines if self._names.slice(group.name) in changed)
        for group, new in lines.items():
            group.applied = new

    async def load(self, lines: Mapping[Group, ResourceGroup]) -> None:
        """Have systemd load the units of lines. BusUnavailableError if it does not reload."""
        if self._units.reload_needed:
            await self.reload()
        for group, new in lines.items():
            group.is_installed = group.applied is new  # and not what a later request has written meanwhile

    def install_preflight(self, unit: str, entry: Entry) -> None:
        """Put a unit on disk that runs the preflight of an entry. OSError if that fails."""
        content = compile_preflight(self._names, self._path, unit, entry, self._surroundings)
        self._units.install_preflight(unit, content)

    def remove_preflight(self, unit: str) -> None:
        """Take such a unit off the disk, if it is there. OSError if that fails."""
        self._units.remove_preflight(unit)

    def preflights(self) -> list[str]:
        """The units of preflights that are on disk."""
        return self._units.preflights()

    def _compile(self, group: ResourceGroup) -> Mapping[str, bytes]:
        return compile_group(self._names, self._path, group, self._surroundings) if group.entries else {}

    async def reload(self) -> None:
        """Have systemd load what is on disk now. There is one reload at a time, and it serves all who wait for it."""
        self._ticket += 1
        ticket = self._ticket
        async with self._reloading:
            if self._loaded >= ticket:
                return
            newest = self._ticket
            limited = frozenset(self._limited)
            await self._bus.daemon_reload()
            self._loaded = newest
            await self._slices.put_in_force(limited)
            self._limited -= limited
            if newest == self._ticket:
                self._units.reloaded()

    def _reloaded(self) -> None:
        """A reload, anybody's, has ended. Drop-ins of slices may have come or gone."""
        look = asyncio.get_running_loop().create_task(self._look_at_drop_ins())
        self._looks.add(look)  # a loop keeps no task from being collected
        look.add_done_callback(self._looks.discard)

    async def _look_at_drop_ins(self) -> None:
        async with self._reloading:
            await self._slices.put_in_force(self._slices.changed_by_hand())
