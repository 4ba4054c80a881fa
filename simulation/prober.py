"""What asks whether an entry is ready, as `cltab2systemd.probing` does: again and again, until its time is up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.probing.exits import HAS_ENDED, HAS_PAUSED, READY, TIME_IS_UP
from cltab2systemd.probing.polling import FIRST_PAUSE, LONGEST_PAUSE
from simulation.clock import SECOND
from simulation.units import behaviour_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.systemd import Systemd
    from simulation.units import Running, Unit

# How often it is stopped by somebody, or cannot go on, so that systemd has to end it.
_IS_STUCK = 0.01


def ask(
    systemd: Systemd, unit: Unit, process: Running, ended: Callable[[Unit, Running, int, int], None], begins: int
) -> None:
    """Be the process of a readiness.

    Args:
        systemd: the stand-in.
        unit: the service of the readiness.
        process: its process.
        ended: called when that has ended, with unit, process, 1, and its exit status.
        begins: in how many µs it is the prober.
    """
    if systemd.chance.random() >= _IS_STUCK:
        _Prober(systemd, unit, process, ended).begin(begins)


class _Prober:
    def __init__(
        self, systemd: Systemd, unit: Unit, process: Running, ended: Callable[[Unit, Running, int, int], None]
    ) -> None:
        assert unit.file is not None
        assert unit.file.probe is not None
        self._systemd = systemd
        self._unit = unit
        self._process = process
        self._ended = ended
        self._probe = unit.file.probe
        self._check = behaviour_of(self._probe.check)
        self._deadline = 0
        self._pause = round(FIRST_PAUSE * SECOND)
        self._run: Running | None = None  # the process of the entry, as it was at first

    def begin(self, begins: int) -> None:
        self._systemd.after(begins, self._begin)

    def _begin(self) -> None:
        self._deadline = self._systemd.clock.now + self._probe.timeout
        self._unit.probed_time = self._systemd.clock.now
        self._run = self._subject()
        self._try()

    def _subject(self) -> Running | None:
        unit = self._systemd.units.get(self._probe.subject)
        return None if unit is None else unit.process

    def _try(self) -> None:
        if self._unit.process is not self._process:
            return
        left = self._deadline - self._systemd.clock.now
        if left <= 0:
            self._end(TIME_IS_UP)
            return
        lasts = left if self._check.lasts is None else min(self._check.lasts, left)
        holds = self._check.status == 0 and lasts == self._check.lasts
        self._systemd.after(lasts, self._answered, holds)

    def _answered(self, holds: bool) -> None:
        run = self._subject()
        if self._probe.subject and (run is None or run is not self._run):
            self._end(HAS_ENDED)
        elif run is not None and run.is_pause:
            self._end(HAS_PAUSED)
        elif holds:
            self._end(READY)
        else:
            left = max(0, self._deadline - self._systemd.clock.now)
            self._systemd.after(min(self._pause, left), self._try)
            self._pause = min(2 * self._pause, round(LONGEST_PAUSE * SECOND))

    def _end(self, status: int) -> None:
        self._ended(self._unit, self._process, 1, status)
