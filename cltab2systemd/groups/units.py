"""The units of one group, as systemd shows them, and what more can be asked about them. Pure: data only."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cltab2systemd.groups.changes import is_member

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cltab2systemd.groups.culprit import Culprit
    from cltab2systemd.groups.execution import Execution
    from cltab2systemd.probing.notes import Note
    from cltab2systemd.table.model import Entry, ResourceGroup
    from cltab2systemd.units.names import Names


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """What systemd's ListUnits says of a unit. `job` is the type of its queued job; empty if it has none."""

    name: str
    load: str
    active: str
    sub: str
    job_id: int = 0
    job: str = ""

    @property
    def starting(self) -> bool:
        """Whether a start job is queued or at work."""
        return self.job in {"start", "restart"}

    @property
    def runs(self) -> bool:
        """Whether it is active, or on its way there, and not being stopped."""
        return self.active in {"active", "activating", "reloading"} and self.job != "stop"

    @property
    def at_rest(self) -> bool:
        """Whether nothing of it runs and no job is about to change that."""
        return not self.job and self.active in {"inactive", "failed"}

    @property
    def is_ending(self) -> bool:
        """Whether the service ends by itself, and nobody stops it.

        An example: its main process has ended, and systemd stops what that has left in the background.
        """
        return self.active == "deactivating" and not self.job

    @property
    def is_restarting(self) -> bool:
        """Whether the service has ended, and systemd is about to start it again."""
        return self.sub.startswith("auto-restart")


@dataclass(frozen=True, slots=True)
class Process:
    """The last main process of a service, as systemd tells of it: ExecMainPID and its neighbours, and Result."""

    pid: int  # 0: none was ever started
    code: int  # si_code: 0 while it runs, 1 exited, 2 killed by a signal, 3 the same with a dump
    status: int  # the exit status, or the signal
    result: str = "success"  # systemd's verdict on the service: success, exit-code, signal, timeout, resources, …
    ended_at: int = 0  # CLOCK_MONOTONIC in µs; 0 if it has not ended
    began_at: int = 0  # likewise; 0 if it is that of the unit's last main process, and nobody has asked

    @property
    def succeeded(self) -> bool:
        """Whether it ran and exited with 0."""
        return self.pid != 0 and self.code == 1 and self.status == 0


class Probe(Protocol):
    """Properties that only some judgements need. They are asked for when needed. Times are CLOCK_MONOTONIC, in µs."""

    def process(self, unit: str) -> Process:
        """How the last main process of a service went."""

    def condition_time(self, unit: str) -> int:
        """When the conditions of a unit were last checked; 0 if never."""

    def condition_holds(self, unit: str) -> bool:
        """Whether the conditions of a unit held when they were last checked."""

    def active_time(self, unit: str) -> int:
        """When a unit last became active; 0 if never."""

    def began_time(self, unit: str) -> int:
        """When a unit last left its rest on the way to active; 0 if never."""

    def changed_time(self, unit: str) -> int:
        """When the state of a unit changed last; 0 if never."""

    def inactive_time(self, unit: str) -> int:
        """When a unit last became inactive; 0 if never."""

    def left_time(self, unit: str) -> int:
        """When a unit was last active no more; 0 if never."""

    def invocation(self, unit: str) -> str:
        """The id of a unit's last run, in hexadecimal digits; empty if it has none."""

    def culprit(self, unit: str) -> Culprit | None:
        """Who has stopped or killed the last run of a unit; None if nobody has, or nobody knows."""

    def outlived_stop(self, unit: str) -> bool:
        """Whether a service has failed because its stop could not end all processes in time, and some are left."""

    def lacked_memory(self, group_slice: str) -> bool:
        """Whether the kernel has killed anything in the slice of a group for want of memory."""

    def execution(self, unit: UnitStatus, entry: Entry) -> Execution:
        """Whether the main process of an entry that is up, or about to be, is its command.

        One that is to say that it is ready is its command from then on.
        """

    def strayed_to(self, unit: str) -> str:
        """The control group to which the main process of a running service has moved; empty if it is in its own."""

    def trouble(self, unit: str) -> str:
        """Why a respawn entry could not be started when it was tried last; empty if it could."""

    def pause(self, unit: str) -> str:
        """Why a respawn entry pauses instead of running its command; empty if it does not."""

    def keeps_ending(self, unit: str) -> bool:
        """Whether a respawn entry has ended again and again within a minute, and has not been up for one since."""

    def latest_ending(self, unit: str) -> Process | None:
        """How the latest run of a respawn entry that has ended went; None if that was not seen. A pause is no run."""

    def health(self, unit: str) -> Note | None:
        """What the health check of an entry has noted last; None if the entry was well, or nobody has asked."""

    def was_not_executed(self, unit: str) -> bool:
        """Whether a respawn entry pauses because its words could not be executed."""

    def started_time(self, unit: str) -> int:
        """When the last main process of a service was started; 0 if none ever was."""

    def status_text(self, unit: str) -> str:
        """What a service says of itself (STATUS= of sd_notify); empty if it says nothing."""

    def settings(self, unit: str, directive: str) -> tuple[str, ...]:
        """The values of a directive as systemd has them; none if it is not set, or nothing tells.

        A path is left out that may be missing. Of `Condition` these are the conditions of which one did not hold.
        """

    def limit(self, unit: str, directive: str) -> int | None:
        """What a directive allows a unit, in µs, bytes or tasks; None if there is no limit, or nothing tells."""


