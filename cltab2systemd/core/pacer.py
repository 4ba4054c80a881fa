"""Slows down respawn entries that systemd starts in vain: after some fast tries, one try a minute.

A respawn command that ends too fast is slowed down by the shell before it (`commands.throttled`). An entry may fail
before that shell, or have none. Then systemd would try it several times a second for ever. No setting of systemd 252
slows that down without holding up switches. So such a unit is stopped here, and started again when its time has come.
Units that wait so are noted on disk: the next daemon goes on with them.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.groups.beginnings import was_unready
from cltab2systemd.groups.endings import EXEC, not_executed, was_not_executed, why_it_ended
from cltab2systemd.groups.execution import Execution
from cltab2systemd.groups.reasons import Cause
from cltab2systemd.groups.settings import settings_of
from cltab2systemd.groups.state import level_of_members
from cltab2systemd.systemd.buserrors import BusBusyError, BusError, BusUnansweredError, BusUnavailableError
from cltab2systemd.units.plan import counts_restarts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cltab2systemd.disk.marks import Marks
    from cltab2systemd.groups.reasons import Reason
    from cltab2systemd.groups.units import GroupUnits, Process, UnitStatus
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.systemd.runsignal import RunSignal
    from cltab2systemd.table.model import Entry
    from cltab2systemd.units.names import Names

log = logging.getLogger(__name__)

# As with the shell that counts: how many tries come without a pause; and the pause, in seconds.
MOST_TRIES = 6
PAUSE = 60.0
# Seconds until the next try, if systemd could not be asked for one.
_RETRY = 1.0
# Seconds after which a command that is up has been started well.
_UP = 1.0


@dataclass(slots=True)
class _Vain:
    """A unit that could not be started."""

    words: str  # why
    restarts: int  # NRestarts when that was seen first, or at the last pause that it makes by itself
    is_executed: bool = False  # it runs, but not for long
    is_slow: bool = False  # its fast tries are used up
    is_ours: bool = False  # we have stopped it for that, and not the shell before its command
    tried_at: int = -1  # NRestarts when we have started it again last
    process: Process | None = None  # how it had ended, if nobody has put that into words; a stop makes systemd forget
    timer: asyncio.TimerHandle | None = None  # starts it again, while we have stopped it
    up: asyncio.TimerHandle | None = None  # has it looked at again, while it runs
    is_rising: bool = False  # it runs, not yet for long, and does not pause
    pid: int = 0  # of the process that is its command; 0 if there is none
    since: float = 0.0  # when that was seen first

    def has_ended(self) -> None:
        """Its main process has ended."""
        self.is_rising, self.pid = False, 0
        if self.up is not None:
            self.up.cancel()
            self.up = None

    def cancel(self) -> None:
        """Cancel both timers."""
        for handle in (self.timer, self.up):
            if handle is not None:
                handle.cancel()
        self.timer = self.up = None


class Pacer:
    """Follows the respawn entries that are started in vain.

    Args:
        names: the unit names of the instance.
        bus: the connection to systemd.
        paused: the units that are stopped, and wait for their next start, for the next daemon.
        start: called with a unit when its time has come. Returns False if it could not be started now.
        changed: called with a unit when `trouble` says something else of it, and no signal tells that.
    """

    def __init__(
        self, names: Names, bus: Bus, paused: Marks, start: Callable[[str], bool], changed: Callable[[str], None]
    ) -> None:
        self._names = names
        self._bus = bus
        self._paused = paused
        self._start = start
        self._changed = changed
        self._vain: dict[str, _Vain] = {}
        self._ends: dict[str, RunSignal] = {}  # that were told since the last look
        self._tries: dict[str, int] = {}  # NRestarts at the first end in a row of those that could not be executed

    def resume(self) -> None:
        """Go on with what an earlier daemon has stopped."""
        for unit in sorted(self._paused.all()):
            self._vain[unit] = vain = _Vain("", 0, is_slow=True, is_ours=True)
            vain.timer = asyncio.get_running_loop().call_later(PAUSE, self._try_again, unit)

    def trouble(self, unit: str) -> str:
        """Why a unit could not be started; empty if it could, or has been up for a while since."""
        vain = self._vain.get(unit)
        if vain is None or not vain.words:
            return ""
        if vain.is_slow:
            return f"{vain.words}; it is tried again every {PAUSE:.0f} s"
        return "" if vain.is_executed else vain.words

    def knows(self, unit: str) -> bool:
        """Whether a unit could not be started, and has not been up for a while since."""
        return unit in self._vain

    def has_ended(self, unit: str, end: RunSignal) -> None:
        """Take note of how the main process of a service has ended, for the next look: by then the next one may run."""
        if not self._is_known(unit, end):
            self._ends[unit] = end

    def _is_known(self, unit: str, end: RunSignal) -> bool:
        """Whether a signal tells of the end before our try once more.

        systemd tells all of a unit when its start is queued. Of what could not even have a process, that is its end.
        """
        vain = self._vain.get(unit)
        return vain is not None and not end.process.pid and end.restarts == vain.tried_at

    def count(self, group: GroupUnits, unit: str, end: RunSignal) -> None:
        """Count the ends of a unit of a group by what signals say, and stop it when its fast tries are used up.

        A machine that has much to do comes to a look too late, for systemd starts such units faster than it tells of
        them. That there is no program is left to looks, for the shell counts most of these. The next look words why.
        """
        if not was_not_executed(end.process) or (end.process.pid and end.process.status == EXEC):
            self._tries.pop(unit, None)
            return
        vain = self._vain.get(unit)
        if (vain is None and not end.restarts) or (vain is not None and vain.timer is not None):
            return
        if self._is_known(unit, end):
            return
        self._tries[unit] = first = min(end.restarts, self._tries.get(unit, end.restarts))
        has_tried = end.restarts - first >= MOST_TRIES - 1 or (vain is not None and vain.is_ours)
        if has_tried and _is_respawn(group, unit):  # when the signal is through
            asyncio.get_running_loop().call_soon(self._stop_tried, unit, end.process)

    def _stop_tried(self, unit: str, process: Process) -> None:
        if self._tries.pop(unit, None) is None:
            return  # it was forgotten, or stopped for an earlier signal
        vain = self._vain.setdefault(unit, _Vain("", 0))
        vain.process = process
        vain.has_ended()
        try:
            self._stop_for_a_while(unit, vain)
        except BusError as error:
            log.debug("%s: %s", unit, error)  # its next end comes soon

    def is_rising(self, unit: str) -> bool:
        """Whether a unit that could not be started runs now, but not for long enough to be sure that it stays up."""
        vain = self._vain.get(unit)
        return vain is not None and vain.is_rising

    def look(self, group: GroupUnits, level: str | None, *, is_switching: bool = False) -> None:
        """Look at the entries of a level: the group is at it, or on its way to it. None if there is no level.

        While a request is at work, nothing is forgotten, for the request may fail.
        """
        members = [] if level is None else [entry for entry in group.members(level) if entry.mode.is_restarted]
        present = {group.name_of(entry) for entry in members}
        for unit in [unit for unit in self._vain if group.names.group_of(unit) == group.group]:
            if unit not in present and not is_switching:
                self._forget(unit)
        for entry in members:
            status, end = group.entry(entry), self._ends.pop(group.name_of(entry), None)
            if status is None or self._has_stopped(group, entry, status, end):
                continue
            if not status.is_restarting and status.name in self._vain:
                vain = self._vain[status.name]
                if vain.process is not None or not vain.words:
                    process, vain.process = vain.process or group.probe.process(status.name), None
                    vain.words = _why(group, entry, process, counts_itself=False)
                self._not_restarting(group, entry, status, is_switching=is_switching)

    def learn(self, group: GroupUnits, reasons: Iterable[Reason]) -> None:
        """Take note of entries that pause, for they could not be executed, and whose ends were not seen.

        They have ended while the group was on its way, or no daemon was there. The shell before them has noted how.

        Args:
            group: is not on its way.
            reasons: why it is not well.
        """
        unknown = {reason.unit for reason in reasons if reason.cause is Cause.NOT_EXECUTED} - self._vain.keys()
        for entry in group.entries if unknown else ():
            unit = group.name_of(entry)
            if unit in unknown and entry.mode.is_restarted and group.probe.pause(unit):
                words = not_executed(EXEC, settings_of(group, entry))
                self._vain[unit] = _Vain(words, self._bus.restarts(unit), is_slow=True)

    def forget_group(self, group: str) -> None:
        """Forget the group's units. It is on its way to a level, and that starts them, if they are to run."""
        for unit in [unit for unit in {*self._vain, *self._ends, *self._tries} if self._names.group_of(unit) == group]:
            self.forget(unit)

    def forget(self, unit: str) -> None:
        """Forget a unit that somebody is about to stop: it is not started again."""
        self._ends.pop(unit, None)
        self._tries.pop(unit, None)
        if unit in self._vain:
            self._forget(unit)

    def _has_stopped(self, group: GroupUnits, entry: Entry, status: UnitStatus, end: RunSignal | None) -> bool:
        """Look at the end of a unit's main process. Whether the unit was stopped for it: its fast tries are used up."""
        if end and status.runs and group.probe.execution(status, entry) is not Execution.COMMAND:
            process, restarts = end.process, end.restarts  # the next one may run by the time that anybody can ask
        elif status.is_restarting:
            process, restarts = group.probe.process(status.name), None
        else:
            return False
        counts = counts_restarts(entry)
        words = _why(group, entry, process, counts_itself=counts)
        if not words:
            return False
        if restarts is None:
            restarts = self._bus.restarts(status.name)
        vain = self._vain.setdefault(status.name, _Vain(words, restarts))
        vain.words = words
        vain.is_executed = not _why(group, entry, process, counts_itself=True)
        vain.has_ended()
        most = MOST_TRIES - 1 + 2 * counts  # the shell's turn first
        has_tried = vain.is_slow and (vain.is_ours or not counts)
        if vain.timer is not None or not (has_tried or restarts - vain.restarts >= most):
            return False
        self._stop_for_a_while(status.name, vain)
        return True

    def _stop_for_a_while(self, unit: str, vain: _Vain) -> None:
        vain.is_slow = vain.is_ours = True
        with suppress(OSError):  # only the next daemon does not know of it then
            self._paused.add([unit])
        with suppress(BusUnansweredError):  # systemd is slow, and stops it all the same: it is to be started again
            self._bus.stop(unit)
        log.debug("%s is stopped for %g s", unit, PAUSE)
        vain.timer = asyncio.get_running_loop().call_later(PAUSE, self._try_again, unit)

    def _not_restarting(self, group: GroupUnits, entry: Entry, status: UnitStatus, *, is_switching: bool) -> None:
        """Look at a unit that could not be started, and that is not about to be restarted."""
        vain = self._vain[status.name]
        if status.runs:
            self._let_go(status.name, vain)
            self._runs(status.name, vain, group.probe.execution(status, entry), group.probe.pause)
        elif vain.timer is None and (status.at_rest or (status.job == "stop" and not is_switching)):
            self._forget(status.name)  # somebody else has stopped it, or is about to, and wants it down

    def _runs(self, unit: str, vain: _Vain, execution: Execution, pause: Callable[[str], str]) -> None:
        """A unit that could not be started runs. It is forgotten when one process has been the command for a while."""
        loop = asyncio.get_running_loop()
        vain.is_rising = not pause(unit)
        if not vain.is_rising:  # the shell slows it down
            vain.restarts, vain.is_ours = self._bus.restarts(unit), False
        pid = self._bus.main_pid(unit) if execution is Execution.COMMAND else 0
        if pid != vain.pid:
            vain.pid, vain.since = pid, loop.time()
        elif pid and loop.time() - vain.since >= _UP:
            if vain.is_rising:
                self._forget(unit)
                return
            vain.is_slow = True  # by the shell before its command; so the command is no more up than before
            return  # its end is signalled
        if vain.up is None:
            vain.up = loop.call_later(_UP, self._look_again, unit)

    def _try_again(self, unit: str) -> None:
        vain, pause = self._vain[unit], PAUSE
        try:
            vain.tried_at = self._bus.restarts(unit)
            is_started = self._start(unit)
        except BusError as error:
            if not isinstance(error, BusBusyError):
                events.NOT_TRIED(group=self._names.group_of(unit) or "", unit=unit, why=error)
            is_started, pause = False, _RETRY if isinstance(error, BusUnavailableError) else PAUSE
        if is_started:
            self._let_go(unit, vain)
        else:
            vain.timer = asyncio.get_running_loop().call_later(pause, self._try_again, unit)

    def _let_go(self, unit: str, vain: _Vain) -> None:
        if vain.timer is not None:
            vain.timer.cancel()
            vain.timer = None
            with suppress(OSError):
                self._paused.discard([unit])

    def _forget(self, unit: str) -> None:
        vain = self._vain.pop(unit)
        self._let_go(unit, vain)
        vain.cancel()

    def _look_again(self, unit: str) -> None:
        self._vain[unit].up = None
        self._changed(unit)


def _why(group: GroupUnits, entry: Entry, process: Process, *, counts_itself: bool) -> str:
    """`why_it_ended`, of a process of an entry."""
    is_unready = was_unready(group, entry, process)
    return why_it_ended(process, settings_of(group, entry), counts_itself=counts_itself, is_unready=is_unready)


def _is_respawn(group: GroupUnits, unit: str) -> bool:
    """Whether a unit is that of a respawn entry of the level that the group is at, or goes to."""
    level = level_of_members(group)
    members = [] if level is None else group.members(level)
    return any(entry.mode.is_restarted and group.name_of(entry) == unit for entry in members)
