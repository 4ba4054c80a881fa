"""One group as the daemon follows it, and the requests for it."""

from __future__ import annotations

import asyncio
import enum
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from cltab2systemd import events
from cltab2systemd.core.request import Request, SwitchRefusedError
from cltab2systemd.groups import changes
from cltab2systemd.groups.changes import Seen
from cltab2systemd.groups.lifecycle import MARKED, Event, Life, Mark, Phase, step
from cltab2systemd.groups.progress import ProgressPhase, Way, left, way
from cltab2systemd.groups.refusals import Refusal
from cltab2systemd.groups.state import State, remedies_at
from cltab2systemd.groups.tally import Counted, Tally
from cltab2systemd.groups.troubles import Troubles
from cltab2systemd.oserrors import worded
from cltab2systemd.table.model import ResourceGroup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.groups.changes import Effect
    from cltab2systemd.groups.progress import Checking, Handling
    from cltab2systemd.groups.state import Asked, GroupStatus
    from cltab2systemd.groups.units import GroupUnits


class HaltLeft(enum.Enum):
    """What is left to do of a halt that a request has superseded when it was under way."""

    NOTHING = enum.auto()
    WAITS = enum.auto()  # the request has not touched the group yet
    DUE = enum.auto()  # the request was refused before it did, and so the halt is to go on


class Destinations(Protocol):
    """Where the daemon writes down to which level a group is to go."""

    def mark(self, group: str, level: str) -> None:
        """Note that a group is about to be emptied on its way to a level."""

    def forget(self, group: str) -> None:
        """Remove that note."""


def now_in_microseconds() -> int:
    """CLOCK_MONOTONIC, as systemd has it in its properties."""
    return int(asyncio.get_running_loop().time() * 1_000_000)


