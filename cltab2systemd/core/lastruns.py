"""How the run before the present one ended, of respawn entries that systemd has started again by itself.

systemd forgets that as soon as the next process runs. Between both there is little time to ask, so its signals tell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cltab2systemd.groups.units import Process
    from cltab2systemd.systemd.runsignal import RunSignal


@dataclass(frozen=True, slots=True)
class _Before:
    """What was before a run."""

    pid: int  # of the run
    process: Process  # the one before it


class LastRuns:
    """Follows runs by systemd's signals. What is not sure is not said."""

    def __init__(self) -> None:
        self._ended: dict[str, RunSignal] = {}
        self._before: dict[str, _Before] = {}
        self._pauses: dict[str, int] = {}
        self._latest_pause: dict[str, int] = {}
        self._latest: dict[str, Process] = {}

    def saw(self, unit: str, seen: RunSignal) -> None:
        """Take note of what a signal says. The first one after an end counts, for the restart is not counted yet."""
        self.has_ended(unit, seen.process)
        ended = self._ended.get(unit)
        if seen.pid:
            # systemd counts the restarts by itself. Whoever starts it by hand does not count.
            if ended is not None and ended.process.pid != seen.pid:
                if seen.restarts == ended.restarts + 1:
                    self._before[unit] = _Before(seen.pid, ended.process)
                else:
                    self._before.pop(unit, None)
        elif seen.process.code and (ended is None or ended.process.pid != seen.process.pid):
            self._ended[unit] = seen
            if seen.process.pid == self._pauses.pop(unit, None):
                self._pause_ended(unit, seen)

    def _pause_ended(self, unit: str, seen: RunSignal) -> None:
        """A pause has ended. The run that counts is the one before it."""
        before = self._before.get(unit)
        if before is not None and before.pid == seen.process.pid:
            # A process of its own, so that further signals of this end say nothing new.
            self._ended[unit] = replace(seen, process=replace(before.process, pid=seen.process.pid))
        else:
            self._ended[unit] = replace(seen, restarts=-2)  # which no run follows

    def pauses(self, unit: str, pid: int) -> None:
        """Take note that the main process of a unit is a pause, and no run."""
        self._pauses[unit] = self._latest_pause[unit] = pid

    def has_paused(self, unit: str) -> bool:
        """Whether a unit pauses, or has paused before its present run."""
        return unit in self._latest_pause

    def has_ended(self, unit: str, process: Process) -> None:
        """Take note of the last main process of a unit, if it has ended."""
        if process.code and process.pid != self._latest_pause.get(unit):
            self._latest[unit] = process

    def latest(self, unit: str) -> Process | None:
        """How the latest run of a unit that has ended went; None if that was not seen."""
        return self._latest.get(unit)

    def before(self, unit: str, pid: int) -> Process | None:
        """How the run before that of a main process ended; None if that is not known for sure."""
        found = self._before.get(unit)
        return found.process if found is not None and found.pid == pid else None

    def forget(self, unit: str) -> None:
        """Forget a unit that is at rest."""
        for known in (self._ended, self._before, self._pauses, self._latest_pause, self._latest):
            known.pop(unit, None)

    def forget_all(self) -> None:
        """Forget all: signals were missed."""
        for known in (self._ended, self._before, self._pauses, self._latest_pause, self._latest):
            known.clear()
