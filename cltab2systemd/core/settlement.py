"""The end of requests: a request has ended when the units of its group say for sure how."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cltab2systemd import events, oserrors
from cltab2systemd.core.group import HaltLeft
from cltab2systemd.core.request import SupersededError, SwitchRefusedError, code_of, taken_by_hand
from cltab2systemd.groups.endings import was_executed
from cltab2systemd.groups.lifecycle import MARKED, Event, Phase
from cltab2systemd.groups.reasons import Cause
from cltab2systemd.groups.refusals import Refusal, Supersession
from cltab2systemd.groups.state import GroupStatus, State, current_level, survivors
from cltab2systemd.systemd.buserrors import BusRefusedError
from cltab2systemd.units.names import HALT_LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cltab2systemd.core.group import Group
    from cltab2systemd.core.pacer import Pacer
    from cltab2systemd.core.probe import UnitProbe
    from cltab2systemd.core.request import Request
    from cltab2systemd.disk.marks import Marks
    from cltab2systemd.groups.units import UnitStatus
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.table.model import Entry
    from cltab2systemd.units.names import Names

# Seconds until another look at what is not certain yet, first, and at most when that takes long.
_PAUSE, _LONGEST_PAUSE = 0.01, 0.5
# Seconds that an outcome waits for respawn entries that end again and again. The shell before a command pauses sooner.
_LONGEST_DYING = 2.5
# The phases in which the units do not tell yet how a request goes.
_UNDECIDED = MARKED | {Phase.PREPARING}
# What tells that an entry pauses, or cannot be started, and is tried again.
_OF_TRIES = {Cause.PAUSED, Cause.NOT_EXECUTED, Cause.NOT_READY}


class Settlement:
    """Ends requests.

    Args:
        names: the unit names of the instance.
        held: the units that are kept from being started again.
        bus: its connection to systemd.
        pacer: slows down what is started in vain.
        probe: tells more about units than their state.
        is_sought: whether it may be known in a moment who has stopped a unit.
        look_soon: looks at groups in a moment.
        on_refused: called with a request that cannot come to its end, because of systemd or of what runs.
        on_stopped: called with a group that has been stopped for good.
        go_on: called with a group whose halt is to go on that was superseded by a request in vain.
    """

    def __init__(
        self,
        names: Names,
        held: Marks,
        bus: Bus,
        pacer: Pacer,
        probe: UnitProbe,
        *,
        is_sought: Callable[[str], bool],
        look_soon: Callable[[Iterable[str]], None],
        on_refused: Callable[[Group, Request, SwitchRefusedError], object],
        on_stopped: Callable[[Group], None],
        go_on: Callable[[Group], object],
    ) -> None:
        self._names = names
        self._held = held
        self._bus = bus
        self._pacer = pacer
        self._probe = probe
        self._is_sought = is_sought
        self._look_soon = look_soon
        self._on_refused = on_refused
        self._on_stopped = on_stopped
        self._go_on = go_on

    def settle(self, group: Group) -> None:
        """End the request of a group if its units tell the outcome. BusUnavailableError if systemd cannot be asked."""
        request, status = group.request, group.status
        if group.life.phase is Phase.LEFT and request is None and self._was_started_by_hand(group):
            group.happens(Event.STARTED_BY_HAND)
            self._look_soon([group.name])
        if group.life.phase in _UNDECIDED or (request is not None and not request.started.done()):
            return
        if group.held and (status is None or status.state.settled or status.state is State.CONFIGURED):
            self._let_go(group)
        if request is not None and request.is_for_good:
            self._settle_halt(group, request)
        elif request is not None:
            self._settle_switch(group, request)
        elif group.halt_left is HaltLeft.DUE:
            group.halt_left = HaltLeft.NOTHING
            if _is_left_at_halt(group):
                self._go_on(group)

    def _let_go(self, group: Group) -> None:
        """Let go of a group's held entries. The start that they were held for is over."""
        try:
            self._held.discard(group.held)
        except OSError as error:
            events.HELD_REMAINS(group=group.name, why=oserrors.worded(error))
        else:
            group.held = frozenset()

    def _settle_switch(self, group: Group, request: Request) -> None:
        status = group.status
        if status is None or status.state is State.CONFIGURED:
            self._is_taken(group, request, taken_by_hand(group.name, request.level, status))
        elif status.state is State.STOPPING or (status.level == request.level and not status.state.settled):
            return
        elif status.level != request.level:
            self._is_taken(group, request, taken_by_hand(group.name, request.level, status))
        elif self.is_certain(group, request, status):
            group.happens(Event.SETTLED)
            group.end(request, status)

    @staticmethod
    def _is_taken(group: Group, request: Request, words: str) -> None:
        group.happens(Event.TAKEN)
        group.end(request, SupersededError(Supersession.BY_HAND, words))

    def _was_started_by_hand(self, group: Group) -> bool:
        """Whether somebody has started a level target with systemctl since the group was left empty."""
        assert group.units is not None
        return any(
            (target.active == "active" or target.starting)
            and self._bus.condition_time(self._names.barrier(group.name, level)) > group.life.since
            for level, target in group.units.levels().items()
        )

    # Whether what systemd says is what it will say

    def is_certain(self, group: Group, request: Request, status: GroupStatus) -> bool:
        """Whether all that runs of a settled group is its commands by now, and who has stopped the rest is known.

        If not, it is looked at again soon.
        """
        assert group.units is not None
        loop = asyncio.get_running_loop()
        request.settled_at = request.settled_at or loop.time()
        waited = loop.time() - request.settled_at
        entries = ((entry, group.units.entry(entry)) for entry in group.units.members(status.level))
        running = ((entry, unit) for entry, unit in entries if entry.mode.may_run_on and unit is not None)
        told = {reason.unit for reason in status.reasons if reason.cause in _OF_TRIES}
        is_open = any(self._is_open(e, unit, request, waited, is_told=unit.name in told) for e, unit in running)
        if not is_open and not any(self._is_sought(reason.unit) for reason in status.reasons):
            return True
        loop.call_later(max(_PAUSE, min(_LONGEST_PAUSE, waited / 8)), self._look_soon, [group.name])
        return False

    def _is_open(self, entry: Entry, unit: UnitStatus, request: Request, waited: float, *, is_told: bool) -> bool:
        """Whether it is open yet if an entry can be started.

        1. Only a proof ends that: the kernel or systemd has told that a process was the command since the level was
           settled, or the status tells that the entry pauses or cannot run. No time does, for none proves anything.
        2. A respawn entry that is proven, and ends, may be about to pause. Then the wait goes on for a while.
        3. One that is to say that it is ready, and was started again by itself, is waited for in that one run.
        """
        if entry.notifies and unit.active == "activating" and not unit.is_restarting:
            pid = self._probe.main_pid(unit.name)
            return not is_told and unit.name not in request.proven and pid == request.pids.setdefault(unit.name, pid)
        if unit.sub != "running" and not unit.is_restarting:
            return False
        name, pid, is_restarted = unit.name, self._probe.main_pid(unit.name), entry.mode.is_restarted
        is_command = entry.notifies or self._probe.is_its_command(name, pid, entry.command)
        is_up = unit.sub == "running" and is_command
        pauses = bool(self._probe.pause(name))
        if (is_up and not pauses) or (unit.is_restarting and was_executed(self._probe.process(name))):
            request.proven.add(name)
        is_rising = self._pacer.is_rising(name) and not pauses
        if is_rising and (waited < _LONGEST_DYING or (is_told and is_up)):
            return True
        if is_told:
            return False
        is_dying = is_restarted and (pid != request.pids.setdefault(name, pid) or not is_up or pauses)
        return name not in request.proven or (is_dying and waited < _LONGEST_DYING)

    # A stop for good

    def _settle_halt(self, group: Group, request: Request) -> None:
        assert group.units is not None
        target = group.units.units.get(self._names.level(group.name, HALT_LEVEL))
        is_reached = target is not None and target.active == "active" and not target.job
        # The halt level is not active any more, and an entry runs: somebody has started it, or has cancelled the halt.
        is_past = (target is None or target.at_rest) and group.units.is_active() and not _is_elsewhere(group)
        if is_reached or is_past:
            try:
                self._stop_what_is_left(group, request)
            except BusRefusedError as error:
                self._on_refused(group, request, SwitchRefusedError(code_of(error), f"systemd refuses: {error}"))
        elif not group.units.is_active():
            group.happens(Event.SETTLED)
            group.end(request, GroupStatus(group.name, group.shown_level or HALT_LEVEL, State.CONFIGURED))
            self._on_stopped(group)
        elif _is_elsewhere(group):
            self._is_taken(group, request, f"{group.name} was started while it was being halted")

    def _stop_what_is_left(self, group: Group, request: Request) -> None:
        """Stop what the halt level's barrier did not stop, for it was made from other lines. Then stop the level."""
        assert group.units is not None
        services = self._services(group)
        if any(not unit.at_rest and not unit.runs for unit in services):
            return  # still being stopped
        left = [unit.name for unit in services if unit.runs] + survivors(group.units, None)
        untried = [unit for unit in left if unit not in request.stopped]
        if not left:
            # All entries are gone. The marker takes the level targets along, which refuse a stop by hand.
            self._bus.stop(self._names.unnamed(group.name))
        elif untried:
            for unit in untried:
                self._bus.stop(unit)
                request.stopped.add(unit)  # only now, for systemd may answer nobody at present
            self._look_soon([group.name])
        else:
            # The marker stays, for else nothing would tell that the group was to be stopped.
            why = f"{left[0]} does not stop, and so {group.name} is not halted; see 'systemctl status {left[0]}'"
            self._on_refused(group, request, SwitchRefusedError(Refusal.NOT_STOPPED, why))

    def _services(self, group: Group) -> list[UnitStatus]:
        """The services of a group, also those of entries that have left its lines."""
        assert group.units is not None
        prefix = self._names.entry_prefix
        units = group.units.units.values()
        return [unit for unit in units if unit.name.startswith(prefix) and unit.name.endswith(".service")]


def is_at_halt_level(group: Group) -> bool:
    """Whether a group is at the level of a halt, or on its way there."""
    assert group.units is not None
    target = group.units.levels().get(HALT_LEVEL)
    return target is not None and (target.starting or current_level(group.units) == HALT_LEVEL)


def _is_left_at_halt(group: Group) -> bool:
    """Whether a group is at the level of a halt, or on its way there, and nobody takes it away from there."""
    assert group.units is not None
    levels = group.units.levels()
    is_taken = any(target.starting for level, target in levels.items() if level != HALT_LEVEL)
    return is_at_halt_level(group) and not is_taken and levels[HALT_LEVEL].job != "stop"


def _is_elsewhere(group: Group) -> bool:
    """Whether a group that is to be halted is at another level, or on its way to one."""
    assert group.units is not None
    levels = group.units.levels()
    halt = levels.get(HALT_LEVEL)
    return (halt is None or halt.at_rest) and any(t.active == "active" or t.starting for t in levels.values())
