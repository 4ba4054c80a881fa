"""What a job needs: the other jobs of its transaction, by systemd's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.systemd.buserrors import BusRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulation.inverse import Inverse
    from simulation.units import Unit


class Transaction:
    """The jobs of a transaction, before those are dropped that are for nothing.

    Args:
        load: loads a unit.
        inverse: what names a unit.
    """

    def __init__(self, load: Callable[[str], Unit], inverse: Inverse) -> None:
        self._load = load
        self._inverse = inverse
        self.jobs: dict[str, str] = {}

    def add(self, name: str, kind: str) -> None:
        """Add a job of a kind, and what it needs; BusRefusedError if that cannot be."""
        present = self.jobs.get(name)
        if present == kind:
            return
        unit = self._load(name)
        if kind != "stop" and unit.file is None:
            raise BusRefusedError(f"Unit {name} is masked." if unit.load == "masked" else f"Unit {name} not found.")
        if present is not None and "stop" in {present, kind}:
            raise BusRefusedError(f"Transaction contains conflicting jobs '{present}' and '{kind}' for {name}.")
        self.jobs[name] = "restart" if "restart" in {present, kind} else kind
        for other, needed in self._needed(unit, kind):
            self.add(other, needed)

    def _needed(self, unit: Unit, kind: str) -> Iterator[tuple[str, str]]:
        """What depends on a unit that is stopped, and what one that is started depends on."""
        name, file = unit.name, unit.file
        if kind in {"stop", "restart"}:
            for other in (*self._inverse.required.get(name, ()),):
                if kind == "stop" or not self._load(other).is_down:
                    yield other, kind
        if kind == "stop":
            # As 252 has it; from 257 on, it is so at a restart, too.
            yield from ((other, "stop") for other in (*self._inverse.stopped_with.get(name, ()),))
            return
        if file is None:
            return
        yield from ((other, "start") for other in (*file.requires, *file.binds_to))
        yield from ((other, "start") for other in file.wants if self._load(other).file is not None)
        yield from ((other, "stop") for other in (*file.conflicts, *self._inverse.conflicted.get(name, ())))
