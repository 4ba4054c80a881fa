"""Which respawn entries end again and again, but not so fast that they pause. The next daemon goes on with them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cltab2systemd.disk.marks import UnitNotes
    from cltab2systemd.systemd.bus import Bus

# How long a run has to be to be no longer a short one, in µs; and how many short runs in a row are told.
_SHORT = 60_000_000
_MOST = 3


@dataclass(slots=True)
class _Run:
    """The latest run of a unit that was seen."""

    pid: int
    restarts: int = 0  # NRestarts
    began: int = 0  # CLOCK_MONOTONIC, in µs; 0 if nobody has asked
    short: int = 0  # how many runs before this one were short, without a longer one between


class Runs:
    """Follows the runs of respawn entries. Nothing is asked of systemd for one that has been seen in one run only.

    Args:
        bus: the connection to systemd.
        notes: where the latest run is noted of those that end again and again, for the next daemon; None for nowhere.
    """

    def __init__(self, bus: Bus, notes: UnitNotes | None = None) -> None:
        self._bus = bus
        self._notes = notes
        self._noted: set[str] = set()
        self._runs: dict[str, _Run] = {}

    def resume(self) -> None:
        """Go on with what an earlier daemon has noted."""
        for unit, text in {} if self._notes is None else self._notes.all().items():
            self._noted.add(unit)
            with suppress(ValueError, TypeError):
                self._runs[unit] = _Run(*map(int, text.split()))

    def follows(self, unit: str) -> bool:
        """Whether a unit was seen to run."""
        return unit in self._runs

    def saw(self, unit: str, pid: int) -> None:
        """Take note of the main process of a unit; 0 if it has none."""
        if pid == 0:
            return
        last = self._runs.setdefault(unit, _Run(pid))
        if pid == last.pid:
            return
        run = _Run(pid, self._bus.restarts(unit), self._bus.active_time(unit))
        runs = run.restarts - last.restarts
        # systemd counts from 0 when somebody starts the unit.
        if runs > 0 and last.began and run.began - last.began < runs * _SHORT:
            run.short = last.short + runs
        self._runs[unit] = run
        if run.short >= _MOST:
            self._note(unit, run)
        else:
            self._forget_note(unit)

    def are_short(self, unit: str) -> bool:
        """Whether a unit has ended again and again, and has not been up for long since."""
        run = self._runs.get(unit)
        if run is None or run.short < _MOST:
            return False
        is_short = asyncio.get_running_loop().time() * 1e6 - run.began < _SHORT
        if not is_short:
            self._forget_note(unit)
        return is_short

    def forget(self, unit: str) -> None:
        """Forget a unit that is at rest."""
        self._runs.pop(unit, None)
        self._forget_note(unit)

    def _note(self, unit: str, run: _Run) -> None:
        if self._notes is not None:
            self._noted.add(unit)
            with suppress(OSError):  # only the next daemon does not know of it then
                self._notes.write(unit, " ".join(map(str, astuple(run))))

    def _forget_note(self, unit: str) -> None:
        if self._notes is not None and unit in self._noted:
            self._noted.discard(unit)
            with suppress(OSError):
                self._notes.discard(unit)
