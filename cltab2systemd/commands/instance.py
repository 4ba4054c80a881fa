"""How the translator's commands see what a daemon did here: its groups as they stand.

Read from files, and asked of systemd: no daemon needs to run.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cltab2systemd import clstat
from cltab2systemd.disk import instance as instances
from cltab2systemd.disk.unitstore import UnitStore
from cltab2systemd.groups import advice
from cltab2systemd.groups.changes import Standing
from cltab2systemd.groups.state import State
from cltab2systemd.groups.trial import parsed
from cltab2systemd.locations import live_clstat, live_sockets
from cltab2systemd.text import decoded
from cltab2systemd.units.names import unescape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cltab2systemd.groups.changes import Seen
    from cltab2systemd.groups.trial import Trial
    from cltab2systemd.locations import Locations
    from cltab2systemd.table.model import ResourceGroup
    from cltab2systemd.units.names import Names

# The daemon may remove a group's file while all are read.
_TRIES = 5
_STATES = {str(state): state for state in State}


class Instance:
    """An instance as its daemon has left it on disk, running or not."""

    def __init__(self, locations: Locations) -> None:
        self._locations = locations
        self._names = instances.instance_names(locations)
        self._units = UnitStore(instances.Instance(self._names))

    def standings(self, level: str | None = None) -> Mapping[str, Standing]:
        """How each group stands; none if no daemon has applied a table. OSError if that cannot be read.

        Args:
            level: the level that is about to be asked for; None for the one that each group is at.
        """
        lines = {group: (level, state) for group, level, state in clstat.parse(_content(live_clstat(self._locations)))}
        found: dict[str, Standing] = {}
        if not live_sockets(self._locations):
            return found  # and not what the system's own daemon has
        applied = _applied(self._units)
        # Of a group that is CONFIGURED nothing runs: clstat shows the level that it was at.
        present = {name: line for name, line in lines.items() if line[1] != State.CONFIGURED and name in applied}
        units = _seen(self._names, {name: applied[name] for name in present}, level)
        for name, group in applied.items():
            at, _ = present.get(name, (None, ""))
            state = _STATES.get(lines[name][1]) if name in lines else None
            found[name] = Standing(group, at, state, units.get(name), self._units.instance.is_of_cluster(name))
        return found

    @property
    def names(self) -> Names:
        """The names of its units."""
        return self._names

    def applied(self) -> Mapping[str, ResourceGroup]:
        """The groups with the lines that their units were made from; none if there are none. OSError if unreadable."""
        return _applied(self._units)

    def destinations(self) -> Mapping[str, str]:
        """The levels that groups are to go to which are between their first stop and their start. OSError."""
        return self._units.instance.destinations.all()

    def trials(self) -> Mapping[str, Trial]:
        """The trials of groups; none if they cannot be read."""
        try:
            notes = self._units.instance.trials.all()
        except OSError:  # no daemon has ever run
            return {}
        found = {name: parsed(name, text, file)[0] for file, text in notes.items() for name in [unescape(file)]}
        return {name: trial for name, trial in found.items() if trial is not None}

    def notes(self, groups: Iterable[ResourceGroup]) -> list[str]:
        """What to tell whoever asks how groups stand: units of somebody's own that stand over the generated ones."""
        return advice.on_own_units(path for group in groups for path in self._units.own_units(group))


def is_active(locations: Locations) -> bool:
    """Whether any group of an instance is at a level, as far as its clstat can be read."""
    with suppress(OSError):
        return any(state != clstat.STOPPED for *_, state in clstat.parse(_content(live_clstat(locations))))
    return False


def _applied(units: UnitStore) -> Mapping[str, ResourceGroup]:
    for _ in range(_TRIES):
        try:
            return units.applied()
        except FileNotFoundError as error:
            # The directory itself, or a file that was there a moment ago.
            if not str(error.filename).endswith(".cltab"):
                return {}
    return units.applied()


def _seen(names: Names, groups: Mapping[str, ResourceGroup], level: str | None) -> Mapping[str, Seen]:
    if not groups:
        return {}
    from cltab2systemd.core.seen import seen  # noqa: PLC0415 - slow to import

    return seen(names, groups, level)


def _content(path: str) -> str:
    try:
        return decoded(Path(path).read_bytes())
    except FileNotFoundError:
        return ""
