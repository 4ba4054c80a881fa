"""Where the daemon listens: at sockets that systemd opened for it, and at its own."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cltab2systemd import events, oserrors
from cltab2systemd.daemon import peers
from cltab2systemd.daemon.peers import Peer
from cltab2systemd.disk.files import FileIdentity, identify
from cltab2systemd.locations import absolute
from cltab2systemd.systemd import activation
from cltab2systemd.systemd.buserrors import BusError
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cltab2systemd.core.tablesource import TableSource
    from cltab2systemd.disk.instance import Instance
    from cltab2systemd.locations import Locations
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.table.model import Table

    Start = Callable[[socket.socket], Awaitable[None]]
    """Begins to serve a listening socket."""

# How many clients may have connected that are not accepted yet. See Backlog= in clinit.socket.
BACKLOG = 4096

_SYSTEMDS = (
    "systemd listens at {path}, for clinit.service: start that (systemctl start clinit.service), or stop systemd's "
    "listening first (systemctl stop clinit.socket clinit.service), or name another socket (-s) for another instance"
)


class SocketInUseError(Exception):
    """The socket's path is taken; the text says by whom."""


class Sockets:
    """The sockets of one daemon: those that systemd opened for it, and its own.

    Args:
        instance: the state directory of the instance, open; it tells clients where the daemon listens.
        bus: the connection to systemd.
    """

    def __init__(self, instance: Instance, bus: Bus) -> None:
        self._instance = instance
        self._bus = bus
        listeners, self._units = activation.inherited_sockets()
        self._inherited = [listener.getsockname() for listener in listeners]
        self._own: dict[str, FileIdentity] = {}  # to be removed at the end
        self._unserved: asyncio.Queue[socket.socket] = asyncio.Queue()
        for listener in listeners:
            self._unserved.put_nowait(listener)

    @property
    def paths(self) -> list[str]:
        """Where the daemon listens."""
        return [*self._own, *self._inherited]

    def open(self, path: str) -> None:
        """Listen at a path, unless systemd does so for us.

        SocketInUseError or OSError if it cannot, and systemd has opened no other socket that the daemon can serve.
        """
        if path not in self._inherited:
            try:
                self._listen(path)
            except (OSError, SocketInUseError) as error:
                if not self._inherited:
                    raise
                _say_cannot_listen(path, error)
        self._instance.note_sockets(self.paths)

    def follow(self, table: Table) -> None:
        """Also listen where a table says. The old socket stays to the daemon's end, for clients that know only that."""
        path = table.setting("socket")
        if not path or (new := absolute(path)) in self.paths:
            return
        try:
            self._listen(new)
        except (OSError, SocketInUseError) as error:
            _say_cannot_listen(new, error)
        else:
            self._instance.note_sockets(self.paths)

    def _listen(self, path: str) -> None:
        listener = listen(path)
        self._own[path] = FileIdentity.of(os.lstat(path))
        self._unserved.put_nowait(listener)

    async def serve(self, start: Start) -> None:
        """Begin to serve all sockets that are not served yet, by `start`."""
        while not self._unserved.empty():
            await start(self._unserved.get_nowait())

    async def serve_new(self, start: Start) -> None:
        """Serve each socket that is opened from now on. Does not return."""
        while True:
            await start(await self._unserved.get())

    def remove(self) -> None:
        """Remove our own sockets from the disk. If others have put something in their place, that stays."""
        for path, identity in self._own.items():
            if identity.is_of(identify(path)):
                try:
                    Path(path).unlink(missing_ok=True)
                except OSError as error:
                    events.SOCKET_REMAINS(why=oserrors.worded(error, path))

    async def stop_units(self) -> None:
        """Have systemd stop listening for us. Otherwise the next client would start the daemon again."""
        for unit in self._units:
            try:
                await self._bus.persist(functools.partial(self._bus.stop, unit))
            except BusError as error:
                events.SOCKET_LISTENS(unit=unit, why=error)


def _say_cannot_listen(path: str, error: Exception) -> None:
    told = oserrors.worded(error) if isinstance(error, OSError) else error
    events.NOT_LISTENING(path=path, why=told)


def first_path(located: Locations, earlier: Locations, source: TableSource) -> str:
    """Where a daemon listens at its start: where the one before it did, unless a good table names another socket.

    A table that names no socket moves nothing, unless it is the default table.

    Args:
        located: the instance's files, by its command line and its present table.
        earlier: the files of the daemon before.
        source: the table.
    """
    is_silent = located.socket_is_guessed and not located.is_default
    is_moved = located.socket != earlier.socket and not is_silent and source.has_no_errors()
    return located.socket if is_moved else earlier.socket


def listen(path: str) -> socket.socket:
    """A listening socket at a path. It replaces a stale one. SocketInUseError if a daemon answers there, or OSError."""
    Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        _remove_stale(path)
        # No chmod afterwards: if others can write the directory, the file at the path may be theirs by then.
        umask = os.umask(0o117)
        try:
            listener.bind(path)
        finally:
            os.umask(umask)
        if (group := peers.group_id()) is not None:
            os.chown(path, -1, group, follow_symlinks=False)
        listener.listen(BACKLOG)
    except BaseException as error:
        listener.close()
        if isinstance(error, OSError):
            error.filename = error.filename or path
        raise
    return listener


def _remove_stale(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise SocketInUseError(f"{path} is there already, and is not a socket; move it away or name another socket")
    except FileNotFoundError:
        return
    if _is_systemds(path):  # to ask there would start the service
        raise SocketInUseError(_SYSTEMDS.format(path=path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            with suppress(FileNotFoundError):
                Path(path).unlink()
            return
        except FileNotFoundError:
            return
        pid = Peer.of(probe).pid
        if pid == 1:
            raise SocketInUseError(_SYSTEMDS.format(path=path))
        raise SocketInUseError(f"a daemon with pid {pid} already answers at {path}")


def _is_systemds(path: str) -> bool:
    """Whether systemd listens at a path. False if that cannot be told, as in a network namespace of our own."""
    try:
        lines = decoded(Path("/proc/net/unix").read_bytes()).splitlines()
        rows = [line.split(maxsplit=7) for line in lines]
        inodes = {f"socket:[{row[6]}]" for row in rows if len(row) == 8 and row[7] == path}
        return any(str(held.readlink()) in inodes for held in Path("/proc/1/fd").iterdir())
    except OSError:
        return False
