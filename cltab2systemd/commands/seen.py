"""What the units of an instance's groups say, asked of systemctl: for commands that tell what a request would do."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from typing import TYPE_CHECKING

from cltab2systemd.core.probe import pause_of, place_of
from cltab2systemd.groups.changes import Seen
from cltab2systemd.groups.state import failures, remedies_at
from cltab2systemd.groups.units import GroupUnits, Process, UnitStatus
from cltab2systemd.systemd.kernel import Kernel
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cltab2systemd.table.model import ResourceGroup
    from cltab2systemd.units.names import Names

_PROPERTIES = (
    "Id", "LoadState", "ActiveState", "SubState", "ExecMainPID", "ExecMainCode", "ExecMainStatus", "Result",
    "ConditionResult",
    "ConditionTimestampMonotonic", "ActiveEnterTimestampMonotonic", "InactiveEnterTimestampMonotonic",
    "InactiveExitTimestampMonotonic", "ExecMainExitTimestampMonotonic", "InvocationID", "MainPID", "Job",
)  # fmt: skip
# systemctl waits longer for a systemd that does not answer. Seconds.
_PATIENCE = 10.0

_Properties = dict[str, str]


class _Shown:
    """A `groups.units.Probe` on what systemctl has shown."""

    def __init__(self, units: Mapping[str, _Properties]) -> None:
        self._units = units
        self._kernel = Kernel()

    def process(self, unit: str) -> Process:
        """How the last main process of a service went."""
        pid, code, status = (self._number(unit, f"ExecMain{name}") for name in ("PID", "Code", "Status"))
        result = self._units.get(unit, {}).get("Result") or "success"
        return Process(pid, code, status, result, self._number(unit, "ExecMainExitTimestampMonotonic"))

    def condition_time(self, unit: str) -> int:
        """When the conditions of a unit were last checked; 0 if never."""
        return self._number(unit, "ConditionTimestampMonotonic")

    def condition_holds(self, unit: str) -> bool:
        """Whether the conditions of a unit held when they were last checked."""
        return self._units.get(unit, {}).get("ConditionResult") == "yes"

    def active_time(self, unit: str) -> int:
        """When a unit last became active; 0 if never."""
        return self._number(unit, "ActiveEnterTimestampMonotonic")

    def began_time(self, unit: str) -> int:
        """When a unit last left its rest, on its way to be active; 0 if never."""
        return self._number(unit, "InactiveExitTimestampMonotonic")

    def inactive_time(self, unit: str) -> int:
        """When a unit last became inactive; 0 if never."""
        return self._number(unit, "InactiveEnterTimestampMonotonic")

    def invocation(self, unit: str) -> str:
        """The id of a unit's last run, in hexadecimal digits; empty if it has none."""
        return self._units.get(unit, {}).get("InvocationID", "")

    def outlived_stop(self, unit: str) -> bool:  # noqa: ARG002 - a request cannot do anything about it
        """Not looked at."""
        return False

    def lacked_memory(self, group_slice: str) -> bool:
        """Whether the kernel has killed anything in the slice of a group for want of memory."""
        return self._kernel.lacked_memory(group_slice)

    def strayed_to(self, unit: str) -> str:
        """The control group to which the main process of a running service has moved; empty if it is in its own."""
        return place_of(unit, self.pid(unit), self._kernel)

    def trouble(self, unit: str) -> str:  # noqa: ARG002
        """Not looked at."""
        return ""

    def was_not_executed(self, unit: str) -> bool:
        """Whether a respawn entry pauses because its words could not be executed."""
        return self._kernel.was_not_executed(unit)

    def keeps_ending(self, unit: str) -> bool:  # noqa: ARG002
        """Not known: only the daemon has followed its runs."""
        return False

    def pause(self, unit: str) -> str:
        """Why a respawn entry pauses instead of running its command; empty if it does not."""
        return pause_of(self.pid(unit), self._kernel)

    def pid(self, unit: str) -> int:
        """The main process of a service; 0 if it has none."""
        return self._number(unit, "MainPID")

    def _number(self, unit: str, name: str) -> int:
        value = self._units.get(unit, {}).get(name, "")
        return int(value) if value.isdigit() else 0


def seen(names: Names, groups: Mapping[str, ResourceGroup], level: str | None) -> dict[str, Seen]:
    """What the units of groups say about a request; none if systemd cannot be asked.

    Args:
        names: the unit names of the instance.
        groups: the groups by name, with the lines that their units were made from.
        level: the level that is asked for; None for the one that each group is at.
    """
    shown = _show([pattern for name in groups for pattern in names.patterns(name)]) if groups else {}
    if shown is None:
        return {}
    units: dict[str, dict[str, UnitStatus]] = defaultdict(dict)
    for unit, values in shown.items():
        status = UnitStatus(unit, values["LoadState"], values["ActiveState"], values["SubState"], *_job(values))
        units[names.group_of(unit) or ""][unit] = status
    probe = _Shown(shown)
    return {
        name: _seen(GroupUnits(names, name, group.entries, units[name], probe), level) for name, group in groups.items()
    }


def _job(values: _Properties) -> tuple[int, str]:
    """The id of a unit's job, and what kind it must be, for systemctl shows only the id; 0 and none if it has none."""
    if not values.get("Job", "").isdigit():
        return 0, ""
    return int(values["Job"]), "stop" if values["ActiveState"] in {"active", "deactivating"} else "start"


def _seen(group: GroupUnits, level: str | None) -> Seen:
    active = {entry.tag for entry in group.entries if (unit := group.entry(entry)) is not None and not unit.at_rest}
    return Seen(frozenset(active), remedies_at(group, level), failures(group))


def _show(patterns: list[str]) -> dict[str, _Properties] | None:
    """The properties of the loaded units that match; None if systemctl does not tell."""
    command = ["systemctl", "show", "--all", f"--property={','.join(_PROPERTIES)}", "--", *patterns]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    blocks = decoded(done.stdout).split("\n\n")
    found = (dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks)
    return {values["Id"]: values for values in found if values.get("Id")}
