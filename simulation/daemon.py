"""One life of a daemon: the core on stand-ins, and what ties it to clients, as `cltab2systemd.daemon.main` does."""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING, Any

from cltab2systemd.clstat import parse
from cltab2systemd.core.applier import Applier
from cltab2systemd.core.controller import Controller
from cltab2systemd.core.request import NoSuchGroupError, SupersededError, SwitchRefusedError
from cltab2systemd.core.tablesource import TableRefusedError
from cltab2systemd.daemon.statusfile import StatusFile
from cltab2systemd.disk.instance import Instance
from cltab2systemd.disk.unitstore import UnitStore
from cltab2systemd.events import Asker
from cltab2systemd.locations import CLSTAT, SOCKET, Locations
from cltab2systemd.systemd.buserrors import BusError
from cltab2systemd.units.surroundings import Surroundings
from simulation.bus import PATH, StandInBus, StandInKernel, StandInSource
from simulation.clock import SECOND, Killed, VirtualLoop
from simulation.disk import Files, MemoryDisk, path
from simulation.systemd import UNITS
from simulation.units import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from cltab2systemd.groups.state import GroupStatus
    from cltab2systemd.table.model import Table
    from cltab2systemd.table.tablefiles import TableFiles
    from simulation.clock import Clock
    from simulation.systemd import Systemd

LOCATIONS = Locations(PATH, SOCKET, CLSTAT)
_REFUSALS = (NoSuchGroupError, TableRefusedError, SwitchRefusedError, BusError, OSError)


class Client:
    """Somebody who asks the daemon for something, and what was answered, in order.

    `said` are pairs of what it came to (`started`, `refused`, `superseded`, `lost`, or a state) and text.
    """

    def __init__(self, number: int, what: str, group: str = "", level: str = "", trial: float | None = None) -> None:
        self.number = number
        self.what = what  # "switch", "keep", "reread", "halt"
        self.trial = trial  # of a switch, in seconds; None for one for good
        self.group = group
        self.level = level
        self.said: list[tuple[str, str]] = []
        self.asked_at = 0  # µs
        self.taken_at = 0  # when a daemon that has taken over began with it, µs
        self.is_over = False

    def __str__(self) -> str:
        trial = "" if self.trial is None else f"for {self.trial} s"
        return " ".join(filter(None, (f"#{self.number}", self.what, self.group, self.level, trial)))


