"""The units of a group as a test has them: how each stands, and what a probe would answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cltab2systemd.groups.execution import Execution
from cltab2systemd.groups.units import GroupUnits, Process, UnitStatus
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cltab2systemd.groups.culprit import Culprit
    from cltab2systemd.probing.notes import Note
    from cltab2systemd.table.model import Entry

NAMES = Names()
PASSED = Process(7, 1, 0)

# How a unit stands: (load, active, sub, job).
Standing = tuple[str, str, str, str]
RUNNING: Standing = ("loaded", "active", "running", "")
EXITED: Standing = ("loaded", "active", "exited", "")
DEAD: Standing = ("loaded", "inactive", "dead", "")
BROKEN: Standing = ("loaded", "failed", "failed", "")
STARTING: Standing = ("loaded", "activating", "start", "start")
QUEUED: Standing = ("loaded", "inactive", "dead", "start")
GOING: Standing = ("loaded", "deactivating", "stop-sigterm", "stop")
TO_STOP: Standing = ("loaded", "active", "running", "stop")
RESTARTING: Standing = ("loaded", "activating", "auto-restart", "")
SWEPT_UP: Standing = ("loaded", "deactivating", "stop-sigterm", "")
AT_LEVEL: Standing = ("loaded", "active", "active", "")
LEAVING: Standing = ("loaded", "active", "active", "stop")
MASKED: Standing = ("masked", "inactive", "dead", "")
GONE: Standing = ("not-found", "inactive", "dead", "")


@dataclass
class Probed:
    """A probe with its answers: by tag or by unit; a level was asked for at 100 unless its barrier says otherwise."""

    processes: dict[str, Process] = field(default_factory=dict)
    conditions: dict[str, int] = field(default_factory=dict)
    inactive: dict[str, int] = field(default_factory=dict)
    survivors: set[str] = field(default_factory=set)
    active: dict[str, int] = field(default_factory=dict)
    began: dict[str, int] = field(default_factory=dict)
    started: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    unfit: set[str] = field(default_factory=set)  # whose conditions did not hold
    short_of_memory: set[str] = field(default_factory=set)  # slices
    strayed: dict[str, str] = field(default_factory=dict)
    pauses: dict[str, str] = field(default_factory=dict)
    restless: set[str] = field(default_factory=set)  # that end again and again
    endings: dict[str, Process] = field(default_factory=dict)  # the latest that were seen
    executions: dict[str, Execution] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)
    culprits: dict[str, Culprit] = field(default_factory=dict)
    says: dict[str, str] = field(default_factory=dict)
    notes: dict[str, Note] = field(default_factory=dict)  # of health checks
    failed: dict[str, tuple[str, ...]] = field(default_factory=dict)  # conditions of which one did not hold

    def process(self, unit: str) -> Process:
        return self.processes.get(_instance(unit), PASSED)

    def condition_time(self, unit: str) -> int:
        if unit.startswith("clinitbarrier-"):
            return self.conditions.get(f"level {_instance(unit)}", 100)
        return self.conditions.get(_instance(unit), 0)

    def condition_holds(self, unit: str) -> bool:
        return _instance(unit) not in self.unfit

    def active_time(self, unit: str) -> int:
        # By itself a level is active since it was inactive last, and any other unit never was.
        is_level = unit.endswith(".target")
        return self.active.get(_instance(unit), max(1, self.inactive_time(unit)) if is_level else 0)

    def began_time(self, unit: str) -> int:
        return self.began.get(_instance(unit), 0)

    def changed_time(self, unit: str) -> int:
        return self.inactive.get(_instance(unit), 0)

    def inactive_time(self, unit: str) -> int:
        if unit.startswith("clinitbarrier-"):
            return self.inactive.get(f"level {_instance(unit)}", 0)
        return self.inactive.get(_instance(unit), 0)

    def lacked_memory(self, group_slice: str) -> bool:
        return group_slice in self.short_of_memory

    def invocation(self, unit: str) -> str:
        return f"run of {_instance(unit)}"

    def left_time(self, unit: str) -> int:
        return self.left.get(_instance(unit), 0)

    def execution(self, unit: UnitStatus, entry: Entry) -> Execution:  # noqa: ARG002
        return self.executions.get(_instance(unit.name), Execution.COMMAND)

    def strayed_to(self, unit: str) -> str:
        return self.strayed.get(_instance(unit), "")

    def trouble(self, unit: str) -> str:
        return self.troubles.get(_instance(unit), "")

    def health(self, unit: str) -> Note | None:
        return self.notes.get(_instance(unit))

    def was_not_executed(self, unit: str) -> bool:  # noqa: ARG002
        """Not looked at."""
        return False

    def started_time(self, unit: str) -> int:
        return self.started.get(_instance(unit), 0)

    def settings(self, unit: str, directive: str) -> tuple[str, ...]:
        return self.failed.get(_instance(unit), ()) if directive == "Condition" else ()

    def limit(self, unit: str, directive: str) -> int | None:  # noqa: ARG002
        """None."""
        return None

    def status_text(self, unit: str) -> str:
        return self.says.get(_instance(unit), "")

    def keeps_ending(self, unit: str) -> bool:
        return _instance(unit) in self.restless

    def latest_ending(self, unit: str) -> Process | None:
        return self.endings.get(_instance(unit))

    def pause(self, unit: str) -> str:
        return self.pauses.get(_instance(unit), "")

    def culprit(self, unit: str) -> Culprit | None:
        return self.culprits.get(_instance(unit))

    def outlived_stop(self, unit: str) -> bool:
        return _instance(unit) in self.survivors


def _instance(unit: str) -> str:
    return unit.partition("@")[2].rpartition(".")[0]


def units_of(entries: tuple[Entry, ...], standings: Mapping[str, Standing], probe: Probed) -> GroupUnits:
    """The group `web` with some entries, and the units that are loaded of it, by name."""
    units = {
        name: UnitStatus(name, load, active, sub, job_id=number if job else 0, job=job)
        for number, (name, (load, active, sub, job)) in enumerate(standings.items(), 1)
    }
    return GroupUnits(NAMES, "web", entries, units, probe)
