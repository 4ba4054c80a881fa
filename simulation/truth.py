"""What is true of a group, read off the stand-in by rules of its own.

The core is judged by it, so it asks no code of the core's what a unit, a job or a level means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulation.systemd import Systemd
    from simulation.units import Unit

_ENTRY, _TARGET = "clinit-", ".target"


def entries(systemd: Systemd, group: str) -> Iterator[Unit]:
    """The loaded services of a group's entries, also of those that have gone from its lines."""
    for unit in systemd.families.get(group, {}).values():
        if unit.kind == "service" and unit.name.startswith(_ENTRY):
            yield unit


def targets(systemd: Systemd, group: str) -> dict[str, Unit]:
    """The loaded targets of a group's levels, by level."""
    start = f"{_ENTRY}{group}@"
    return {
        unit.name[len(start) : -len(_TARGET)]: unit
        for unit in systemd.families.get(group, {}).values()
        if unit.kind == "target" and unit.name.startswith(start)
    }


def members(target: Unit) -> frozenset[str]:
    """The services that a level has, by what its target wants."""
    return frozenset() if target.file is None else target.file.services


def mode(unit: Unit) -> str:
    """The mode of an entry, as its description has it."""
    if ":ready." in unit.name:
        return "readiness"
    return "" if unit.file is None else unit.file.description.rpartition(":")[2]


def _is_notify(unit: Unit) -> bool:
    return unit.file is not None and unit.file.is_notify


def has_not_run(systemd: Systemd, unit: Unit | None) -> bool:
    """Whether a `respawn` or `once` is up for systemd, and was never its command since it was started."""
    if unit is not None and unit.sub == "start":
        return _is_notify(unit) and not systemd.services.has_run(unit)
    is_up = unit is not None and unit.sub in {"running", "auto-restart"}
    return unit is not None and is_up and mode(unit) in {"respawn", "once"} and not systemd.services.has_run(unit)


def is_well(systemd: Systemd, unit: Unit | None) -> bool | None:
    """Whether an entry of the level that a group is at is as it should be; None if that is nobody's to say."""
    if unit is None or unit.load != "loaded" or has_not_run(systemd, unit):
        return False
    if unit.job is not None or unit.active == "deactivating":
        return None
    if mode(unit) == "readiness":
        return _is_ready(systemd, unit)
    if _is_notify(unit) and not systemd.services.has_run(unit):
        return False
    return _is_running_well(unit) if mode(unit) == "respawn" else _has_ended_well(unit)


def _is_ready(systemd: Systemd, unit: Unit) -> bool | None:
    """Whether its check has held since its entry was started, as nobody has asked for anew if systemd restarts that."""
    if unit.active == "activating":
        return None
    if unit.is_down and unit.condition_time > unit.probed_time and "/held/" in unit.failed_condition:
        return None  # its entry has run, and is not run again
    subject = systemd.units.get(unit.name.replace(":ready.", "."))
    is_old = subject is not None and unit.probed_time < subject.asked_time
    return False if unit.end[1:] != (1, 0) or is_old else unit.active == "active" or None


def _is_running_well(unit: Unit) -> bool | None:
    is_executed = not {200, 203} & {unit.end[2], unit.respawns[3]}
    return False if unit.is_down else is_executed or None


def _has_ended_well(unit: Unit) -> bool | None:
    if unit.active == "activating" or (mode(unit) == "test" and unit.end[0] and not unit.end[1]):
        return None
    is_judged = mode(unit) == "test" or (unit.file is not None and unit.file.notes)
    has_failed = unit.end[1:] != (1, 0) if is_judged else unit.end[1:] in {(1, 200), (1, 203)}
    # One that is not active may have ended so at another time.
    return False if has_failed else unit.active == "active" or None


class Truth:
    """What clstat may say of a group.

    Args:
        systemd: the stand-in.
        group: the group.
        unpaid: the levels that were asked for, and to which a switch was broken off.
        is_hindered: whether somebody has taken a hand in it, so that units may run that nobody stops.
        moved: the services of the group whose lines another group has by now.
    """

    def __init__(
        self, systemd: Systemd, group: str, *, unpaid: set[str | None], is_hindered: bool, moved: frozenset[str]
    ) -> None:
        self._moved = moved
        self._group = group
        found = targets(systemd, group)
        self._unpaid = unpaid
        self._is_hindered = is_hindered
        self.active = {level for level, unit in found.items() if unit.active == "active"}
        self.pending = {level for level, unit in found.items() if unit.job is not None}
        self._targets = found
        self._entries = list(entries(systemd, group))
        self._units = systemd.units
        self._systemd = systemd

    @property
    def is_moving(self) -> bool:
        """Whether anything of it has a job, or is on its way."""
        return bool(self.pending) or any(
            unit.job is not None or unit.active in {"activating", "deactivating"} or has_not_run(self._systemd, unit)
            for unit in self._entries
        )

    @property
    def up(self) -> list[Unit]:
        """The entries that run, or have run and remain."""
        return [unit for unit in self._entries if not unit.is_down]

    def allows(self, level: str, state: str) -> bool:
        """Whether a line of clstat is true; state is empty for none."""
        if state in {"DONE", "PASSED"}:
            return self._is_done(level, state)
        if state == "FAILED":
            return self._may_have_failed(level)
        if state in {"CONFIGURED", ""}:
            return not (self.active or self.up) or (not self.active and self._is_hindered)
        return self.is_moving

    def unexecuted(self, level: str) -> list[str]:
        """The services of a level that are up, and whose commands have never run."""
        if level not in self._targets:
            return []
        return [name for name in self._inside(level) if has_not_run(self._systemd, self._units.get(name))]

    def _inside(self, level: str) -> frozenset[str]:
        """The services that have to be well at a level: not those that have moved and are gone, nor their readiness."""
        gone = {name for name in self._moved if self._is_gone(name)}
        readiness = (f"{name.removesuffix('.service')}:ready.service" for name in gone)
        return members(self._targets[level]) - gone - {name for name in readiness if self._is_gone(name)}

    def _is_gone(self, name: str) -> bool:
        unit = self._units.get(name)
        return unit is None or unit.is_down

    def _is_done(self, level: str, state: str) -> bool:
        if level not in self.active or self.pending - {level}:
            return False
        inside = self._inside(level)
        if any(is_well(self._systemd, self._units.get(name)) is False for name in inside):
            return False
        if not self._is_hindered and any(unit.name not in inside and not unit.by_hand for unit in self.up):
            return False
        modes = {mode(unit) for name in inside if (unit := self._units.get(name)) is not None}
        return (state == "PASSED") == (modes == {"test"})

    def _may_have_failed(self, level: str) -> bool:
        if self._is_hindered or level in self._unpaid:
            return True
        if level not in self.active:
            return bool(self.up)
        inside = self._inside(level)
        barrier = self._units.get(f"clinitbarrier-{self._group}@{level}.service")
        return (
            any(not is_well(self._systemd, self._units.get(name)) for name in inside)
            or (
                barrier is not None
                and barrier.active == "failed"
                and barrier.file is not None
                and barrier.file.sets != ()
            )
            or any(unit.name not in inside for unit in self.up)
            or any(unit.leftover for unit in self._entries)
        )