def patterns_of(names: Names, lines: ResourceGroup) -> tuple[str, ...]:
    """Globs for all loaded units that tell the state of a group whose units were made from lines."""
    is_asked = any(entry.health is not None for entry in lines.entries)
    return (*names.patterns(lines.name), *([names.health_pattern(lines.name)] if is_asked else []))


@dataclass(frozen=True)
class GroupUnits:
    """The loaded units of one group, and how to ask for more about them."""

    names: Names
    group: str
    entries: tuple[Entry, ...]
    units: Mapping[str, UnitStatus]
    probe: Probe
    given_away: frozenset[str] = (
        frozenset()
    )  # tags that another group has by now; the units may run on here until it starts

    def name_of(self, entry: Entry) -> str:
        """The name of an entry's unit."""
        return self.names.entry(self.group, entry.tag)

    def entry(self, entry: Entry) -> UnitStatus | None:
        """The unit of an entry, if it is loaded."""
        return self.units.get(self.name_of(entry))

    def active_tags(self) -> frozenset[str]:
        """The tags of the entries whose units are active, or on their way."""
        found = ((entry.tag, self.entry(entry)) for entry in self.entries)
        return frozenset(tag for tag, unit in found if unit is not None and not unit.at_rest)

    def subject_of(self, readiness: Entry) -> Entry | None:
        """The entry that a readiness is that of; None for any other entry."""
        return next((entry for entry in self.entries if entry.tag == readiness.ready_of), None)

    def members(self, level: str) -> list[Entry]:
        """The entries of a level, in file order. One that moved to another group, and is gone here, is left out."""
        return [entry for entry in self.entries if is_member(entry, level) and not self._is_given_away(entry)]

    def _is_given_away(self, entry: Entry) -> bool:
        """Whether another group has an entry, and nothing of it runs here. A readiness goes with its entry."""
        tag = entry.ready_of or entry.tag
        if tag not in self.given_away:  # as nearly always, and there may be a thousand
            return False
        units = [self.units.get(self.names.entry(self.group, name)) for name in (tag, entry.tag)]
        return all(unit is not None and unit.at_rest for unit in units)

    def strangers(self) -> list[UnitStatus]:
        """The services of the group that run on without a unit file, and that no line of it stands for.

        For example, somebody has started an entry whose line was just about to go. A service that an administrator has
        added, as `clinit-web@extra.service` in /etc, is none.
        """
        prefix = self.names.entry_prefix
        lost = (unit for name, unit in self.units.items() if unit.load == "not-found" and name.startswith(prefix))
        return [
            unit for unit in lost if unit.runs and unit.name.endswith(".service") and unit.name not in self._of_lines
        ]

    @functools.cached_property
    def holding_back(self) -> Mapping[str, Entry]:
        """The entries behind which nothing is started unless they did well, by unit, in file order."""
        return {self.name_of(entry): entry for entry in self.entries if entry.holds_back}

    @functools.cached_property
    def _of_lines(self) -> frozenset[str]:
        return frozenset(map(self.name_of, self.entries))

    def outsiders(self, level: str | None) -> list[Entry]:
        """The entries that are not in a level; all of them, if there is no level."""
        return [entry for entry in self.entries if level is None or not is_member(entry, level)]

    def ending_behind(self, going: frozenset[str]) -> list[Entry]:
        """The entries that are ending, and stand behind the first one that runs of these tags, without these."""
        running = [entry for entry in self.entries if (unit := self.entry(entry)) is not None and not unit.at_rest]
        behind = itertools.dropwhile(lambda entry: entry.tag not in going, running)
        ending = (e for e in behind if (unit := self.entry(e)) is not None and unit.active == "deactivating")
        return [entry for entry in ending if entry.tag not in going]

    def barrier(self, level: str) -> UnitStatus | None:
        """The barrier of a level, if it is loaded."""
        return self.units.get(self.names.barrier(self.group, level))

    def asked_at(self, level: str) -> int:
        """When the level was last asked for; 0 if never. Each request has its barrier's condition checked.

        A barrier that says what is required runs for a moment. One more request in that moment is met by the same run.
        """
        barrier = self.names.barrier(self.group, level)
        checked = self.probe.condition_time(barrier)
        return max(checked, self.probe.inactive_time(barrier)) if self.holding_back else checked

    def levels(self) -> Mapping[str, UnitStatus]:
        """The loaded level targets."""
        return self._levels

    @functools.cached_property
    def _levels(self) -> Mapping[str, UnitStatus]:
        found = ((self.names.level_of(unit.name, self.group), unit) for unit in self.units.values())
        return {level: unit for level, unit in found if level is not None}

    def is_active(self) -> bool:
        """Whether the group is at a level, or anything of it runs or is about to."""
        return any(not unit.at_rest for unit in self.units.values() if unit.name.startswith(self.names.entry_prefix))
