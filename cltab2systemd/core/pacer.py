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
from cltab2systemd.groups.endings import why_it_ended
from cltab2systemd.groups.settings import settings_of
from cltab2systemd.systemd.buserrors import BusBusyError, BusError, BusUnavailableError
from cltab2systemd.units.plan import counts_restarts

if TYPE_CHECKING:
    from collections.abc import Callable

    from cltab2systemd.disk.marks import Marks
    from cltab2systemd.groups.units import GroupUnits, UnitStatus
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.table.model import Entry
    from cltab2systemd.units.names import Names

log = logging.getLogger(__name__)

# As with the shell that counts: how many tries come without a pause; and the pause, in seconds.
MOST_TRIES = 6
PAUSE = 60.0
# Seconds until the next try, if systemd could not be asked for one.
_RETRY = 1.0
# Seconds after which a unit that is up has been started well.
_UP = 1.0


@dataclass(slots=True)
class _Vain:
    """A unit that could not be started."""

    words: str  # why
    restarts: int  # NRestarts when that was seen first
    is_executed: bool = False  # it runs, but not for long
    is_slow: bool = False  # its fast tries are used up
    timer: asyncio.TimerHandle | None = None  # starts it again, while we have stopped it
    up: asyncio.TimerHandle | None = None  # forgets it, if it is still up then

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

    def resume(self) -> None:
        """Go on with what an earlier daemon has stopped."""
        for unit in sorted(self._paused.all()):
            self._vain[unit] = vain = _Vain("", 0, is_slow=True)
            vain.timer = asyncio.get_running_loop().call_later(PAUSE, self._try_again, unit)

    def trouble(self, unit: str) -> str:
        """Why a unit could not be started; empty if it could, or has been up for a while since."""
        vain = self._vain.get(unit)
        if vain is None or not vain.words:
            return ""
        if vain.is_slow:
            return f"{vain.words}; it is tried again every {PAUSE:.0f} s"
        return "" if vain.is_executed else vain.words

    def is_rising(self, unit: str) -> bool:
        """Whether a unit that could not be started runs now, but not for long enough to be sure that it stays up."""
        vain = self._vain.get(unit)
        return vain is not None and vain.up is not None

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
            status = group.entry(entry)
            if status is not None and status.is_restarting:
                self._restarting(group, entry, status)
            elif status is not None and status.name in self._vain:
                vain = self._vain[status.name]
                process = group.probe.process(status.name)
                vain.words = vain.words or why_it_ended(process, settings_of(group, entry), counts_itself=False)
                self._not_restarting(group, status)

    def forget_group(self, group: str) -> None:
        """Forget the group's units. It is on its way to a level, and that starts them, if they are to run."""
        for unit in [unit for unit in self._vain if self._names.group_of(unit) == group]:
            self._forget(unit)

    def forget(self, unit: str) -> None:
        """Forget a unit that somebody is about to stop: it is not started again."""
        if unit in self._vain:
            self._forget(unit)

    def _restarting(self, group: GroupUnits, entry: Entry, status: UnitStatus) -> None:
        process, settings = group.probe.process(status.name), settings_of(group, entry)
        words = why_it_ended(process, settings, counts_itself=counts_restarts(entry))
        if not words:
            return
        restarts = self._bus.restarts(status.name)
        vain = self._vain.setdefault(status.name, _Vain(words, restarts))
        vain.words = words
        vain.is_executed = not why_it_ended(process, settings, counts_itself=True)
        if vain.up is not None:
            vain.up.cancel()
            vain.up = None
        counts = counts_restarts(entry)
        if vain.timer is None and (
            (vain.is_slow and not counts)
            or restarts - vain.restarts >= MOST_TRIES - 1 + counts  # the shell's turn first
        ):
            vain.is_slow = True
            with suppress(OSError):  # only the next daemon does not know of it then
                self._paused.add([status.name])
            self._bus.stop(status.name)
            log.debug("%s is stopped for %g s", status.name, PAUSE)
            vain.timer = asyncio.get_running_loop().call_later(PAUSE, self._try_again, status.name)

    def _not_restarting(self, group: GroupUnits, status: UnitStatus) -> None:
        """Look at a unit that could not be started, and that is not about to be restarted."""
        vain = self._vain[status.name]
        if status.runs:
            self._let_go(status.name, vain)
            if vain.up is None:
                later = asyncio.get_running_loop().call_later
                vain.up = later(_UP, self._has_been_up, status.name, group.probe.pause)
        elif status.at_rest and vain.timer is None:
            self._forget(status.name)  # somebody else has stopped it, and wants it down

    def _try_again(self, unit: str) -> None:
        vain, pause = self._vain[unit], PAUSE
        try:
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

    def _has_been_up(self, unit: str, pause: Callable[[str], str]) -> None:
        vain = self._vain[unit]
        vain.up = None
        try:
            is_paused = bool(pause(unit))
        except BusError:
            is_paused = False
        if is_paused:  # by the shell before its command; so the command is no more up than before
            vain.is_slow = True
        else:
            self._forget(unit)
        self._changed(unit)
