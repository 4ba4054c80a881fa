"""Has the kernel keep to the limits of groups' slices, once systemd has loaded them.

At a daemon-reload, systemd 252 writes the limits of an active slice. systemd 257 writes them when a unit of the slice
is started. So a unit is started in the slice that does nothing and is gone at once. Limits are not set at runtime: from
then on they would win over the files.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.systemd.buserrors import BusError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.units.names import Names

# Seconds to wait for the start of these units, and between two looks. The start takes some milliseconds.
_PATIENCE = 1.0
_PAUSE = 0.002

# Where an administrator's `systemctl edit`, `set-property` and `revert` put drop-ins, and take them away.
DROP_IN_DIRECTORIES = tuple(
    Path(top, "systemd", kind) for top in ("/etc", "/run") for kind in ("system", "system.control")
)


class Slices:
    """The slices of an instance's groups.

    Args:
        names: the unit names of the instance.
        bus: the connection to systemd.
        directories: where drop-ins are.
    """

    def __init__(self, names: Names, bus: Bus, directories: Iterable[Path] = DROP_IN_DIRECTORIES) -> None:
        self._names = names
        self._bus = bus
        self._directories = tuple(directories)
        self._drop_ins = self._present_drop_ins()

    async def put_in_force(self, groups: Iterable[str]) -> None:
        """Have the kernel keep to the limits that systemd has loaded, for those slices of groups that are active.

        A failure is logged only: no switch fails for want of a limit.
        """
        slices = {self._names.slice(group): group for group in sorted(groups)}
        if not slices:
            return
        try:
            found = await self._bus.persist(lambda: self._bus.list_units(slices))
            active = [unit.name for unit in found if unit.active == "active"]
            started = [self._names.limits(slices[name]) for name in active if await self._start(name, slices[name])]
            await self._await_started(started)
        except BusError as error:
            events.LIMITS_LATE(group=", ".join(slices.values()), why=error)

    def changed_by_hand(self) -> frozenset[str]:
        """The groups whose slices have other drop-ins than at the last call."""
        before, self._drop_ins = self._drop_ins, self._present_drop_ins()
        groups = before.keys() | self._drop_ins.keys()
        return frozenset(group for group in groups if before.get(group) != self._drop_ins.get(group))

    async def _start(self, slice_name: str, group: str) -> bool:
        try:
            await self._bus.order(lambda: self._bus.start_nothing(self._names.limits(group), slice_name))
        except BusError as error:
            events.LIMITS_LATE(group=group, why=error)
            return False
        return True

    async def _await_started(self, units: list[str]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE
        while units and loop.time() < deadline:
            found = await self._bus.persist(partial(self._bus.list_units, units))
            units = [unit.name for unit in found if unit.job_id]
            await asyncio.sleep(_PAUSE if units else 0)

    def _present_drop_ins(self) -> Mapping[str, tuple[str, ...]]:
        """The drop-ins of each group's slice: path, inode, time and size, by which a changed one is told."""
        found: dict[str, tuple[str, ...]] = {}
        for directory in self._directories:
            for name in _names_in(directory):
                group = self._names.group_of(name.removesuffix(".d")) if name.endswith(".slice.d") else None
                if group is not None:
                    found[group] = (*found.get(group, ()), *_versions(directory / name))
        return found


def _names_in(directory: Path) -> list[str]:
    try:
        return sorted(path.name for path in directory.iterdir())
    except OSError:  # most are not there
        return []


def _versions(directory: Path) -> list[str]:
    versions = []
    for name in _names_in(directory):
        try:
            status = (directory / name).stat()
        except OSError:
            continue
        versions.append(f"{directory}/{name} {status.st_ino} {status.st_mtime_ns} {status.st_size}")
    return versions
