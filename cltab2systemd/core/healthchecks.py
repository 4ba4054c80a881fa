"""Which ends of health checks are news. There is one for each entry and interval, and nearly all say what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.groups.entrycommands import log_command
from cltab2systemd.groups.health import is_broken
from cltab2systemd.groups.reasons import Cause
from cltab2systemd.probing.notes import UNHEALTHY
from cltab2systemd.systemd.runsignal import RunSignal
from cltab2systemd.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cltab2systemd.core.group import Group
    from cltab2systemd.probing.notes import Note
    from cltab2systemd.systemd.kernel import Kernel
    from cltab2systemd.systemd.runsignal import Killing
    from cltab2systemd.units.names import Names

_WELL = ("", False)
# Entries whose last restart is known; those of a group are asked within minutes of each other.
_MOST_TOLD = 1000


class HealthChecks:
    """What the health checks of all entries have come to last.

    Args:
        names: the unit names of the instance.
        groups: all groups by name, as the controller keeps them.
        kernel: reads the notes of checks.
    """

    def __init__(self, names: Names, groups: Mapping[str, Group], kernel: Kernel) -> None:
        self._names = names
        self._groups = groups
        self._kernel = kernel
        self._known: dict[
            str, tuple[str, bool]
        ] = {}  # by service: what is noted of an unhealthy entry; if it is broken
        self._told: dict[str, int] = {}  # by service, the latest: when the check ended whose restart was told last

    def news_of(self, service: str, seen: RunSignal | Killing) -> list[str]:
        """The group to look at, if a signal of a service that asks says what its last end did not.

        That an entry is restarted is told the log at once: when the group is looked at, that may be over.
        """
        if not isinstance(seen, RunSignal) or not seen.has_ended:
            return []
        note = self._kernel.health(service)
        now = note.text if note is not None and note.unwell_since else "", is_broken(seen.process)
        before = self._known.pop(service, _WELL)
        if now != _WELL:  # those that are well are not kept
            self._known[service] = now
        group = self._groups.get(self._names.group_of(service) or "")
        if group is None:
            return []
        is_over = note is None or not note.restarts  # a later run has noted that, or has nothing to note
        if seen.process.status == UNHEALTHY and (is_over or now != before):
            self._tell_restart(service, group, None if is_over else note, seen.process.ended_at)
        return [] if now == before else [group.name]

    def _remember(self, service: str, ended: int) -> None:
        self._told.pop(service, None)
        self._told[service] = ended
        if len(self._told) > _MOST_TOLD:  # entries come and go
            del self._told[next(iter(self._told))]

    def _tell_restart(self, service: str, group: Group, note: Note | None, ended: int) -> None:
        """Tell that the entry is restarted, if it is, for its check has ended so; of each end once."""
        if self._told.get(service) == ended:
            return
        for entry in group.applied.entries:
            if self._names.health(group.name, entry.tag) == service and entry.health and entry.health.restarts:
                self._remember(service, ended)
                unit = self._names.entry(group.name, entry.tag)
                log = log_command(unit, group.name, entry.tag)
                answer = f"it was asked again since; '{printable(log)}' shows its answer"
                why = f"{note.words} ({note.count} in a row)" if note is not None else answer
                events.RESTARTED_UNHEALTHY(
                    group=group.name, entry=entry.tag, mode=entry.mode, unit=unit, reason=Cause.UNHEALTHY, why=why
                )
