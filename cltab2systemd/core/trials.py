"""Levels on trial: a group goes there, and back to where it was, unless somebody confirms it in time.

A trial is a note on disk, which is there before anything is touched. So whatever becomes of who has asked, and of the
daemon, the next daemon takes the group back. A later request ends the trial, as soon as it has begun.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from cltab2systemd import events, oserrors
from cltab2systemd.core.group import now_in_microseconds
from cltab2systemd.core.request import SupersededError, SwitchRefusedError, reason_of
from cltab2systemd.core.trialtimer import TrialTimer
from cltab2systemd.events import Asker, By
from cltab2systemd.groups.lifecycle import Phase
from cltab2systemd.groups.refusals import Refusal
from cltab2systemd.groups.state import State, level_of_members
from cltab2systemd.groups.trial import Trial, noted, on_end, on_trial, parsed
from cltab2systemd.systemd.kernel import clock_offset
from cltab2systemd.terminal import clock, duration, printable, shortened
from cltab2systemd.text import escape
from cltab2systemd.units.names import HALT_LEVEL, unescape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cltab2systemd.core.group import Group
    from cltab2systemd.core.membership import Membership
    from cltab2systemd.core.request import Request
    from cltab2systemd.disk.instance import Instance
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.table.model import ResourceGroup

_SECOND = 1_000_000
# What may be another way soon, and seconds until the way back is tried again then.
_PASSING = {Refusal.UNWRITABLE, Refusal.NO_SYSTEMD}
_PAUSE = 5.0


class Running:
    """A trial of a group that is not over.

    Attributes:
        request: the one that is under way for it, there or back; None if none is.
        later: a request that ends it as soon as it has begun.
        earlier: the trial that it takes the place of, until its request has begun.
        is_due: the time is over.
        is_back: the group is on its way back, or is to be.
    """

    def __init__(self, group: str, trial: Trial, earlier: Running | None = None) -> None:
        self.group = group
        self.trial = trial
        self.request: Request | None = None
        self.later: Request | None = None
        self.earlier = earlier
        self.is_due = self.is_back = False
        self.alarm: asyncio.TimerHandle | None = None


class Trials:
    """The trials of an instance.

    Args:
        groups: all groups by name.
        instance: its state on disk; open.
        bus: its connection to systemd.
        membership: knows the lines that each group is to have.
        service: what is started at the end of a trial, if there is no daemon; empty for nothing.
        take_back: called with a group, the level to which it goes back, on whose account, and the trial; returns the
            request.
        on_change: called when what is told of a trial has changed.
    """

    def __init__(
        self,
        groups: Mapping[str, Group],
        instance: Instance,
        bus: Bus,
        membership: Membership,
        service: str,
        *,
        take_back: Callable[[Group, str, Asker, Running], Request],
        on_change: Callable[[], None],
    ) -> None:
        self._groups = groups
        self._notes = instance.trials
        self._timer = TrialTimer(instance, bus, service)
        self._membership = membership
        self._take_back = take_back
        self._on_change = on_change
        self._running: dict[str, Running] = {}
        self._ended: dict[str, tuple[int, str]] = {}  # when the last trial of a group ended, and how
        self._remaining: set[str] = set()  # groups whose note could not be removed

    def of(self, name: str) -> Trial | None:
        """The trial of a group; None if it has none, or is on its way back."""
        running = self._running.get(name)
        return None if running is None or running.is_back else running.trial

    def notes(self, name: str) -> list[str]:
        """What whoever has begun a trial is told."""
        running = self._running.get(name)
        if running is None:
            return []
        offset = clock_offset()
        until = clock(running.trial.deadline + offset, now_in_microseconds() + offset)
        return on_trial(name, running.trial, until, is_alone=not self._timer.has_service)

    # What people ask for

    def note(self, group: Group, level: str, until: int, asker: Asker) -> Running:
        """Note a trial that is about to be asked for. OSError if that cannot be written; nothing is changed then.

        Args:
            group: the group.
            level: the level.
            until: when it goes back, CLOCK_MONOTONIC in µs.
            asker: who asks.
        """
        earlier = self._running.get(group.name)
        origin, lines = self._place(group)
        back = origin
        if earlier is not None and earlier.later is None:  # not confirmed: nobody wants to go back there
            back, lines = earlier.trial.back, earlier.trial.lines
        trial = Trial(level, back, lines, origin, until, asker.uid, asker.pid, asker.command)
        self._write(group.name, trial)
        # One whose switch has not begun is none to go on with if this one is refused.
        return Running(group.name, trial, (earlier and earlier.earlier) or earlier)

    def _place(self, group: Group) -> tuple[str | None, ResourceGroup]:
        """Where a group is, or is to go by the request that is under way; and the lines that it has there."""
        return group.destination, group.applied if group.request is None else self._membership.lines_for(group)

    def keep(self, group: Group, asker: Asker) -> str:
        """Confirm a trial: the group stays. Returns what to tell whoever asks.

        SwitchRefusedError if there is none; OSError if its note cannot be removed, and it goes on.
        """
        running, name = self._running.get(group.name), shortened(group.name)
        if running is None:
            when, how = self._ended.get(group.name, (0, ""))
            ago = f": {how} {duration(now_in_microseconds() - when)} ago" if when else ""
            raise SwitchRefusedError(Refusal.NO_TRIAL, f"{name} is not on trial{ago}")
        if running.is_back:
            raise SwitchRefusedError(Refusal.NO_TRIAL, f"the time is over, and {name} {running.trial.to_come}")
        level = shortened(running.trial.level)
        if running.earlier is not None:  # if it is refused, that one goes on, which nobody has confirmed
            told = f"the switch of {name} to level {level} has not begun; {shortened(running.earlier.trial.level)} is"
            raise SwitchRefusedError(Refusal.NO_TRIAL, f"{told} on trial still")
        self._notes.discard(escape(group.name))
        events.TRIAL_KEPT(group=group.name, level=running.trial.level, asker=asker)
        self._forget(running, f"that of level {level} was confirmed")
        state = "" if group.status is None else str(group.status.state)
        if group.status is None or group.status.level != running.trial.level or not group.status.state.settled:
            return f"{name} stays at level {level}, when it gets there"
        return f"{name} stays at level {level}, which is {state}"

    # What requests do to trials

    def follow(self, group: Group, request: Request, own: Running | None) -> None:
        """Follow a request for a group, which is about to be begun with.

        Args:
            group: the group.
            request: the request.
            own: the trial for which it goes there or back; None if it has nothing to do with one, and so ends any.
        """
        running = own or self._running.get(group.name)
        if running is None:
            return
        if running.is_back and own is not None:
            request.lines = self._lines_back(group, running.trial)
            # They protect what runs. Here that is what nobody has confirmed.
            request.checked.update((request.lines or self._membership.wanted(group)).entries)
        if own is None and request.asker.by is not By.RESUMED:
            running.later = request
            request.on_start = lambda: self._begins_later(running, request)
            if not running.is_back:
                request.notes.append(on_end(group.name, running.trial, request.level))
        elif running.is_back:
            running.request = request
        else:
            self._begins(running, request)
        request.outcome.add_done_callback(lambda _: self._ends(running, request))

    def _begins(self, running: Running, request: Request) -> None:
        """The request of a trial has been made, perhaps by an earlier daemon."""
        running.request = request
        if self._running.get(running.group) is running:
            return
        if (current := self._running.get(running.group)) is not None:
            self._disarm(current)
        request.on_start = partial(setattr, running, "earlier", None)
        self._arm(running)
        left = duration(running.trial.deadline - now_in_microseconds() + _SECOND - 1)
        events.ON_TRIAL(
            group=running.group, level=running.trial.level, request=request.id, asker=request.asker,
            why=f"for {left}; then it {running.trial.to_come}",
        )  # fmt: skip

    def _begins_later(self, running: Running, request: Request) -> None:
        """A later request has begun, and whoever has asked for it is about to be told."""
        if self._running.get(running.group) is running and running.later is request:
            self._end(running, f"a later request for level {shortened(request.level)} took over")

    def _ends(self, running: Running, request: Request) -> None:
        """A request that has to do with a trial has ended, well or not."""
        if self._running.get(running.group) is not running:
            return
        if running.later is request:  # it was refused, and has not begun
            running.later = None
            if running.is_due:
                self._go_back(running)
            return
        if running.request is not request:
            return
        running.request, error, group = None, request.outcome.exception(), self._groups[running.group]
        if error is None:
            return
        if isinstance(error, SupersededError):  # by a later request, or by hand
            self.look(group)
        elif running.is_back:
            self._cannot_go_back(running, request, error)
        elif group.life.phase is Phase.LEFT and group.life.level == running.trial.level:
            running.earlier = None  # it was broken off on its way, and goes back in its time
        elif request.started.exception() is not None:
            self._revert(running)

    def _cannot_go_back(self, running: Running, request: Request, error: BaseException) -> None:
        """Tell that the way back is refused; and try again if somebody may soon have made room, say."""
        events.TRIAL_FAILED(group=running.group, request=request.id, reason=reason_of(error), why=error)
        if reason_of(error) in _PASSING:
            running.alarm = asyncio.get_running_loop().call_later(_PAUSE, self._is_over, running)
        else:
            self._end(running, "it could not go back")

    def _revert(self, running: Running) -> None:
        """A trial has not begun, for its request was refused. An earlier one goes on."""
        earlier = running.earlier
        if earlier is None:
            self._end(running, "it was refused")
            return
        self._disarm(running)
        try:
            self._write(running.group, earlier.trial)
        except OSError as error:
            events.TRIAL_REMAINS(group=running.group, why=oserrors.worded(error))
        earlier.later = None
        if earlier.request is not None and earlier.request.outcome.done():
            earlier.request = None
        self._arm(earlier)

    def has_moved(self, request: Request) -> None:
        """The start of what was asked for is queued, with the lines that it was to have. Is a group back by that?"""
        running = self._running.get(request.group)
        if running is not None and running.is_back and running.request is request:
            how = f"that of level {shortened(running.trial.level)} was not confirmed, and it {running.trial.done}"
            self._end(running, how, tell=False)

    def look(self, group: Group) -> None:
        """Look whether somebody has taken a group elsewhere by hand."""
        if self._remaining:
            self._discard_remaining()
        running, status = self._running.get(group.name), group.status
        if running is None or running.is_back or running.request is not None:
            return
        if group.request is not None or group.life.phase is not Phase.RESTING:
            return
        if status is None or status.state is State.CONFIGURED:
            self._end(running, "somebody has stopped it")
        elif status.level != running.trial.level:
            self._end(running, f"somebody took it to level {shortened(status.level)}")

    def halted(self, group: Group) -> None:
        """All groups are being halted, and nothing of this one runs."""
        if (running := self._running.get(group.name)) is not None:
            self._end(running, "all groups are halted")

    # The end

    def _arm(self, running: Running) -> None:
        """Have a trial end in time."""
        self._running[running.group] = running
        loop = asyncio.get_running_loop()
        running.alarm = loop.call_at(running.trial.deadline / _SECOND, self._is_over, running)
        self._timer.start(running.group, running.trial.deadline)
        self._on_change()

    def _disarm(self, running: Running) -> None:
        if running.alarm is not None:
            running.alarm.cancel()
        self._timer.stop(running.group, running.trial.deadline)

    def _is_over(self, running: Running) -> None:
        running.is_due = True
        if self._running.get(running.group) is running and running.later is None:
            self._go_back(running)

    def _go_back(self, running: Running) -> None:
        group, trial = self._groups.get(running.group), running.trial
        if group is None:
            self._end(running, "the group is gone")
            return
        running.is_back = running.is_due = True
        asker = Asker(By.TRIAL, trial.uid, trial.pid, trial.command)
        self._take_back(group, HALT_LEVEL if trial.back is None else trial.back, asker, running)
        self._on_change()

    def _lines_back(self, group: Group, trial: Trial) -> ResourceGroup | None:
        """The lines that a group gets on its way back, as far as they are its own still; None for the table's."""
        if trial.back is None:
            return None
        taken = self._membership.taken(group, trial.lines)
        is_any_left = any(entry.tag not in taken for entry in trial.lines.entries)
        if taken or not is_any_left:
            events.TRIAL_WITHOUT(group=group.name, why=", ".join(map(shortened, sorted(taken))) or "all")
        return trial.lines if is_any_left else None

    def _end(self, running: Running, how: str, *, tell: bool = True) -> None:
        """A trial is over, and its group stays where it is, or goes where somebody has sent it."""
        if tell:
            events.TRIAL_ENDED(group=running.group, level=running.trial.level, why=how)
        self._remaining.add(running.group)
        self._discard_remaining()
        self._forget(running, how)

    def _forget(self, running: Running, how: str) -> None:
        if self._running.get(running.group) is running:
            del self._running[running.group]
        self._ended[running.group] = now_in_microseconds(), how
        self._disarm(running)
        self._on_change()

    def _write(self, name: str, trial: Trial) -> None:
        self._notes.write(escape(name), noted(trial))
        self._remaining.discard(name)

    def _discard_remaining(self) -> None:
        for name in sorted(self._remaining):
            try:
                self._notes.discard(escape(name))
            except OSError as error:
                events.TRIAL_REMAINS(group=name, why=oserrors.worded(error))
            else:
                self._remaining.discard(name)

    # A new daemon

    def load(self) -> None:
        """Read what an earlier daemon has noted. Whether it still holds is seen in `take_over`."""
        for file, text in self._notes.all().items():
            name = unescape(file)
            trial, findings = parsed(name, text, f"the trial of {name}")
            for finding in findings:  # there were none when it was noted
                events.OLD_LINES(why=printable(finding.summary))
            if trial is not None:
                self._running[name] = Running(name, trial)
            else:
                events.TRIAL_ENDED(group=name, level="", why="its note cannot be read")
                with suppress(OSError):
                    self._notes.discard(file)

    def take_over(self) -> frozenset[str]:
        """Go on with what holds of an earlier daemon's trials. Returns the groups that go back at once."""
        for running in [*self._running.values()]:
            group = self._groups.get(running.group)
            if group is None or not self._holds(running, group):
                self._end(running, "the group was taken elsewhere while there was no daemon")
                continue
            self._arm(running)
            if running.trial.deadline <= now_in_microseconds():
                self._is_over(running)
        return frozenset(name for name, running in self._running.items() if running.is_back)

    def _holds(self, running: Running, group: Group) -> bool:
        """Whether a group is at a level on trial, or on its way there or back."""
        trial, life = running.trial, group.life
        if group.request is not None:  # it has left the table meanwhile, and that ends the trial
            return True
        if life.phase is Phase.RESUMED:
            is_due = trial.deadline <= now_in_microseconds()
            return life.level == trial.level or (is_due and life.level == (trial.back or HALT_LEVEL))
        level = None if group.units is None else level_of_members(group.units)
        if level == trial.level:
            return True
        if level is None or level != trial.origin or level == trial.back:
            return False
        # It was broken off before it began, at a level that was on trial before.
        running.trial = replace(trial, level=level)
        return True
