"""`clinit -d`: one instance's control daemon, put together and run in the foreground."""

from __future__ import annotations

import asyncio
import functools
import os
import resource
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cltab2systemd import events, oserrors
from cltab2systemd.check import settings
from cltab2systemd.core.applier import Applier
from cltab2systemd.core.boot import Boot
from cltab2systemd.core.controller import Controller
from cltab2systemd.core.tablesource import TableSource
from cltab2systemd.daemon import ending, logs, peers, statusfile
from cltab2systemd.daemon.announcer import Announcer
from cltab2systemd.daemon.goodtable import GoodTable
from cltab2systemd.daemon.halt import Halt
from cltab2systemd.daemon.notices import Notices
from cltab2systemd.daemon.publishing import Publishing
from cltab2systemd.daemon.server import Server
from cltab2systemd.daemon.service import Service, Watchers
from cltab2systemd.daemon.sockets import SocketInUseError, Sockets, first_path
from cltab2systemd.daemon.statusfile import StatusFile
from cltab2systemd.disk.instance import AlreadyRunningError, Instance, instance_names
from cltab2systemd.disk.unitstore import UnitStore
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
from cltab2systemd.systemd import activation, culprits
from cltab2systemd.systemd.bus import Bus
from cltab2systemd.systemd.buserrors import BusError
from cltab2systemd.units.names import Names
from cltab2systemd.units.surroundings import Surroundings, environment, environment_text, surroundings

if TYPE_CHECKING:
    from collections.abc import Callable

    from cltab2systemd.events import Asker
    from cltab2systemd.groups.state import GroupStatus
    from cltab2systemd.table.model import Table
    from cltab2systemd.table.tablefiles import TableFiles

# File descriptors that we may have open: one for each client, and some more. systemd's limit for services is 1,024.
MOST_FILES = 16384


class DaemonError(Exception):
    """The daemon cannot start; the text says why and what to do."""


class OccupiedError(DaemonError):
    """Another daemon, run by hand, has the place of systemd's. It would be in vain to start systemd's again."""


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
        asyncio.run(_run(locations))
    except (AlreadyRunningError, SocketInUseError) as error:
        kind = OccupiedError if activation.is_started_by_systemd() else DaemonError
        raise kind(str(error)) from error
    except BusError as error:
        raise DaemonError(f"systemd does not answer as it should: {error}") from error
    except OSError as error:
        raise DaemonError(f"cannot start: {oserrors.worded(error)}") from error


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < MOST_FILES:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(MOST_FILES, hard), hard))


@dataclass(frozen=True, slots=True)
class _Outside:
    """All parts of the daemon that others see."""

    instance: Instance
    sockets: Sockets
    clstat: StatusFile
    announcer: Announcer
    watchers: Watchers
    notices: Notices
    good_table: GoodTable | None  # the system's own table only
    publishing: Publishing | None  # likewise

    def show(self, statuses: tuple[GroupStatus, ...]) -> None:
        """Show the lines of all groups."""
        self.clstat.show(statuses)
        self.watchers.notify()
        self.announcer.show(statuses)
        self.notices.show(statuses)

    async def follow(self, table: Table, files: TableFiles, asker: Asker | None) -> None:
        """Follow the settings of a table that takes effect, and keep a copy of it.

        A setting beats the command line. A setting that leaves the table keeps its last value.
        """
        if self.good_table is not None:
            await self.good_table.keep(files, asker)
        self.clstat.follow(table)
        logs.write_to(absolute(path) if (path := table.setting("log")) else None)
        self.sockets.follow(table)
        if self.publishing is not None:
            self.publishing.follow(table)

    async def leave(self) -> None:
        """Remove the daemon's files, and let another daemon have the instance. Only a halt may do that.

        If groups ran and there were no clstat, an HA manager would start them elsewhere.
        """
        self.clstat.remove()
        self.instance.forget_paths()
        self.sockets.remove()
        await self.sockets.stop_units()
        self.instance.close()


@dataclass(frozen=True, slots=True)
class _Daemon:
    """A daemon that is put together, and neither connected to systemd nor serving anybody."""

    locations: Locations
    bus: Bus
    boot: Boot | None  # brings groups up at the boot of the machine
    controller: Controller
    server: Server
    outside: _Outside

    async def serve(self) -> None:
        """Connect to systemd, take over the groups, and serve clients. Does not return."""
        sockets, clstat, announcer = self.outside.sockets, self.outside.clstat, self.outside.announcer
        await self.bus.connect()
        shown = clstat.shown_before()
        self.outside.notices.begin(shown)
        await self.controller.begin(shown, self.boot)
        await sockets.serve(self.server.start)
        paths = ", ".join(sockets.paths)
        events.SERVING(why=f"table {self.locations.table}, socket {paths}, clstat {clstat.path}")
        announcer.ready()
        await asyncio.gather(self._beat(), announcer.feed_watchdog(), sockets.serve_new(self.server.start))

    async def _beat(self) -> None:
        while True:
            await statusfile.until_heartbeat()
            self.outside.clstat.write()
            self.controller.look_at_processes()
            self.server.drop_gone_clients()

    async def close(self) -> None:
        """Listen no more, and give clients a moment to take their last replies. The groups stay as they are."""
        self.outside.announcer.stopping()
        self.outside.sockets.remove()
        await self.server.close()
        self.bus.close()


