"""Which respawn entries end again and again, fast or slowly. The next daemon goes on with them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cltab2systemd.disk.marks import UnitNotes
    from cltab2systemd.groups.units import Process
    from cltab2systemd.systemd.bus import Bus

# How long a run has to be to be no longer a short one, in µs; and from how many short runs in a row on that is told.
_SHORT = 60_000_000
_MOST = 3
# How long a pause takes, which is no run, in µs.
_PAUSE = 60_000_000


@dataclass(slots=True)
class _Run:
    """The latest run of a unit that was seen."""

    pid: int
    restarts: int = 0  # NRestarts
    began: int = 0  # CLOCK_MONOTONIC, in µs; 0 if nobody has asked
    short: int = 0  # how many runs before this one were short, without a longer one between
    pauses: int = 0  # 1 if this is no run, but the pause after some that were too short


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

    def resume(self, noted: Mapping[str, str] | None = None) -> None:
        """Go on with what an earlier daemon has noted.

        Args:
            noted: that, by unit, for who keeps no notes itself; None for what is in the notes.
        """
        if noted is None:
            noted = {} if self._notes is None else self._notes.all()
        for unit, text in noted.items():
            self._noted.add(unit)
            with suppress(ValueError, TypeError):
                self._runs[unit] = _Run(*map(int, text.split()))

    def follows(self, unit: str) -> bool:
        """Whether a unit was seen to run."""
        return unit in self._runs

    def saw(self, unit: str, pid: int, ended: Process | None = None, *, pauses: bool = False) -> None:
        """Take note of the main process of a unit.

        Args:
            unit: the unit.
            pid: its main process; 0 if it has none.
            ended: its latest run that has ended; None if that was not seen.
            pauses: whether the process is a pause, and no run.
        """
        if pid == 0:
            return
        run = self._runs.get(unit) or _Run(pid)
        if run.pid != pid:
            run = self._next(unit, run, pid, ended)
        self._runs[unit] = run
        if pauses and not run.pauses:  # the shell before the command has become the pause
            run.pauses, run.short = 1, max(run.short, _MOST)
            self._note(unit, run)

    def _next(self, unit: str, last: _Run, pid: int, ended: Process | None) -> _Run:
        """The run that follows the one that was seen last, perhaps with others between."""
        run = _Run(pid, self._bus.restarts(unit), self._bus.active_time(unit))
        if not last.began and run.restarts and ended is not None and ended.pid == last.pid:
            last.began, last.restarts = ended.began_at, run.restarts - 1  # nobody had to be asked for that
        run.short = _short_until(last, run)
        if run.short:
            self._note(unit, run)
        else:
            self._forget_note(unit)
        return run

    def are_short(self, unit: str) -> bool:
        """Whether a unit has ended again and again, and has not been up for long since."""
        run = self._runs.get(unit)
        if run is None or not run.short:
            return False
        is_short = bool(run.pauses) or asyncio.get_running_loop().time() * 1e6 - run.began < _SHORT
        if not is_short:
            self._forget_note(unit)
        return is_short and run.short >= _MOST

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


def _short_until(last: _Run, run: _Run) -> int:
    """How many runs in a row were short before one, by the one that was seen before it."""
    runs, time = run.restarts - last.restarts, run.began - last.began
    if runs == 0 and last.began in {0, run.began}:  # the program has forked, and has named its new main process
        return last.short
    if runs <= 0:  # systemd counts from 0 when somebody starts the unit
        return 0
    if not last.began:
        return last.short  # of a pause that was seen first
    if last.pauses:
        runs, time = runs - 1, time - _PAUSE
    return last.short + runs if runs == 0 or time < runs * _SHORT else 0
