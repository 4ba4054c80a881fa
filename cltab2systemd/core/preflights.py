"""Runs what has to hold before anything is stopped, and refuses the request if it does not."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.core.group import HaltLeft, now_in_microseconds
from cltab2systemd.core.request import SwitchRefusedError
from cltab2systemd.groups import changes
from cltab2systemd.groups.endings import why_not_executed, worded
from cltab2systemd.groups.lifecycle import Phase
from cltab2systemd.groups.progress import Checking
from cltab2systemd.groups.refusals import Refusal
from cltab2systemd.groups.settings import Settings, span
from cltab2systemd.systemd.buserrors import BusError, BusRefusedError
from cltab2systemd.systemd.lastwords import last_words
from cltab2systemd.terminal import shortened
from cltab2systemd.units.preflight import as_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cltab2systemd.core.applier import Applier
    from cltab2systemd.core.group import Group
    from cltab2systemd.core.observer import Observer
    from cltab2systemd.core.request import Request
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.table.model import Entry, ResourceGroup
    from cltab2systemd.units.names import Names

log = logging.getLogger(__name__)

# Seconds between two looks, at first and later on.
_PAUSE = 0.01
_LONGEST_PAUSE = 0.2
# Seconds beyond its time limit for systemd to start a preflight, and to end it. Then it is refused all the same.
_GRACE = 5.0
_STOPPED = "was stopped before its end"
# How often to look whether one that is ended has gone. systemd gives up after 10 s, and kills what is left.
_LOOKS = 100


class _NotFoundError(Exception):
    """systemd does not find the unit that was put on disk."""


class Preflights:
    """Runs preflights, one after the other, each as a service of its own in the slice of its group.

    Args:
        names: the unit names of the instance.
        bus: its connection to systemd.
        applier: puts the units on disk.
        observer: knows how groups are.
    """

    def __init__(self, names: Names, bus: Bus, applier: Applier, observer: Observer) -> None:
        self._names = names
        self._bus = bus
        self._applier = applier
        self._observer = observer
        self._clearing: set[asyncio.Task[None]] = set()

    def clear_up(self) -> None:
        """Begin to end and remove what an earlier daemon has left."""
        for unit in self._applier.preflights():
            self._clear_soon(unit)

    async def before_switch(self, group: Group, request: Request, lines: ResourceGroup) -> bool:
        """Run the preflights of what a request would start, but for those that have passed already.

        They protect what runs. So none is run once something of the group has been stopped for the request, or for one
        before it that came to no end.

        Args:
            group: the group.
            request: what is asked.
            lines: what the group is to have.

        Returns:
            Whether any has run, so that time has passed.

        Raises:
            SwitchRefusedError: one did not pass.
            BusError, OSError: one cannot be run.
        """
        if group.life.phase is not Phase.PREPARING or not any(entry.preflight for entry in lines.entries):
            return False
        await self._bus.persist(lambda: self._observer.refresh([group.name]))
        found = await self._bus.persist(lambda: group.effects(lines, request.level))
        first = changes.checked_first(found, lines.entries, request.level)
        due = [entry for entry in first if entry not in request.checked]
        await self._run(group, due, request.checked.add)
        return bool(due)

    async def before_restart(self, group: Group, entries: Iterable[Entry]) -> None:
        """Run those of entries that are to be restarted by hand. What is raised is as for `before_switch`."""
        await self._run(group, [entry for entry in entries if entry.preflight is not None])

    async def _run(self, group: Group, due: list[Entry], passed: Callable[[Entry], None] = lambda _entry: None) -> None:
        for done, entry in enumerate(due):
            assert entry.preflight is not None
            unit, limit = self._names.preflight(events.new_request()), entry.preflight.timeout_usec
            run = Checking(entry.tag, str(entry.mode), unit, now_in_microseconds(), limit, done, len(due))
            try:
                with group.checking(run):
                    await self._start(unit, entry)
                    wrong = await self._ended(unit, entry)
                    if wrong:
                        raise await self._refusal(group, unit, entry, wrong)
            finally:
                self._clear_soon(unit)
            passed(entry)

    async def _start(self, unit: str, entry: Entry) -> None:
        self._applier.install_preflight(unit, entry)

        def require() -> None:
            if any(found.load == "not-found" for found in self._bus.load_units([unit])):
                raise _NotFoundError

        # Not in the place of another job: at a shutdown, that would be the shutdown's.
        start = partial(self._bus.start_if_free, unit)
        try:
            await self._bus.order(start, require)
        except _NotFoundError:  # the kernel's clock for files is coarse: systemd may take the directory for unchanged
            await self._applier.reload()
            await self._bus.order(start)

    async def _ended(self, unit: str, entry: Entry) -> str:
        """Wait for the end of a run. Returns what is wrong with it; empty if it has passed."""
        assert entry.preflight is not None
        loop, pause = asyncio.get_running_loop(), _PAUSE
        deadline = loop.time() + entry.preflight.timeout + _GRACE
        while (wrong := await self._bus.persist(lambda: self._judged(unit, entry))) is None:
            if loop.time() >= deadline:
                return _too_long(entry)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return wrong

    def _judged(self, unit: str, entry: Entry) -> str | None:
        """What is wrong with a run; empty if it has passed, None if it has not ended. BusError."""
        found = next(iter(self._bus.list_units([unit])), None)
        if found is None:
            return _STOPPED
        if found.active == "activating" or (found.job and found.active == "inactive"):
            return None
        try:
            return self._wrong(unit, entry, found.active)
        except BusRefusedError:  # it has gone meanwhile; the next look says so
            return None

    def _wrong(self, unit: str, entry: Entry, active: str) -> str | None:
        """What is wrong with a run that ends; empty if it has passed, None if that is not known yet.

        A stop that comes before its process leaves it inactive, and perhaps gone with the next look.
        """
        process = self._bus.process(unit)
        if process.result == "timeout":
            return _too_long(entry)
        if active == "inactive":
            return _STOPPED
        if active == "deactivating" and process.result in {"success", "signal"}:
            return None
        if process.succeeded and process.result == "success":
            return ""
        settings = Settings(self._observer.probe, unit, self._names.slice(entry.group), as_entry(entry))
        try:
            return why_not_executed(process, settings) or worded(process)
        finally:
            self._observer.probe.forget(unit)

    async def _refusal(self, group: Group, unit: str, entry: Entry, wrong: str) -> SwitchRefusedError:
        assert entry.preflight is not None
        output = await last_words(unit)
        command = shortened(entry.preflight.command)
        what = "stays as it is" if group.halt_left is HaltLeft.NOTHING else "is being stopped as before"
        return SwitchRefusedError(
            Refusal.PREFLIGHT_FAILED,
            f"the preflight of {entry.tag} {wrong}, so {group.name} {what}: {command}",
            output,
        )

    def _clear_soon(self, unit: str) -> None:
        task = asyncio.get_running_loop().create_task(self._clear(unit))
        self._clearing.add(task)  # a loop keeps no task from being collected
        task.add_done_callback(self._clearing.discard)

    async def _clear(self, unit: str) -> None:
        """End a run, also one that has ended well, and remove its unit. What fails now, the next daemon does."""

        def is_ended() -> bool:
            return all(found.at_rest for found in self._bus.list_units([unit]))

        def end(step: Callable[[str], None]) -> None:
            with suppress(BusRefusedError):  # it is gone
                step(unit)

        try:
            await self._bus.persist(partial(end, self._bus.stop))
            for _ in range(_LOOKS):
                if await self._bus.persist(is_ended):
                    break
                await asyncio.sleep(_LONGEST_PAUSE)
            await self._bus.persist(partial(end, self._bus.reset_failed))
            self._applier.remove_preflight(unit)
        except (BusError, OSError) as error:
            log.debug("%s remains for now: %s", unit, error)


def _too_long(entry: Entry) -> str:
    assert entry.preflight is not None
    return f"took longer than {span(entry.preflight.timeout_usec)}"
