"""What the core has of the stand-in: its bus, its kernel, and its table."""

from __future__ import annotations

import collections
import errno
import functools
from typing import TYPE_CHECKING

from cltab2systemd.check import loading
from cltab2systemd.core.tablesource import TableRefusedError, TableSource
from cltab2systemd.groups.overview import Usage
from cltab2systemd.groups.progress import StopSettings
from cltab2systemd.groups.units import Process, UnitStatus
from cltab2systemd.systemd.bus import Bus
from cltab2systemd.systemd.buserrors import BusBusyError, BusRefusedError, BusUnansweredError, BusUnavailableError
from cltab2systemd.systemd.kernel import Kernel
from cltab2systemd.systemd.runsignal import RunSignal
from cltab2systemd.table.diagnostics import has_errors
from cltab2systemd.table.model import Table
from cltab2systemd.table.tablefiles import TableFiles
from cltab2systemd.units.commands import PAUSED
from simulation.units import matching

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from cltab2systemd.table.diagnostics import Diagnostic
    from simulation.systemd import Systemd
    from simulation.units import Running, Unit

PATH = "/etc/cltab"
# How often somebody's daemon-reload begins when a question is under way.
_MEETS = 0.005
_SYSTEMD = "/usr/lib/systemd/systemd"


class StandInBus(Bus):
    """A connection to the stand-in.

    Args:
        systemd: the stand-in.
        acts: called before all that is asked of systemd; raises Killed if the daemon does not come to it.
    """

    def __init__(self, systemd: Systemd, acts: Callable[[str], None]) -> None:
        super().__init__()
        self._systemd = systemd
        self._acts = acts
        self._is_up = True
        self._arrived: collections.deque[Callable[[], None]] = collections.deque()  # signals that nobody has taken yet
        self._underway: tuple[Callable[[Systemd], object], asyncio.Future[None]] | None = None
        self.reload_fails = False
        systemd.on_signal = self._signal
        systemd.on_reload_begins = self._signal_reload_begins
        systemd.on_reload = self._signal_reload

    @property
    def connected(self) -> bool:
        return self._is_up

    async def connect(self) -> None:
        self._on_connect()

    def close(self) -> None:
        self._is_up = False

    def drop(self) -> None:
        """The connection is lost."""
        self._is_up = False
        self._arrived.clear()
        self._gate.connection_lost()
        if self._underway is not None:  # it has got lost
            (_, answer), self._underway = self._underway, None
            answer.set_exception(BusUnavailableError("the connection to systemd was lost"))

    def restore(self) -> None:
        """It is there again."""
        self._is_up = True
        self._loop.call_soon(self._on_connect)

    def _signal(self, unit: str) -> None:
        found = self._systemd.units.get(unit)
        seen = None if found is None else RunSignal(found.pid, found.restarts, found.last_process())
        self._arrives(functools.partial(self._tell, unit, seen))

    def _tell(self, unit: str, seen: RunSignal | None) -> None:
        self._on_change(unit)
        if seen is not None and self._is_followed(unit):
            self._on_run(unit, seen)

    def _signal_reload_begins(self) -> None:
        self._arrives(self._gate.somebody_begins)

    def _signal_reload(self) -> None:
        self._arrives(self._gate.somebody_ended)
        if self._underway is None:
            return
        (act, answer), self._underway = self._underway, None
        try:
            act(self._systemd)
        except BusRefusedError as error:
            self._arrives(functools.partial(self._answered, answer, error))
        else:
            self._arrives(functools.partial(self._answered, answer, None))
        finally:
            self._systemd.settle()

    def _answered(self, answer: asyncio.Future[None], error: BusRefusedError | None) -> None:
        if error is None:
            answer.set_result(None)
        else:
            answer.set_exception(error)
        self._gate.answer_has_come()

    def _arrives(self, signal: Callable[[], None]) -> None:
        if self._is_up:
            self._arrived.append(signal)
            self._loop.call_soon(self._take_signals)

    def _take_signals(self) -> bool:
        while self._arrived:
            self._arrived.popleft()()
        return False

    def _ask(self, what: str = "", act: Callable[[Systemd], object] = lambda _: None) -> Systemd:
        """Systemd, if it answers. In a reload of which no signal has told it does what it is asked behind that."""
        if not self._is_up:
            raise BusUnavailableError("no connection to systemd at present")
        self._take_signals()
        systemd = self._systemd
        if not self._gate.is_open:
            raise BusBusyError("systemd is reloading its units")
        if what:
            self._acts(what)
        if not systemd.is_reloading and systemd.chance.random() < _MEETS:
            systemd.reload()
        if systemd.is_reloading:
            answer = self._loop.create_future()
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._underway = act, answer
            self._gate.answer_is_late()
            raise BusUnansweredError("systemd has not answered in time", answer)
        return systemd

    def _do(self, what: str, act: Callable[[Systemd], object]) -> None:
        systemd = self._ask(what, act)
        try:
            act(systemd)
        finally:
            systemd.settle()

    def list_units(self, patterns: Iterable[str]) -> list[UnitStatus]:
        systemd = self._ask()
        return [unit.shown() for unit in matching(systemd.units, systemd.families, patterns)]

    def load_units(self, names: Iterable[str]) -> list[UnitStatus]:
        systemd = self._ask()
        units = [systemd.load(name) for name in names]
        found = [unit.shown() for unit in units]
        systemd.collect()
        return found

    def start(self, unit: str) -> None:
        self._do(f"start {unit}", lambda systemd: systemd.queue(unit, "start", "daemon"))

    def start_if_free(self, unit: str) -> None:
        self.start(unit)

    def restart(self, unit: str) -> None:
        self._do(f"restart {unit}", lambda systemd: systemd.queue(unit, "restart", "daemon"))

    def stop(self, unit: str) -> None:
        self._do(f"stop {unit}", lambda systemd: systemd.queue(unit, "stop", "daemon"))

    def start_nothing(self, unit: str, slice_name: str) -> None:
        self._ask(f"start {unit} in {slice_name}")

    def start_service_later(self, timer: str, after: int, service: str, condition: str) -> None:  # noqa: ARG002
        self._ask(f"start {timer} later")

    def cancel(self, job_id: int) -> None:
        def cancel(systemd: Systemd) -> None:
            if job_id in systemd.jobs:
                systemd.cancel(job_id)

        self._do(f"cancel {job_id}", cancel)

    def reset_failed(self, unit: str) -> None:
        systemd = self._ask()
        found = systemd.units.get(unit)
        if found is None:
            raise BusRefusedError(f"Unit {unit} not loaded.")
        systemd.services.reset_failed(found)
        systemd.settle()

    def _unit(self, unit: str) -> Unit | None:
        return self._ask().units.get(unit)

    def process(self, unit: str) -> Process:
        found = self._unit(unit)
        return Process(0, 0, 0) if found is None else found.last_process()

    def main_pid(self, unit: str) -> int:
        found = self._unit(unit)
        return 0 if found is None else found.pid

    def restarts(self, unit: str) -> int:
        found = self._unit(unit)
        return 0 if found is None else found.restarts

    def condition_time(self, unit: str) -> int:
        found = self._unit(unit)
        return 0 if found is None else found.condition_time

    def condition_holds(self, unit: str) -> bool:
        found = self._unit(unit)
        return found is not None and found.condition_holds

    def active_time(self, unit: str) -> int:
        found = self._unit(unit)
        return 0 if found is None else found.active_time

    def began_time(self, unit: str) -> int:
        found = self._unit(unit)
        return 0 if found is None else found.began_time

    def inactive_time(self, unit: str) -> int:
        found = self._unit(unit)
        return 0 if found is None else found.inactive_time

    def left_time(self, unit: str) -> int:
        found = self._unit(unit)
        return 0 if found is None else found.left_time

    def changed_time(self, unit: str) -> int:
        return max(self.active_time(unit), self.began_time(unit), self.inactive_time(unit))

    def invocation(self, unit: str) -> str:
        found = self._unit(unit)
        return "" if found is None or not found.pid else f"{found.pid:032x}"

    def started_time(self, unit: str) -> int:
        found = self._unit(unit)
        return 0 if found is None else found.started_time

    def settings(self, unit: str, directive: str) -> tuple[str, ...]:
        found = self._unit(unit) if directive == "Condition" else None
        if found is None or found.file is None:
            return ()
        # A daemon-reload forgets the results. Then it may be any.
        failed = (found.failed_condition,) if found.failed_condition else found.file.conditions
        return tuple(f"ConditionPathExists={condition}" for condition in failed)

    def limit(self, unit: str, directive: str) -> int | None:  # noqa: ARG002
        return None

    def start_limit(self, unit: str) -> int | None:  # noqa: ARG002 - nobody watches
        return None

    def stop_settings(self, unit: str) -> StopSettings:  # noqa: ARG002
        return StopSettings(2, 15, 9, None, None, is_aborted=True)

    def is_enabled(self, unit: str) -> bool:  # noqa: ARG002
        return False

    def status_text(self, unit: str) -> str:  # noqa: ARG002
        return ""

    def outlived_stop(self, unit: str) -> bool:
        found = self._unit(unit)
        return found is not None and found.leftover

    async def daemon_reload(self) -> None:
        self._acts("daemon-reload")
        if self.reload_fails:
            self._systemd.is_behind = True
            raise BusUnavailableError("systemctl daemon-reload: Connection timed out")
        done: asyncio.Future[None] = self._loop.create_future()
        self._gate.own_begins()
        self._systemd.reload(lambda: _end(done))
        try:
            await done
            self._systemd.is_behind = False
        finally:
            self._gate.own_ended()
        await self.quiet()


