"""More about a unit than ListUnits says. systemd and /proc are asked for it, and not twice for the same."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from cltab2systemd.core.executions import Executions, is_being_executed
from cltab2systemd.core.lastruns import LastRuns
from cltab2systemd.core.runs import Runs
from cltab2systemd.groups.beginnings import is_given_up
from cltab2systemd.groups.execution import Execution
from cltab2systemd.groups.units import Process
from cltab2systemd.systemd.buserrors import BusRefusedError
from cltab2systemd.units.commands import PAUSED
from cltab2systemd.units.names import health_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cltab2systemd.disk.marks import UnitNotes
    from cltab2systemd.groups.culprit import Culprit
    from cltab2systemd.groups.overview import Usage
    from cltab2systemd.groups.progress import StopSettings
    from cltab2systemd.groups.units import UnitStatus
    from cltab2systemd.probing.notes import Note
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.systemd.kernel import Kernel
    from cltab2systemd.systemd.runsignal import RunSignal
    from cltab2systemd.table.model import Entry, ResourceGroup
    from cltab2systemd.units.names import Names

T = TypeVar("T")

# How the pause of a respawn entry shows in its command line.
_PAUSED = f"/{PAUSED}/sleep".encode()


class UnitProbe:
    """A `groups.units.Probe`.

    An answer about an entry's unit is kept until a signal or a list of units tells that the unit has changed. An answer
    about a target or a barrier is kept for one look only.

    Args:
        bus: the connection to systemd.
        trouble: what is known of units that are started in vain.
        kernel: tells of processes.
        restless: notes on units that end again and again, for the next daemon; None for none.
        culprit: who has stopped a unit, by that and the id of its run.
    """

    def __init__(
        self,
        bus: Bus,
        trouble: Callable[[str], str],
        kernel: Kernel,
        restless: UnitNotes | None = None,
        culprit: Callable[[str, str], Culprit | None] = lambda _unit, _invocation: None,
    ) -> None:
        self._bus = bus
        self._kernel = kernel
        self._trouble = trouble
        self._culprit = culprit
        self._runs = Runs(bus, restless)
        self._last_runs = LastRuns()
        self._executions = Executions(bus)
        self._notifying: set[str] = set()  # units of entries that are to say that they are ready
        self._known: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self._of_this_look: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self._seen: dict[str, tuple[str, str, int]] = {}

    def saw(self, units: Iterable[UnitStatus], gone: Iterable[str] = ()) -> None:
        """Take note of how units are now. Forget what was known of units that have changed.

        Forget all of targets and barriers. A client's answer may depend on a time of theirs that has just changed.

        Args:
            units: those that are loaded.
            gone: those that are not any more. Their entries may never come back.
        """
        self._of_this_look.clear()
        for name in gone:
            self.forget(name)
            self._forget_runs(name)
        for unit in units:
            now = unit.active, unit.sub, unit.job_id
            if self._seen.get(unit.name) != now:
                self.forget(unit.name)
                self._seen[unit.name] = now
            if unit.at_rest:
                self._forget_runs(unit.name)

    def _forget_runs(self, unit: str) -> None:
        """Forget how a unit has run, which does not run any more."""
        self._runs.forget(unit)
        self._last_runs.forget(unit)
        self._executions.forget(unit)
        self._notifying.discard(unit)

    def resume(self, noted: Mapping[str, str] | None = None) -> None:
        """Go on with what an earlier daemon has noted of units that end again and again: as `Runs.resume`."""
        self._runs.resume(noted)

    def trust(self, group: ResourceGroup, level: str, names: Names) -> None:
        """Take the word of an earlier daemon that the entries of a level have all been started, as clstat has it."""
        entries = [entry for entry in group.entries if level in entry.levels]
        self._executions.trust(names.entry(group.name, entry.tag) for entry in entries)

    def follows(self, unit: str) -> bool:
        """Whether a unit is a respawn entry that was seen to run, or to pause."""
        return self._runs.follows(unit) or self._last_runs.has_paused(unit)

    def saw_last_run(self, unit: str, seen: RunSignal) -> None:
        """Take note of what a signal says of the runs of a unit, only to tell how the one before has ended."""
        self._last_runs.saw(unit, seen)

    def saw_run(self, unit: str, seen: RunSignal) -> None:
        """Take note of what a signal of systemd's says of the runs of a unit."""
        self._last_runs.saw(unit, seen)
        if seen.has_ended and unit not in self._notifying:  # that it has run does not prove that it was ready
            self._executions.note(unit, seen.process)

    def forget(self, unit: str) -> None:
        """Forget all of a unit: it may have changed."""
        self._known.pop(unit, None)
        self._of_this_look.pop(unit, None)
        self._seen.pop(unit, None)

    def forget_all(self) -> None:
        """Forget all: any unit may have changed, and no signal has told."""
        self._known.clear()
        self._of_this_look.clear()
        self._seen.clear()
        self._last_runs.forget_all()

    def process(self, unit: str) -> Process:
        """How the last main process of a service went."""
        process = self._once(unit, "process", self._bus.process)
        self._last_runs.has_ended(unit, process)
        return process

    def condition_time(self, unit: str) -> int:
        """When the conditions of a unit were last checked; 0 if never."""
        return self._once(unit, "condition time", self._bus.condition_time)

    def condition_holds(self, unit: str) -> bool:
        """Whether the conditions of a unit held when they were last checked."""
        return self._once(unit, "condition holds", self._bus.condition_holds)

    def active_time(self, unit: str) -> int:
        """When a unit last became active; 0 if never."""
        return self._once(unit, "active time", self._bus.active_time)

    def began_time(self, unit: str) -> int:
        """When a unit last left its rest on the way to active; 0 if never."""
        return self._once(unit, "began time", self._bus.began_time)

    def inactive_time(self, unit: str) -> int:
        """When a unit last became inactive; 0 if never."""
        return self._once(unit, "inactive time", self._bus.inactive_time)

    def left_time(self, unit: str) -> int:
        """When a unit was last active no more; 0 if never."""
        return self._once(unit, "left time", self._bus.left_time)

    def invocation(self, unit: str) -> str:
        """The id of a unit's last run, in hexadecimal digits; empty if it has none."""
        return self._once(unit, "invocation", self._bus.invocation)

    def culprit(self, unit: str) -> Culprit | None:
        """Who has stopped or killed the last run of a unit; None if nobody has, or nobody knows."""
        return self._culprit(unit, self.invocation(unit))

    def outlived_stop(self, unit: str) -> bool:
        """Whether a service has failed because its stop could not end all processes in time, and some are left."""
        return self._bus.outlived_stop(unit)

    def lacked_memory(self, group_slice: str) -> bool:
        """Whether the kernel has killed anything in the slice of a group for want of memory."""
        return self._kernel.lacked_memory(group_slice)

    def strayed_to(self, unit: str) -> str:
        """The control group to which the main process of a running service has moved; empty if it is in its own."""
        return place_of(unit, self.pid(unit), self._kernel)

    def main_pid(self, unit: str) -> int:
        """The main process of a service, as it is now; 0 if it has none."""
        self._known[unit]["main pid"] = pid = self._bus.main_pid(unit)
        return pid

    def execution(self, unit: UnitStatus, entry: Entry) -> Execution:
        """Whether the main process of a service that is up, or about to be, is its command.

        That it is, is kept as all else: until the unit changes. That it is not is asked anew each time.
        """
        name = unit.name
        (self._notifying.add if entry.notifies else self._notifying.discard)(name)
        if unit.is_restarting:
            process = self._ended(name) if entry.notifies else self.process(name)
            is_unready = entry.notifies and self.left_time(name) < process.began_at
            return self._executions.has_ended(name, process, is_unready=is_unready)
        if unit.active == "activating" or is_given_up(entry, unit):
            return self._executions.not_yet(name, self._was_restarted, was_up=False)
        known = self._known[name]
        if "is its command" not in known:
            pid = 0 if entry.notifies else self.main_pid(name)
            if not (entry.notifies or self.is_its_command(name, pid, entry.command)):
                return self._executions.not_yet(name, self._was_restarted, was_up=True)
            known["is its command"] = True
            self._executions.runs(name, pid, is_in_vain=bool(self.pause(name)) and self.was_not_executed(name))
        return Execution.COMMAND

    def doubt_commands(self, units: Iterable[str]) -> None:
        """Ask anew whether the main processes of units are their commands."""
        for unit in units:
            self._known[unit].pop("is its command", None)

    def _ended(self, unit: str) -> Process:
        """The last main process of a unit that waited for its restart, with its beginning, if it has ended.

        If the next one has begun by now, nothing is known of an end.
        """
        process, began = self.process(unit), self.started_time(unit)
        return replace(process, began_at=began) if began <= process.ended_at else Process(process.pid, 0, 0)

    def health(self, unit: str) -> Note | None:
        """What the health check of an entry has noted last; None if the entry was well, or nobody has asked."""
        return self._kernel.health(health_of(unit))

    def _was_restarted(self, unit: str) -> bool:
        """Whether the run before the present one of an entry was ended because it was unhealthy."""
        note = self.health(unit)
        return note is not None and note.restarts and note.invocation != self.invocation(unit)

    def is_being_executed(self, unit: str) -> bool:
        """Whether the main process of a service was not its command yet when it was looked at last."""
        return self._executions.is_open(unit)

    def is_its_command(self, unit: str, pid: int, command: str) -> bool:
        """Whether the main process of a running service is its command at this moment, or our pause before that.

        A service that forks by its own ways may have a main process that systemd does not know: then it has started.
        """
        if pid:
            return not is_being_executed(pid, command, self._kernel)
        process = self._bus.process(unit)
        return not process.pid and process.result == "success"

    def pid(self, unit: str) -> int:
        """The main process of a service; 0 if it has none."""
        return self._once(unit, "main pid", self._bus.main_pid)

    def ending_before(self, unit: str, pid: int) -> Process | None:
        """How the run before that of a main process ended; None if that is not known for sure."""
        return self._last_runs.before(unit, pid)

    def latest_ending(self, unit: str) -> Process | None:
        """How the latest run of a respawn entry that has ended went; None if that was not seen. A pause is no run."""
        return self._last_runs.latest(unit)

    def restarts(self, unit: str) -> int:
        """How often systemd has restarted a service by itself, since its last start by a request."""
        return self._once(unit, "restarts", self._bus.restarts)

    def changed_time(self, unit: str) -> int:
        """When the state of a unit changed last; 0 if never."""
        return self._once(unit, "changed time", self._bus.changed_time)

    def usage(self, group_slice: str, unit: str) -> Usage:
        """What the control group of a service uses."""
        return self._kernel.usage(group_slice, unit)

    def trouble(self, unit: str) -> str:
        """Why a respawn entry could not be started when it was tried last; empty if it could."""
        return self._trouble(unit)

    def pause(self, unit: str) -> str:
        """Why a respawn entry pauses instead of running its command; empty if it does not."""
        if found := pause_of(pid := self.pid(unit), self._kernel):
            self._last_runs.pauses(unit, pid)
            self._runs.saw(unit, pid, pauses=True)
        return found

    def keeps_ending(self, unit: str) -> bool:
        """Whether a respawn entry has ended again and again within a minute, and has not been up for one since."""
        # A program that goes to the background has no process most of the time. The run that was last counts as well.
        self._runs.saw(unit, self.pid(unit) or self.process(unit).pid, self._last_runs.latest(unit))
        return self._runs.are_short(unit)

    def was_not_executed(self, unit: str) -> bool:
        """Whether a respawn entry pauses because its words could not be executed. The shell before it notes that."""
        return self._kernel.was_not_executed(unit)

    def started_time(self, unit: str) -> int:
        """When the last main process of a service was started; 0 if none ever was."""
        return self._once(unit, "started time", self._bus.started_time)

    def settings(self, unit: str, directive: str) -> tuple[str, ...]:
        """The values of a directive as systemd has them; see `groups.units.Probe`."""
        return self._once(unit, directive, lambda name: self._told(lambda: self._bus.settings(name, directive), ()))

    def limit(self, unit: str, directive: str) -> int | None:
        """What a directive allows a unit; see `groups.units.Probe`."""
        return self._once(unit, directive, lambda name: self._told(lambda: self._bus.limit(name, directive), None))

    def _told(self, ask: Callable[[], T], otherwise: T) -> T:
        """An answer, or what stands for it if this release of systemd has no such property."""
        try:
            return ask()
        except BusRefusedError:
            return otherwise

    def start_limit(self, unit: str) -> int | None:
        """How long the start of a service may take, in µs; None is for ever."""
        return self._once(unit, "start limit", self._bus.start_limit)

    def stop_settings(self, unit: str) -> StopSettings:
        """How a service is stopped."""
        return self._once(unit, "stop settings", self._bus.stop_settings)

    def status_text(self, unit: str) -> str:
        """What a service says of itself; empty if it says nothing."""
        return self._once(unit, "status text", self._bus.status_text)

    def _once(self, unit: str, what: str, ask: Callable[[str], T]) -> T:
        is_entry = unit.endswith(".service") and not unit.startswith("clinitbarrier")
        known = (self._known if is_entry else self._of_this_look)[unit]
        if what not in known:
            known[what] = ask(unit)
        value: T = known[what]
        return value


def pause_of(pid: int, kernel: Kernel) -> str:
    """Why the respawn entry with a main process pauses instead of running its command; empty if it does not.

    Then that process is a `sleep`. The shell before the command has become it (`commands.throttled`).
    """
    try:
        program = kernel.command_line(pid).partition(b"\0")[0]
    except OSError:
        return ""
    return "ends too fast, and pauses for 60 s" if program.endswith(_PAUSED) else ""


def place_of(unit: str, pid: int, kernel: Kernel) -> str:
    """The control group of a service's main process; empty if it is the service's own, or is below that.

    It is empty for a process that has just ended, too: systemd is about to say so.
    """
    try:
        groups = kernel.control_groups(pid)
    except OSError:
        return ""
    places = [line.split(":", 2)[2] for line in groups if line.startswith("0:") or ":name=systemd:" in line]
    if not places or any(unit in place.split("/") for place in places):
        return ""
    return max(places, key=len)