class Daemon:
    """A daemon from its start to its end.

    Args:
        clock: the time.
        files: the disk.
        systemd: systemd.
        table: what the table holds.
        answered: called with each answer to a client.
        acted: called with whatever is about to be written, or asked of systemd.
        tells: called with what clstat said, and what it is to say now: level and state by group.
    """

    def __init__(
        self,
        clock: Clock,
        files: Files,
        systemd: Systemd,
        *,
        table: Callable[[], bytes | None],
        answered: Callable[[Client, str, str], None],
        acted: Callable[[str], None],
        tells: Callable[[dict[str, tuple[str, str]], dict[str, tuple[str, str]]], None],
    ) -> None:
        self._files = files
        self._systemd = systemd
        self._table = table
        self._answered = answered
        self._acted = acted
        self._tells = tells
        self.loop = VirtualLoop(clock)
        self.loop.set_exception_handler(self._complain)
        self.errors: list[str] = []  # of the core's own, that nobody has caught
        self.acts_left = -1  # after so many it is killed
        self.bus: StandInBus | None = None
        self.has_begun = False
        self.ended = ""  # why
        self.is_halted = False
        self.told: dict[str, tuple[str, str]] = {}  # what clstat says, or will as soon as it can be written
        self.waiting: list[Client] = []
        self._is_dead = False
        self._halt_clients: list[Client] | None = None
        self._controller: Controller
        self._tasks: list[asyncio.Task[None]] = []
        self._spawn(self._serve())

    def run_to(self, limit: int) -> bool:
        """Let it run until a time in µs; whether it still lives."""
        try:
            self.loop.run_to(limit)
        except Killed as killed:
            self.ended = self.ended or str(killed.code)
        if self.ended:
            self.die()
        return not self.ended

    def die(self) -> None:
        """Nothing of it does anything any more."""
        self._is_dead = True
        if self.bus is not None:
            self.bus.close()
        self._systemd.on_signal = lambda unit: None  # noqa: ARG005
        self._systemd.on_reload = self._systemd.on_reload_begins = lambda: None
        self.loop.abandon()
        for client in self.waiting:
            if not client.is_over:
                self._answer(client, "lost", self.ended)

    def call(self, client: Client) -> None:
        """Take a client's call, when the daemon serves."""
        self.waiting.append(client)
        if self.has_begun:
            self._spawn(self._take(client))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.append(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self.errors.append("".join(traceback.format_exception(error)))

    def _complain(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self._is_dead and isinstance(error := context.get("exception"), Exception):
            self.errors.append("".join(traceback.format_exception(error)))

    def _act(self, what: str) -> None:
        if self._is_dead:
            raise Killed(self.ended)
        if self.acts_left == 0:
            self.ended = f"killed before: {what}"
            raise Killed(self.ended)
        self.acts_left -= 1
        self._acted(what)

    async def _serve(self) -> None:
        try:
            await self._begin()
        except (BusError, OSError) as error:
            self.ended = f"cannot start: {error}"
            raise Killed(self.ended) from None

    async def _begin(self) -> None:
        self._instance = instance = Instance(NAMES, path("/run/cltab2systemd"), MemoryDisk(self._files, self._act))
        units = UnitStore(instance, path(UNITS), path("/run/systemd/generator"))
        instance.open(LOCATIONS)
        units.open()
        self._status = StatusFile(path(CLSTAT), instance, None)
        instance.note_sockets([SOCKET])
        instance.note_clstat(path(CLSTAT))
        bus = self.bus = StandInBus(self._systemd, self._act)
        await bus.connect()
        applier = Applier(NAMES, PATH, Surroundings(), units, bus, drop_ins=())
        self._controller = Controller(
            StandInSource(self._table),
            units,
            bus,
            applier,
            on_status=self._show,
            on_table=self._take_table,
            kernel=StandInKernel(self._systemd),
        )
        await self._controller.begin(self._status.shown_before())
        self.has_begun = True
        for client in self.waiting:
            self._spawn(self._take(client))
        while True:
            await asyncio.sleep(30)
            self._status.write()
            self._controller.look_at_processes()

    def _show(self, statuses: tuple[GroupStatus, ...]) -> None:
        before, self.told = self.told, {status.group: (status.level, str(status.state)) for status in statuses}
        self._tells(before, self.told)
        self._status.show(statuses)

    async def _take_table(self, table: Table, files: TableFiles, asker: Asker | None) -> None:
        pass

    # Clients.

    def _answer(self, client: Client, what: str, text: str = "") -> None:
        client.said.append((what, text))
        client.is_over = what not in {"started", "halting"}
        self._answered(client, what, text)

    async def _take(self, client: Client) -> None:
        client.taken_at = round(self.loop.time() * SECOND)
        try:
            if client.what == "switch":
                await self._switch(client)
            elif client.what == "keep":
                self._answer(client, "kept", self._controller.keep(client.group, Asker()))
            elif client.what == "reread":
                await self._controller.reread(always=True, retire=True)
                self._answer(client, "reread")
            else:
                await self._halt(client)
        except SupersededError as error:
            self._answer(client, "superseded", str(error))
        except _REFUSALS as error:
            self._answer(client, "refused", str(error))

    async def _switch(self, client: Client) -> None:
        request = await self._controller.ask(client.group, client.level, trial=client.trial)
        await asyncio.shield(request.started)
        self._answer(client, "started")
        status = await asyncio.shield(request.outcome)
        self._answer(client, str(status.state), " ".join(reason.text for reason in status.reasons))

    async def _halt(self, client: Client) -> None:
        if self._halt_clients is not None:
            self._halt_clients.append(client)
            return
        self._halt_clients = [client]
        try:
            requests = await self._controller.halt()
            self._answer(client, "halting")
            for request in requests:
                await asyncio.shield(request.outcome)
        except (BusError, SwitchRefusedError, SupersededError) as error:
            self._controller.resume()
            clients, self._halt_clients = self._halt_clients, None
            for each in clients:
                self._answer(each, "refused", f"not all groups can be halted: {error}")
            return
        self._controller.retire()
        self._status.remove()
        self._instance.forget_paths()
        self._instance.close()
        for each in self._halt_clients:
            self._answer(each, "halted")
        self.ended, self.is_halted = "halted", True
        raise Killed(self.ended)


def shown(files: Files) -> dict[str, tuple[str, str]]:
    """What clstat on a disk says: level and state by group."""
    content = files.content(CLSTAT)
    lines = parse(content.decode("utf-8", "surrogateescape")) if content else []
    return {group: (level, state) for group, level, state in lines}