class Group:
    """One group: its applied lines, its units, what clstat shows of it, where it is in its life, and its request.

    Args:
        name: the group.
        destinations: keeps on disk where a group is to go, for the next daemon.
    """

    def __init__(self, name: str, destinations: Destinations) -> None:
        self.name = name
        self._destinations = destinations
        self.applied = ResourceGroup(name)  # what the units on disk were made from
        self.is_installed = False  # the units on disk are those of the applied lines, as this version writes them
        self.given_away: frozenset[str] = frozenset()  # tags of applied entries that another group has in the table
        self.left_to_cluster = False  # not in the table any more; a cluster has started it, and is to stop it
        self.units: GroupUnits | None = None  # as systemd said last
        self.status: GroupStatus | None = None
        self.since = 0  # when its level and state came about, CLOCK_MONOTONIC in µs; 0 if nobody has noted it
        self.told: GroupStatus | None = None  # what the log was told last
        self.troubles = Troubles()
        self.request: Request | None = None
        self.halt_left = HaltLeft.NOTHING
        self.tally = Tally()  # of its requests that have ended
        self.asked: Asked | None = None  # what this daemon last asked of systemd
        self.held: frozenset[str] = frozenset()  # units that the start under way is not to run again
        self.handling: Handling | None = None  # what is being done to single entries
        self._checking: Checking | None = None  # the preflight that runs
        self._life = Life()
        self._is_mark_left = False  # on disk, in a phase that has none
        self._observed = asyncio.Event()
        self._awaited: list[frozenset[str]] = []  # units that are to come to rest, of each who waits for some
        self.origin: str | None = None  # the level at which it was settled last, as far as this daemon has seen it
        self.leaving: frozenset[str] = frozenset()  # units that were seen being stopped on the present way
        self._leaving_for: str | None = None  # where that goes
        self._news = asyncio.Event()

    @property
    def life(self) -> Life:
        """Where the group is in its life. Only `happens` moves it on."""
        return self._life

    def happens(self, event: Event, level: str | None = None, why: str = "") -> None:
        """Move on in the group's life: first the mark on disk, then the phase, by which clstat shows it.

        Args:
            event: what happens.
            level: the level that it is about, as for `lifecycle.step`.
            why: the reason, likewise.

        Raises:
            OSError: the mark cannot be written, or not be removed before the group's units; the life stays as it is.
            ImpossibleError: it cannot happen now.
        """
        life, row = step(self._life, event, level, now=now_in_microseconds(), why=why)
        if row.mark is Mark.WRITE:
            assert life.level is not None
            self._destinations.mark(self.name, life.level)
            self._is_mark_left = False
        elif row.mark is Mark.REMOVE or (self._is_mark_left and life.phase not in MARKED):
            self._remove_mark(needed=event is Event.FORGOTTEN)
        self._life = life
        if life.phase not in {Phase.PREPARING, Phase.RESTING}:
            self.halt_left = HaltLeft.NOTHING
        if event in {Event.REQUESTED, Event.SETTLED}:
            self._note_origin()
        self._tell_news()

    def _remove_mark(self, *, needed: bool) -> None:
        """Remove the mark; one that cannot be removed now is tried again at the next event, if that can wait."""
        try:
            self._destinations.forget(self.name)
        except OSError as error:
            if needed:
                raise
            events.MARK_REMAINS(group=self.name, why=worded(error))
            self._is_mark_left = True
        else:
            self._is_mark_left = False

    def freshen(self, tags: frozenset[str]) -> None:
        """From now on, how these entries ended before does not count."""
        self._life = self._life.freshened(tags)

    @property
    def request_id(self) -> str:
        """What is known by in the log what is being done to it, or to entries of it; empty if nothing is."""
        if self.request is not None:
            return self.request.id
        return "" if self.handling is None else self.handling.request

    @property
    def restarting(self) -> str:
        """Its level, while entries of it are being restarted one by one; else empty."""
        handling = self.handling
        return handling.level if handling is not None and handling.phase is ProgressPhase.RESTARTING else ""

    @property
    def way(self) -> Way | None:
        """Where the group is on its way; None if it is on none."""
        if self.units is None:
            return None
        if self.handling is not None:
            on: Way | None = Way(self.handling.level, self.handling.level, self.handling.phase, self.handling)
        else:
            on = way(self.units, self.life, self.status, self.origin, is_asked=self.request is not None)
        if on is None or self._checking is None:
            return on
        return replace(on, phase=ProgressPhase.CHECKING, checking=self._checking)

    @contextmanager
    def checking(self, run: Checking) -> Iterator[None]:
        """Within this, a preflight runs."""
        self._checking = run
        self._tell_news()
        try:
            yield
        finally:
            if self._checking is run:  # and not that of a later request
                self._checking = None
                self._tell_news()

    @property
    def active(self) -> bool:
        """Whether the group is at a level, anything of it runs, or a request is at work on it."""
        return self.request is not None or (self.units is not None and self.units.is_active())

    @property
    def halting(self) -> bool:
        """Whether the group is being stopped for good."""
        return self.request is not None and self.request.is_for_good

    def supersede_halt(self, *, was_under_way: bool) -> None:
        """Take note that `request` has begun. A halt that it supersedes goes on if it is refused, and is none itself.

        Args:
            was_under_way: whether a halt was, so that entries of the group may be down.
        """
        if self.request is not None and self.request.is_for_good:
            self.halt_left = HaltLeft.NOTHING
        elif was_under_way or self.halt_left is HaltLeft.DUE:
            self.halt_left = HaltLeft.WAITS

    def leave_to_halt(self) -> bool:
        """Take note that a request was refused; whether a halt is due by that: nothing else is at work on the group."""
        if self.request is None and self.halt_left is HaltLeft.WAITS:
            self.halt_left = HaltLeft.DUE
        return self.halt_left is HaltLeft.DUE

    @property
    def shown_level(self) -> str | None:
        """The level that clstat shows."""
        return None if self.status is None else self.status.level

    @property
    def level(self) -> str | None:
        """The level at which the group is; None if nothing of it runs, or nobody knows a level."""
        is_nowhere = self.status is None or self.status.state is State.CONFIGURED
        return None if is_nowhere else self.shown_level

    @property
    def destination(self) -> str | None:
        """The level at which the group is, or to which it is on its way; None if there is none."""
        if self.request is None:
            return self.level
        return None if self.request.is_for_good else self.request.level

    def effects(self, lines: ResourceGroup, level: str) -> dict[str, Effect]:
        """What a request for a level does to each entry, by tag, if it brings these lines.

        The units are to be known. BusError if systemd does not answer.
        """
        assert self.units is not None
        seen = Seen(self.units.active_tags(), remedies_at(self.units, level))
        return changes.effects(self.applied.entries, lines.entries, self.level, level, seen)

    def end(self, request: Request, result: GroupStatus | Exception) -> None:
        """End a request, if it is still the group's."""
        if self.request is request:
            self.request = None
        if isinstance(result, Exception):
            request.fail(result)
        else:
            self.told = result
            request.succeed(result)

    def count(self, outcome: Counted, duration: int) -> None:
        """Count a request that has ended; the duration in µs."""
        self.tally = self.tally.with_one(outcome, duration)

    def observed(self, before: GroupUnits | None) -> None:
        """Wake those who wait: `units` is new; what it was before is handed in."""
        self._observed.set()
        self._observed = asyncio.Event()
        if self.request is None:
            self._note_origin()
        self._note_leaving(before)
        self._tell_news()

    def _note_leaving(self, before: GroupUnits | None) -> None:
        on = self.way
        if on is None or on.level != self._leaving_for:
            self.leaving, self._leaving_for = frozenset(), None if on is None else on.level
        if on is not None and on.phase in {ProgressPhase.WAITING, ProgressPhase.STOPPING} and self.units is not None:
            self.leaving |= left(before or self.units, self.units)

    def _note_origin(self) -> None:
        if self.status is None or self.status.state is State.CONFIGURED:
            self.origin = None
        elif self.status.state.settled:
            self.origin = self.status.level

    def next_news(self) -> asyncio.Event:
        """An event that is set when the group is observed again, or moves on in its life."""
        return self._news

    def _tell_news(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def at_rest(self, units: frozenset[str]) -> None:
        """Wait until all of the units are at rest. Their stop jobs are queued already.

        SwitchRefusedError if one has no stop job any more, and runs. Perhaps systemd has refused the stop, as it does
        for a frozen unit, or somebody has cancelled it.
        """
        with self.awaiting(units):
            while self._going(units):
                await self.next_observation()

    @contextmanager
    def awaiting(self, units: frozenset[str]) -> Iterator[None]:
        """Have it observed meanwhile whenever a signal comes of one of the units, also of those that ask about entries.

        These have to be awaited before they are stopped: the signal of their end may come before `at_rest` is called.
        """
        self._awaited.append(units)
        try:
            yield
        finally:
            self._awaited.remove(units)

    def _going(self, units: frozenset[str]) -> bool:
        """Whether one of the units is not at rest yet, as far as is known; SwitchRefusedError as for `at_rest`."""
        if self.units is None:
            return True
        going = [unit for unit in self.units.units.values() if unit.name in units and not unit.at_rest]
        for unit in going:
            if unit.active != "deactivating" and not unit.job:
                raise SwitchRefusedError(
                    Refusal.NOT_STOPPED,
                    f"{unit.name} could not be stopped, and runs on; see 'systemctl status {unit.name}'",
                )
        return bool(going)

    def awaits(self, unit: str) -> bool:
        """Whether somebody waits until a unit is at rest."""
        return any(unit in units for units in self._awaited)

    async def next_observation(self) -> None:
        """Wait until `units` is new."""
        await self._observed.wait()