def _end(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


class StandInKernel(Kernel):
    """What the kernel would tell of the stand-in's processes."""

    def __init__(self, systemd: Systemd) -> None:
        self._systemd = systemd

    def name(self, pid: int) -> str:
        process = self._systemd.services.running.get(pid)
        if process is None:
            raise FileNotFoundError(errno.ENOENT, f"/proc/{pid}")
        return "sh" if self._is_executed(process) else "(sh)"

    def program(self, pid: int) -> str:
        if pid == 1:
            return _SYSTEMD
        process = self._systemd.services.running.get(pid)
        if process is None:
            raise FileNotFoundError(errno.ENOENT, f"/proc/{pid}")
        return "/bin/sh" if self._is_executed(process) else _SYSTEMD

    def _is_executed(self, process: Running) -> bool:
        return self._systemd.clock.now >= process.executed_at

    def command_line(self, pid: int) -> bytes:
        if pid == 1:
            return b"/sbin/init\0"
        process = self._systemd.services.running.get(pid)
        if process is None:
            raise FileNotFoundError(errno.ENOENT, f"/proc/{pid}")
        if not self._is_executed(process):
            return b"(sh)\0"
        return f"/run/{PAUSED}/sleep\00060\0".encode() if process.is_pause else b"command\0"

    def control_groups(self, pid: int) -> list[str]:  # noqa: ARG002
        return []

    def lacked_memory(self, group_slice: str) -> bool:  # noqa: ARG002
        return False

    def usage(self, group_slice: str, unit: str) -> Usage:  # noqa: ARG002 - nobody watches
        return Usage()

    def health(self, unit: str) -> None:
        """Nobody asks here whether entries are well."""

    def respawns(self, unit: str) -> list[str]:
        found = self._systemd.units.get(unit)
        return [] if found is None else [str(number) for number in found.respawns if number or number == 0][:4]


@functools.cache
def load(content: bytes) -> tuple[Table, tuple[Diagnostic, ...]]:
    """A table and its findings, parsed once."""
    return loading.load(content, PATH)


class StandInSource(TableSource):
    """The table, as the history has pushed it.

    Args:
        read: its content; None if there is none.
    """

    def __init__(self, read: Callable[[], bytes | None]) -> None:
        self.path = PATH
        self.table = Table(PATH)
        self.files = TableFiles.of(b"", PATH)
        self.accepted = False
        self._read_table = read

    def refresh(self, *, may_be_empty: bool, always: bool = False) -> bool:  # noqa: ARG002
        data = self._read_table()
        if data is None:
            raise TableRefusedError(f"file not found: {PATH}")
        if self.accepted and data == self.content:
            return False
        table, findings = load(data)
        if has_errors(findings):
            raise TableRefusedError("an error", findings)
        if not table.entries and not may_be_empty:
            raise TableRefusedError(f"{PATH} has no entry, and groups are active")
        changed = table != self.table or not self.accepted
        self.accepted, self.table, self.files = True, table, TableFiles.of(data, PATH)
        return changed
