"""`clinit -d`: one instance's control daemon, put together and run in the foreground."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import random
import resource
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cltab2systemd import oserrors
from cltab2systemd.check import settings
from cltab2systemd.daemon import ending, logs, peers
from cltab2systemd.daemon.applier import Applier
from cltab2systemd.daemon.boot import Boot
from cltab2systemd.daemon.controller import Controller
from cltab2systemd.daemon.goodtable import GoodTable
from cltab2systemd.daemon.request import SupersededError, SwitchRefusedError
from cltab2systemd.daemon.server import Server
from cltab2systemd.daemon.service import Service, Watchers
from cltab2systemd.daemon.sockets import SocketInUseError, listen
from cltab2systemd.daemon.statusfile import StatusFile
from cltab2systemd.daemon.summary import Summary, refusal_lines
from cltab2systemd.daemon.tablesource import TableSource
from cltab2systemd.disk import store
from cltab2systemd.disk.files import FileIdentity, identify
from cltab2systemd.locations import (
    CLSTAT,
    GOOD_TABLE,
    NOTED_CLSTAT,
    NOTED_SOCKETS,
    TABLE,
    Locations,
    absolute,
    locate,
    noted,
)
from cltab2systemd.systemd import activation
from cltab2systemd.systemd.bus import Bus, BusError
from cltab2systemd.units.names import Names
from cltab2systemd.units.surroundings import Surroundings, environment, environment_text, surroundings

if TYPE_CHECKING:
    import socket

    from cltab2systemd.daemon.tablesource import TableRefusedError
    from cltab2systemd.groups.state import GroupStatus
    from cltab2systemd.table.model import Table

log = logging.getLogger("clinit")

# Seconds. A reader of clstat takes one that is older than 45 s for a dead node's, and systemd may keep us waiting.
HEARTBEAT = 30.0
# File descriptors that we may have: one for each client, and then some. systemd's limit for services is 1,024.
MOST_FILES = 16384


class DaemonError(Exception):
    """The daemon cannot start; the text says why and what to do. `in_vain`: it is not for systemd to try again."""

    def __init__(self, message: str, *, in_vain: bool = False) -> None:
        super().__init__(message)
        self.in_vain = in_vain


def run(locations: Locations) -> None:
    """Run the daemon until SIGTERM, SIGINT or a halt; DaemonError if it cannot start."""
    logs.set_up()
    os.umask(0o022)
    _raise_file_limit()
    if os.geteuid() != 0:
        raise DaemonError("only root can run the daemon: it installs units and talks to the system's systemd")
    if not Path("/run/systemd/system").is_dir():
        raise DaemonError("systemd is not the init of this machine (there is no /run/systemd/system)")
    try:
        asyncio.run(_Daemon(locations).run())
    except (store.AlreadyRunningError, SocketInUseError) as error:
        raise DaemonError(str(error), in_vain=activation.is_started_by_systemd()) from error
    except BusError as error:
        raise DaemonError(f"systemd does not answer as it should: {error}") from error
    except OSError as error:
        raise DaemonError(f"cannot start: {oserrors.worded(error)}") from error


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < MOST_FILES:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(MOST_FILES, hard), hard))


class _Halt:
    """One halt of all groups: when it has begun, and when it has ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.begun: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.task: asyncio.Task[None] | None = None
        for future in (self.begun, self.ended):
            future.add_done_callback(asyncio.Future.exception)  # nobody may be waiting, and that is fine

    def fail(self, error: Exception) -> None:
        """It cannot be."""
        for future in (self.begun, self.ended):
            if not future.done():
                future.set_exception(error)