async def _run(locations: Locations) -> None:
    """Serve until the end is asked for. Then end in time, also in the middle of the start."""
    loop = asyncio.get_running_loop()
    is_asked = asyncio.Event()

    def end() -> None:
        is_asked.set()
        ending.bound()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    daemon = _put_together(locations, end)
    serving, asked = loop.create_task(daemon.serve()), loop.create_task(is_asked.wait())
    await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        ending.bound(code=1)
        serving.result()
        return
    serving.cancel()
    serving.add_done_callback(lambda task: task.cancelled() or task.exception())  # else asyncio complains
    await daemon.close()


def _put_together(locations: Locations, end: Callable[[], None]) -> _Daemon:
    """Make the parts of a daemon. Each is made after those that it needs.

    Args:
        locations: its files.
        end: to be called at the end of a halt; ends the daemon.
    """
    is_systemds = activation.is_started_by_systemd()
    names = instance_names(locations)
    logs.name_instance(names.instance)
    is_systems_table = names == Names() and locations.table == TABLE
    instance = Instance(names)
    units = UnitStore(instance)
    # A daemon started by hand must not stop the groups of the system's daemon.
    instance.open(locations, may_change_table=is_systemds)
    units.open()
    earlier = _earlier(locations, knows_good_table=is_systems_table)
    announcer, watchers, bus = Announcer(locations.table), Watchers(), Bus()
    source = TableSource(
        locations.table,
        names,
        functools.partial(settings.findings, earlier),
        announcer.judged,
        GOOD_TABLE if is_systems_table else "",
    )
    clstat = _status_file(locations, earlier, instance)
    sockets = Sockets(instance, bus)
    sockets.open(first_path(locations, earlier, source))
    instance.note_clstat(clstat.path)
    good_table = GoodTable() if is_systems_table else None
    publishing = Publishing(bus, instance) if is_systems_table else None
    outside = _Outside(instance, sockets, clstat, announcer, watchers, Notices(instance, bus), good_table, publishing)
    applier = Applier(names, locations.table, _surroundings(locations, instance), units, bus)
    controller = Controller(
        source, units, bus, applier,
        on_status=outside.show, on_table=outside.follow, on_moment=watchers.notify,
        search=culprits.search, service=activation.own_service(),
    )  # fmt: skip
    halt = Halt(controller, outside.leave, end)
    server = Server(Service(controller, watchers, halt.begin, peers.group_id()))
    boot = Boot(names, units, bus) if is_systems_table and is_systemds else None
    return _Daemon(locations, bus, boot, controller, server, outside)


def _earlier(located: Locations, *, knows_good_table: bool) -> Locations:
    """Where socket and clstat were before: those of the last daemon, or, after a boot, of the last good table.

    A table with errors does not move them. A table that is accepted does, as soon as it is read.
    """
    sockets, clstats = noted(located, NOTED_SOCKETS), noted(located, NOTED_CLSTAT)
    if sockets and clstats:
        return Locations(located.table, located.socket if located.socket in sockets else sockets[0], clstats[0])
    if knows_good_table:
        good = locate(GOOD_TABLE, located.named_socket, located.named_clstat, trusted=True)
        return Locations(located.table, good.socket, good.clstat)
    return located


def _status_file(located: Locations, earlier: Locations, instance: Instance) -> StatusFile:
    """clstat, at its earlier place. DaemonError if something else is there."""
    path = Path(earlier.clstat)
    if earlier.clstat in {earlier.table, earlier.socket} or path.is_dir():
        raise DaemonError(f"{path} is something else already; name another file for clstat (--clstat)")
    written = instance.disk.identity(path) if earlier.clstat in noted(located, NOTED_CLSTAT) else None
    unnamed = located.named_clstat or (CLSTAT if located.is_default else "")
    return StatusFile(path, instance, written, unnamed)


def _surroundings(locations: Locations, instance: Instance) -> Surroundings:
    """What the entries inherit. In the system instance, if systemd started it, they inherit nothing."""
    if activation.is_started_by_systemd() and locations.is_system_instance:
        return Surroundings()
    try:
        directory = Path.cwd()
    except FileNotFoundError:
        raise DaemonError("the working directory has been removed, and entries run in it; go to another") from None
    instance.write_environment(environment_text(environment(Path("/proc/self/environ").read_bytes())))
    return surroundings(str(directory), str(instance.environment_path))
