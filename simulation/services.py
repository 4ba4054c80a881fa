"""The stand-in's services: processes that start and end, restarts, and stops in stages."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from cltab2systemd.systemd.buserrors import BusRefusedError
from simulation import prober, requirements
from simulation.clock import SECOND
from simulation.units import CLEAN_SIGNALS, SIGINT, SIGKILL, SIGTERM, Running, behaviour_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulation.systemd import Systemd
    from simulation.unitfiles import UnitFile
    from simulation.units import Job, Unit

_EXITED, _KILLED = 1, 2
_NO_DIRECTORY, _NO_PROGRAM = 200, 203
_REFUSED = {_NO_DIRECTORY, _NO_PROGRAM}
# As the shell before a respawn command counts (`commands.throttled`).
_FAST = SECOND
_MOST = 5
_PAUSE = 60 * SECOND
# What a process takes until it is the command, in µs: mostly, and on a machine that is busy or slow.
_SETS_UP = 300
_SET_UPS = (*(_SETS_UP,) * 12, 5_000, 60_000, 700_000, 3 * SECOND, 8 * SECOND)


class Services:
    """What systemd does with services.

    Args:
        systemd: the manager.
    """

    def __init__(self, systemd: Systemd) -> None:
        self._systemd = systemd
        self._pids = itertools.count(1000)
        self.running: dict[int, Running] = {}  # by pid
        self.missing: set[str] = set()  # the names of entries whose tests do not find their file

    # Starting.

    def start(self, unit: Unit, job: Job) -> None:
        """Carry out a start job, as far as it can be now."""
        if unit.active == "deactivating" or unit.sub == "auto-restart":
            job.is_running = False  # it waits for the unit to change
            return
        if unit.active == "activating":
            return
        file = unit.file
        if file is None:
            self._systemd.finish(job, "failed")
            return
        if job.by == "hand":
            unit.by_hand = self._systemd.clock.now
        elif job.by != "restart":
            unit.by_hand = 0
        unit.condition_time = self._systemd.clock.stamp()
        unit.failed_condition = self._failed_condition(file.conditions)
        unit.condition_holds = not unit.failed_condition
        if not unit.condition_holds:
            self._systemd.finish(job, "done")
            return
        if job.by != "restart":
            unit.restarts = 0
            unit.was_executed = unit.refused = False
            if job.by != "hand":
                unit.asked_time = unit.condition_time
        self._systemd.on_start(unit, job.by)
        self._fork(unit)

    def _failed_condition(self, conditions: Iterable[str]) -> str:
        """The first that does not hold; empty if all do."""
        for condition in conditions:
            path = condition.removeprefix("!")
            if self._exists(path) is (path != condition):
                return condition
        return ""

    def _exists(self, path: str) -> bool:
        return path == "/" or self._systemd.files.content(path) is not None

    def _fork(self, unit: Unit) -> None:
        file = unit.file
        assert file is not None
        unit.result, unit.leftover, unit.was_given_up = "success", False, False
        clock = self._systemd.clock
        behaviour = behaviour_of(file.command)
        sets_up = self._systemd.chance.choice(_SET_UPS)
        is_at_shell = behaviour.is_executed or behaviour.status == _NO_PROGRAM
        is_pause = file.restarts and is_at_shell and self._is_paused(unit, clock.now)
        executed_at = clock.now + sets_up if behaviour.is_executed or is_pause else math.inf
        process = unit.process = Running(
            next(self._pids), behaviour, clock.now, executed_at, file.command, not file.is_notify, is_pause
        )
        unit.started_time = clock.stamp()
        self.running[process.pid] = process
        unit.end = (process.pid, 0, 0)
        lasts, status = behaviour.lasts, behaviour.status
        if is_pause:
            lasts, status = _PAUSE, 0
        elif behaviour.looks_for and _tag(unit) in self.missing:
            status = 1
        if file.probe is not None:
            prober.ask(self._systemd, unit, process, self._ended, sets_up)
        elif file.sets:
            self._systemd.after(sets_up, self._set_right, unit, process, file.sets)
        elif lasts is not None:
            self._systemd.after(sets_up + lasts, self._ended, unit, process, _EXITED, status)
        if file.is_oneshot or file.is_notify:
            self._begin_start(unit, process, file, sets_up)
        else:
            self._systemd.set_state(unit, "active", "running")

    def _begin_start(self, unit: Unit, process: Running, file: UnitFile, sets_up: int) -> None:
        """Have a start that takes its time: it ends when the process does, or says that it is ready; or not in time."""
        if file.is_notify and process.behaviour.ready is not None:
            self._systemd.after(sets_up + process.behaviour.ready, self._is_ready, unit, process)
        if file.start_timeout is not None:
            self._systemd.after(file.start_timeout, self._give_up_start, unit, process)
        self._systemd.set_state(unit, "activating", "start")

    def _is_ready(self, unit: Unit, process: Running) -> None:
        if unit.process is process and unit.active == "activating":
            process.is_ready = True
            self._systemd.set_state(unit, "active", "running")

    def _give_up_start(self, unit: Unit, process: Running) -> None:
        if unit.process is process and unit.active == "activating":
            unit.was_given_up = True
            unit.result = "timeout"
            self._begin_stop(unit)

    def _set_right(self, unit: Unit, process: Running, words: tuple[str, ...]) -> None:
        """Be the process of a barrier."""
        if unit.process is process:
            could = requirements.set_right(self._systemd.files, words)
            self._ended(unit, process, _EXITED, 0 if could else 1)

    @staticmethod
    def _is_paused(unit: Unit, now: int) -> bool:
        """Whether the shell before a respawn command pauses at this start."""
        count, last, pause, _ = unit.respawns
        if pause:
            unit.respawns[1:] = [now, 0, 0]
            return False
        count = min(count + 1, 9) if last and now - last < _FAST else max(count - 1, 0)
        pause = int(count > _MOST)
        unit.respawns[:] = [count, now, pause, unit.respawns[3] if pause else 0]
        return bool(pause)

    def has_run(self, unit: Unit) -> bool:
        """Whether a process of a unit has been its command since somebody, or a level, has started it."""
        return unit.was_executed or (unit.process is not None and self._is_command(unit.process))

    def is_in_vain(self, unit: Unit) -> bool:
        """Whether a unit could not be executed when it was tried last, and has not come to its command since."""
        is_rising = unit.process is None or not self._is_command(unit.process)
        return unit.refused and is_rising

    def _is_command(self, process: Running) -> bool:
        """Whether it is the command; one that is to say that it is ready is so only then."""
        return not process.is_pause and process.is_ready and self._systemd.clock.now >= process.executed_at

    # Ending.

    def kill(self, unit: Unit, signal: int) -> None:
        """Send a signal to the processes of a service."""
        process = unit.process
        if process is None:
            return
        is_command = not process.is_pause and self._systemd.clock.now >= process.executed_at
        if is_command and signal in process.behaviour.deaf:
            return
        if is_command and process.behaviour.tail is not None and signal in {SIGINT, SIGTERM}:
            if not process.is_ending:
                process.is_ending = True
                self._systemd.after(process.behaviour.tail, self._ended, unit, process, _EXITED, 0)
            return
        self._systemd.after(100, self._ended, unit, process, _KILLED, signal)

    def _ended(self, unit: Unit, process: Running, code: int, status: int) -> None:
        """A process has ended: by itself, or because it was told to."""
        if unit.process is not process:
            return
        unit.process = None
        del self.running[process.pid]
        unit.end = (process.pid, code, status)
        unit.was_executed |= self._is_command(process)
        unit.refused = (code == _EXITED and status in _REFUSED) or not process.is_ready
        file = unit.file
        result = "success"
        if file is not None and not _is_clean(file.statuses, code, status, any_signal=file.signals_succeed):
            result = "exit-code" if code == _EXITED else "signal"
        elif unit.active == "activating":
            result = self._result_of_start(unit, process)
        if unit.result == "success":
            unit.result = result
        if code == _EXITED and status == _NO_PROGRAM and file is not None and file.restarts:
            unit.respawns[2:] = [0, 203]
        was_stopping = unit.active == "deactivating"
        self._systemd.changed(unit)
        if was_stopping:
            self._down(unit, may_restart=unit.was_given_up)
        elif file is not None and file.remains and unit.result == "success":
            self._systemd.set_state(unit, "active", "exited")
        else:
            self._down(unit, may_restart=True)

    def _result_of_start(self, unit: Unit, process: Running) -> str:
        if not process.is_ready:
            return "protocol"
        is_noted = unit.file is None or not unit.file.notes or requirements.note(self._systemd.files, unit.name)
        return "success" if is_noted else "exit-code"

    def _down(self, unit: Unit, *, may_restart: bool) -> None:
        file = unit.file
        if file is not None and file.notes:
            requirements.forget(self._systemd.files, unit.name)
        has_stop = unit.job is not None and unit.job.kind == "stop"
        restarts = may_restart and file is not None and file.restarts and not has_stop
        unit.will_restart = restarts
        unit.timer += 1
        failed = unit.result != "success"
        self._systemd.set_state(unit, "failed" if failed else "inactive", "failed" if failed else "dead")
        unit.will_restart = False
        if restarts:
            assert file is not None
            self._systemd.after(file.restart_delay, self._restart, unit, unit.timer)
            self._systemd.set_state(unit, "activating", "auto-restart")
            return
        unit.respawns = [0, 0, 0, 0]  # the directory is gone
        if unit.job is not None:
            self._systemd.requeue(unit.job)

    def _restart(self, unit: Unit, timer: int) -> None:
        """The time of RestartSec= is over."""
        if unit.timer != timer or unit.sub != "auto-restart" or (unit.job is not None and unit.job.kind == "stop"):
            return
        unit.restarts += 1
        try:
            self._systemd.queue(unit.name, "restart", "restart")
        except BusRefusedError:  # it has been masked meanwhile: systemd gives up
            unit.result = "resources"
            self._systemd.set_state(unit, "failed", "failed")

    # Stopping.

    def stop(self, unit: Unit) -> None:
        """Carry out a stop job, or the first half of a restart."""
        if unit.active == "deactivating":
            return
        unit.timer += 1
        if unit.file is not None and unit.file.notes:
            requirements.forget(self._systemd.files, unit.name)
        if unit.process is None:
            keeps = unit.job is not None and unit.job.kind == "restart"
            if not keeps:
                unit.respawns = [0, 0, 0, 0]
            was_failed = unit.sub != "auto-restart" and unit.result != "success"
            self._systemd.set_state(unit, "failed" if was_failed else "inactive", "failed" if was_failed else "dead")
            return
        self._begin_stop(unit)

    def _begin_stop(self, unit: Unit) -> None:
        self._systemd.set_state(unit, "deactivating", "stop-sigterm")
        # A masked unit has systemd's own settings.
        self.kill(unit, SIGTERM if unit.file is None else unit.file.kill_signal)
        self._stage(unit, self._sigterm, unit.file.stop_timeout if unit.file is not None else 90 * SECOND)

    def _stage(self, unit: Unit, do: object, delay: int) -> None:
        unit.timer += 1
        self._systemd.after(delay, self._next_stage, unit, unit.timer, do)

    def _next_stage(self, unit: Unit, timer: int, do: object) -> None:
        if unit.timer == timer and unit.active == "deactivating":
            assert callable(do)
            do(unit)

    def _sigterm(self, unit: Unit) -> None:
        unit.result = "timeout"
        self._systemd.set_state(unit, "deactivating", "stop-watchdog")
        self.kill(unit, SIGTERM)
        self._stage(unit, self._sigkill, unit.file.abort_timeout if unit.file is not None else 90 * SECOND)

    def _sigkill(self, unit: Unit) -> None:
        self._systemd.set_state(unit, "deactivating", "stop-sigkill")
        self.kill(unit, SIGKILL)
        self._stage(unit, self._give_up, 4 * (unit.file.stop_timeout if unit.file is not None else 90 * SECOND))

    def _give_up(self, unit: Unit) -> None:
        process = unit.process
        unit.process, unit.leftover = None, True
        if process is not None:
            unit.end = (process.pid, 0, 0)
        self._down(unit, may_restart=False)

    def reset_failed(self, unit: Unit) -> None:
        """Forget that a unit has failed."""
        unit.result = "success"
        if unit.active == "failed":
            self._systemd.set_state(unit, "inactive", "dead")


def _is_clean(statuses: frozenset[int], code: int, status: int, *, any_signal: bool) -> bool:
    if code == _EXITED:
        return status == 0 or status in statuses
    return any_signal or status in CLEAN_SIGNALS


def _tag(unit: Unit) -> str:
    return unit.name.rpartition(".")[0].partition("@")[2]
