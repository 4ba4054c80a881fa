"""Which ends of health checks are news. There is one for each entry and interval, and nearly all say what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.groups.health import is_broken
from cltab2systemd.groups.reasons import Cause
from cltab2systemd.probing.notes import UNHEALTHY
from cltab2systemd.systemd.runsignal import RunSignal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cltab2systemd.core.group import Group
    from cltab2systemd.probing.notes import Note
    from cltab2systemd.systemd.kernel import Kernel
    from cltab2systemd.systemd.runsignal import Killing
    from cltab2systemd.units.names import Names

_WELL = ("", False)


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
        if now == before or group is None:
            return []
        if note is not None and note.restarts and seen.process.status == UNHEALTHY:  # and it is not of a run before
            self._tell_restart(service, group, note)
        return [group.name]

    def _tell_restart(self, service: str, group: Group, note: Note) -> None:
        for entry in group.applied.entries:
            if self._names.health(group.name, entry.tag) == service:
                unit, why = self._names.entry(group.name, entry.tag), f"{note.words} ({note.count} in a row)"
                events.RESTARTED_UNHEALTHY(
                    group=group.name, entry=entry.tag, mode=entry.mode, unit=unit, reason=Cause.UNHEALTHY, why=why
                )