class _Daemon:
    """The parts of a daemon, and what ties them to the outside: sockets, clstat, the log, signals."""

    def __init__(self, locations: Locations) -> None:
        self._locations = locations
        self._sockets: dict[str, FileIdentity] = {}  # that are ours to remove, by path
        self._inherited: list[str] = []  # that are systemd's
        self._socket_units: list[str] = []  # which listen there
        self._clstat: StatusFile
        self._clstat_written: FileIdentity | None = None  # by the daemon before, if it wrote any
        self._has_table = False  # that was accepted: until then its settings are nobody's
        self._halting: _Halt | None = None
        self._has_begun = False
        self._summary = Summary()
        self._told_summary = ""
        self._gone = False  # halted: the files are removed, and are not to be written again
        self._stopped = asyncio.Event()
        self._watchers = Watchers()
        self._good_table = GoodTable()
        self._names = store.instance_names(locations)
        self._store = store.Store(self._names)
        self._controller: Controller
        self._server: Server | None = None
        self._bus: Bus | None = None

    async def run(self) -> None:
        """Serve until the end is asked for, and end in time then, also in the middle of the start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        serving, stopped = loop.create_task(self._serve()), loop.create_task(self._stopped.wait())
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            await self._end(serving)
            return
        ending.bound(code=1)
        serving.result()

    def _stop(self) -> None:
        self._stopped.set()
        ending.bound()

    async def _end(self, serving: asyncio.Task[None]) -> None:
        activation.tell("STOPPING=1")
        serving.cancel()
        serving.add_done_callback(lambda task: task.cancelled() or task.exception())  # of no interest any more
        if not self._gone:
            self._remove_sockets()
        if self._server is not None:
            await self._server.close()
        if self._bus is not None:
            self._bus.close()

    async def _serve(self) -> None:
        # What somebody tries by hand while the system's daemon is down is not to end the system's groups.
        self._store.open(self._locations, may_change_table=activation.is_started_by_systemd())
        earlier = self._earlier()
        check = functools.partial(settings.findings, earlier)
        source = TableSource(
            self._locations.table,
            self._names,
            check,
            self._table_judged,
            GOOD_TABLE if self._keeps_good_table else "",
        )
        self._clstat = StatusFile(Path(earlier.clstat), self._store, self._clstat_written)
        if earlier.clstat in {earlier.table, earlier.socket} or self._clstat.path.is_dir():
            raise DaemonError(f"{earlier.clstat} is something else already; name another file for clstat (--clstat)")
        listeners = self._listen(self._locations.socket if self._is_moved(earlier, source) else earlier.socket)
        self._store.note_sockets([*self._sockets, *self._inherited])
        self._store.note_clstat(self._clstat.path)
        bus = self._bus = Bus()
        await bus.connect()
        applier = Applier(self._names, self._locations.table, self._surroundings(), self._store, bus)
        self._controller = Controller(
            self._names,
            source,
            self._store,
            bus,
            applier,
            on_status=self._status_changed,
            on_table=self._table_changed,
        )
        server = self._server = Server(Service(self._controller, self._watchers, self._halt, peers.group_id()))
        boots = self._keeps_good_table and activation.is_started_by_systemd()
        boot = Boot(self._names, self._store, bus) if boots else None
        await self._controller.begin(self._clstat.shown_before(), boot)
        for listener in listeners:
            await server.start(listener)
        sockets = ", ".join([*self._sockets, *self._inherited])
        log.info("table %s, socket %s, clstat %s", self._locations.table, sockets, self._clstat.path)
        activation.tell("READY=1")
        self._has_begun = True
        await asyncio.gather(self._beat(server), self._feed_watchdog())

    def _earlier(self) -> Locations:
        """Where socket and clstat were before: with the last daemon, or, after a boot, by the last good table.

        A table with errors does not move them. One that is accepted does, as soon as it is read.
        """
        located = self._locations
        sockets, clstats = noted(located, NOTED_SOCKETS), noted(located, NOTED_CLSTAT)
        if sockets and clstats:
            self._clstat_written = identify(clstats[0])
            return Locations(located.table, located.socket if located.socket in sockets else sockets[0], clstats[0])
        if self._keeps_good_table:
            good = locate(GOOD_TABLE, located.named_socket, located.named_clstat, trusted=True)
            return Locations(located.table, good.socket, good.clstat)
        return located

    def _is_moved(self, earlier: Locations, source: TableSource) -> bool:
        """Whether a good table has the socket at another place than before; one that does not say has not."""
        located = self._locations
        is_silent = located.socket_is_guessed and not located.is_default
        return located.socket != earlier.socket and not is_silent and source.is_fit()

    def _listen(self, path: str) -> list[socket.socket]:
        """The sockets to serve: those that systemd opened for us, and else one of our own."""
        listeners, self._socket_units = activation.inherited_sockets()
        self._inherited = [listener.getsockname() for listener in listeners]
        if path not in self._inherited:
            try:
                listeners.append(self._listen_at(path))
            except (OSError, SocketInUseError) as error:
                if not self._inherited:
                    raise
                self._cannot_listen(path, error)  # the table's setting names another
        return listeners

    def _listen_at(self, path: str) -> socket.socket:
        listener = listen(path)
        self._sockets[path] = FileIdentity.of(os.lstat(path))
        return listener

    def _cannot_listen(self, path: str, error: Exception) -> None:
        told = oserrors.worded(error) if isinstance(error, OSError) else error
        log.error("cannot listen at %s, which the table names: %s", path, told)

    async def _feed_watchdog(self) -> None:
        interval = activation.watchdog_interval()
        while interval is not None:
            activation.tell("WATCHDOG=1")
            await asyncio.sleep(interval / 3)

    def _surroundings(self) -> Surroundings:
        """What the entries inherit: nothing in the system instance if systemd started it."""
        if activation.is_started_by_systemd() and self._locations.is_system_instance:
            return Surroundings()
        try:
            directory = Path.cwd()
        except FileNotFoundError:
            raise DaemonError("the working directory has been removed, and entries run in it; go to another") from None
        self._store.write_environment(environment_text(environment(Path("/proc/self/environ").read_bytes())))
        return surroundings(str(directory), str(self._store.environment_path))

    def _table_judged(self, error: TableRefusedError | None) -> None:
        """Say what became of a version of the table: here and in `systemctl status`, for who asked may be a program."""
        if self._has_begun:  # the start says it in its own words
            for line in refusal_lines(error) if error else ():
                log.error("%s", line)
            if error is None:
                log.info("%s is accepted again", self._locations.table)
        self._summary = replace(self._summary, refusal=refusal_lines(error)[0] if error else "")
        self._tell_summary()

    def _tell_summary(self) -> None:
        text = self._summary.text
        if text != self._told_summary:
            self._told_summary = text
            activation.tell(f"STATUS={text}")

    # The table's settings, which beat the command line. One that leaves the table keeps its last value.

    async def _table_changed(self, table: Table, content: bytes) -> None:
        if self._keeps_good_table:
            await self._good_table.keep(content)
        self._follow_clstat(table)
        logs.write_to(absolute(path) if (path := table.setting("log")) else None)
        await self._follow_socket(table)

    @property
    def _keeps_good_table(self) -> bool:
        return self._names == Names() and self._locations.table == TABLE

    def _follow_clstat(self, table: Table) -> None:
        path = table.setting("clstat")
        if not path and self._has_table:
            return
        usual = CLSTAT if self._locations.is_default else str(self._clstat.path)
        self._has_table = True
        self._clstat.move(Path(absolute(path or self._locations.named_clstat or usual)))

    async def _follow_socket(self, table: Table) -> None:
        """Listen at a new socket too; the old one stays until the daemon is started again, for who still knows it."""
        path = table.setting("socket")
        if not path or (new := absolute(path)) in {*self._sockets, *self._inherited}:
            return
        try:
            listener = self._listen_at(new)
        except (OSError, SocketInUseError) as error:
            self._cannot_listen(new, error)
            return
        self._store.note_sockets([*self._sockets, *self._inherited])
        assert self._server is not None
        await self._server.start(listener)

    async def _stop_listening(self) -> None:
        """Have systemd stop listening for us, or the next client would start us again."""
        bus = self._bus
        assert bus is not None
        for unit in self._socket_units:
            try:
                await bus.persist(functools.partial(bus.stop, unit))
            except BusError as error:
                log.error("cannot stop %s, and the next request starts the daemon again: %s", unit, error)  # noqa: TRY400

    def _remove_sockets(self) -> None:
        for path, identity in self._sockets.items():
            if identity.is_of(identify(path)):  # and not somebody else's, who listens there now
                Path(path).unlink(missing_ok=True)

    # The end

    async def _halt(self) -> asyncio.Future[None]:
        """Begin to stop all groups; the future is done when they are, and the daemon's files are gone.

        If any group cannot be stopped, the future has the reason, and the daemon goes on.
        """
        if self._halting is None:
            self._halting = _Halt(asyncio.get_running_loop())
            self._halting.task = asyncio.create_task(self._carry_out(self._halting))
        halting = self._halting
        await asyncio.shield(halting.begun)
        return halting.ended

    async def _carry_out(self, halt: _Halt) -> None:
        log.info("halting all groups")
        try:
            requests = await self._controller.halt()
            halt.begun.set_result(None)
            for request in requests:
                await asyncio.shield(request.outcome)
        except (BusError, SwitchRefusedError, SupersededError) as error:
            log.error("not all groups can be halted: %s", error)  # noqa: TRY400
            self._controller.resume()
            self._halting = None
            halt.fail(SwitchRefusedError(f"not all groups can be halted, and the daemon goes on: {error}"))
            return
        except Exception as error:
            log.exception("halting all groups")
            self._controller.resume()
            self._halting = None
            halt.fail(SwitchRefusedError(f"internal error, see the journal; the daemon goes on: {error!r}"))
            return
        log.info("all groups are halted")
        # Before anybody is told of the end: who waited for it may start the next daemon at once. Only a halt removes
        # clstat: without it an HA manager would start the groups elsewhere.
        self._gone = True
        self._clstat.remove()
        self._store.forget_paths()
        self._remove_sockets()
        await self._stop_listening()
        self._store.close()
        halt.ended.set_result(None)
        self._stop()

    # clstat

    def _status_changed(self, statuses: tuple[GroupStatus, ...]) -> None:
        self._clstat.show(statuses)
        self._watchers.notify()
        self._summary = replace(self._summary, statuses=statuses)
        self._tell_summary()

    async def _beat(self, server: Server) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT + random.uniform(0, 4))  # noqa: S311 - spreads the nodes of a cluster
            self._clstat.write()
            self._controller.look_at_processes()
            server.drop_gone_clients()
