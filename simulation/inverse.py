"""What names a unit: the dependencies of the units that are loaded, the other way round."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.unitfiles import UnitFile

Names = dict[str, dict[str, None]]


class Inverse:
    """By unit, those that name it, in the order in which they were loaded."""

    def __init__(self) -> None:
        self.conflicted: Names = {}  # by Conflicts=
        self.required: Names = {}  # by Requires= or BindsTo=
        self.stopped_with: Names = {}  # by StopPropagatedFrom=
        self.later: Names = {}  # by After=
        self.earlier: Names = {}  # by Before=

    def _of(self, file: UnitFile) -> tuple[tuple[Names, tuple[str, ...]], ...]:
        return (
            (self.conflicted, file.conflicts),
            (self.required, (*file.requires, *file.binds_to)),
            (self.stopped_with, file.stops_with),
            (self.later, file.after),
            (self.earlier, file.before),
        )

    def note(self, file: UnitFile) -> None:
        """A unit is loaded with this file."""
        for inverse, units in self._of(file):
            for unit in units:
                inverse.setdefault(unit, {})[file.name] = None

    def forget(self, file: UnitFile) -> None:
        """It is so no more."""
        for inverse, units in self._of(file):
            for unit in units:
                inverse[unit].pop(file.name, None)
