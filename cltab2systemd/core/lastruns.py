"""How the run before the present one ended, of respawn entries that systemd has started again by itself.

systemd forgets that as soon as the next process runs. Between both there is little time to ask, so its signals tell.
"""

from __future__ import annotations

from collections import defaultdict
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


@dataclass(slots=True)
class _Known:
    """What is known of one unit."""

    ended: RunSignal | None = None  # the first signal of the latest end
    before: _Before | None = None
    pause: int | None = None  # the process, if it pauses
    latest_pause: int | None = None  # that of the latest pause, which perhaps goes on
    latest: Process | None = None  # the latest run that has ended


class LastRuns:
    """Follows runs by systemd's signals. What is not sure is not said."""

    def __init__(self) -> None:
        self._known: defaultdict[str, _Known] = defaultdict(_Known)

    def saw(self, unit: str, seen: RunSignal) -> None:
        """Take note of what a signal says. The first one after an end counts, for the restart is not counted yet."""
        self.has_ended(unit, seen.process)
        known = self._known[unit]
        ended = known.ended
        if seen.pid:
            # systemd counts the restarts by itself. Whoever starts it by hand does not count.
            if ended is not None and ended.process.pid != seen.pid:
                is_next = seen.restarts == ended.restarts + 1
                known.before = _Before(seen.pid, ended.process) if is_next else None
        elif seen.process.code and (ended is None or ended.process.pid != seen.process.pid):
            pause, known.pause = known.pause, None
            known.ended = _end_of_pause(seen, known.before) if seen.process.pid == pause else seen

    def pauses(self, unit: str, pid: int) -> None:
        """Take note that the main process of a unit is a pause, and no run."""
        known = self._known[unit]
        known.pause = known.latest_pause = pid

    def has_paused(self, unit: str) -> bool:
        """Whether a unit pauses, or has paused before its present run."""
        return unit in self._known and self._known[unit].latest_pause is not None

    def has_ended(self, unit: str, process: Process) -> None:
        """Take note of the last main process of a unit, if it has ended.

        What is told first of its end counts: later, the stop of what it has left behind may have come to its time
        limit, and that has not ended it. Only that there was no memory left is told later.
        """
        known = self._known[unit]
        latest = known.latest
        is_same = latest is not None and (latest.pid, latest.ended_at) == (process.pid, process.ended_at)
        is_told = is_same and process.result != "oom-kill"
        if process.code and process.pid != known.latest_pause and not is_told:
            known.latest = process

    def latest(self, unit: str) -> Process | None:
        """How the latest run of a unit that has ended went; None if that was not seen."""
        return self._known[unit].latest if unit in self._known else None

    def before(self, unit: str, pid: int) -> Process | None:
        """How the run before that of a main process ended; None if that is not known for sure."""
        found = self._known[unit].before if unit in self._known else None
        return found.process if found is not None and found.pid == pid else None

    def forget(self, unit: str) -> None:
        """Forget a unit that is at rest."""
        self._known.pop(unit, None)

    def forget_all(self) -> None:
        """Forget all: signals were missed."""
        self._known.clear()


def _end_of_pause(seen: RunSignal, before: _Before | None) -> RunSignal:
    """The end of a pause as that of a run. The run that counts is the one before it."""
    if before is not None and before.pid == seen.process.pid:
        # A process of its own, so that further signals of this end say nothing new.
        return replace(seen, process=replace(before.process, pid=seen.process.pid))
    return replace(seen, restarts=-2)  # which no run follows
