"""systemd over D-Bus, through pystemd, on an asyncio loop.

How pystemd 0.11 behaves, as measured:

1. A call blocks the whole process. Its only timeout is `SYSTEMD_BUS_TIMEOUT`, set before the first connection.
2. A synchronous call takes signals off the socket. So the queue of signals is drained after each call.
3. Callbacks must be plain functions. It keeps no reference to them, so somebody else has to.
4. `close` must not be called twice.
"""

from __future__ import annotations

import asyncio
import enum
import errno
import logging
import os
import re
from typing import TYPE_CHECKING, Any, TypeVar

os.environ.setdefault("SYSTEMD_BUS_TIMEOUT", "25s")

from pystemd import dbusexc
from pystemd.dbuslib import DBus, DBusAddress

from cltab2systemd import events, oserrors
from cltab2systemd.systemd import child
from cltab2systemd.systemd.buserrors import BusRefusedError, BusReloadingError, BusUnavailableError
from cltab2systemd.systemd.gate import ReloadGate
from cltab2systemd.systemd.manager import Manager
from cltab2systemd.systemd.runsignal import run_signal
from cltab2systemd.text import decoded
from cltab2systemd.units.names import unit_of_bus_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from cltab2systemd.systemd.runsignal import RunSignal

log = logging.getLogger(__name__)

T = TypeVar("T")

_SYSTEMD = b"org.freedesktop.systemd1"
_MANAGER_PATH = b"/org/freedesktop/systemd1"
_MANAGER = b"org.freedesktop.systemd1.Manager"
_PROPERTIES = b"org.freedesktop.DBus.Properties"
_PRIVATE_ADDRESS = b"unix:path=/run/systemd/private"

_LOST_ERRNOS = {
    -code
    for code in (
        errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE, errno.ECONNREFUSED, errno.ESHUTDOWN,
        errno.ECONNABORTED, errno.ETIMEDOUT, errno.ENOENT,
    )
}  # fmt: skip
_LOST = (
    dbusexc.DBusDisconnectedError,
    dbusexc.DBusNoReplyError,
    dbusexc.DBusTimeoutError,
    dbusexc.DBusTimedOutError,
    dbusexc.DBusServiceUnknownError,
    dbusexc.DBusNameHasNoOwnerError,
    dbusexc.DBusNoServerError,
    dbusexc.DBusConnectionRefusedError,
)
# What stands as `_xx` in an element of an object path.
_NO_LABEL = re.compile("^[0-9]|[^A-Za-z0-9]")
# Seconds for which systemd may be away before a warning is logged. A restart of dbus takes a moment.
_PATIENCE = 2.0
# Seconds for which a step is tried again while systemd cannot be reached: a daemon-reexec, a restart of dbus.
PERSISTENCE = 10.0
_PAUSE = 0.1
# How many signals are taken at a time, before other tasks of the loop have their turn.
_BATCH = 256


class Route(enum.Enum):
    """The ways to systemd."""

    SYSTEM_BUS = "system bus"  # open to everybody
    PRIVATE = "private socket"  # for root only; an answer takes a fifth of the time, for there is nobody between


class Bus(Manager):
    """One connection to systemd, renewed whenever it is lost. Make it within the loop that uses it.

    During a daemon-reload, anybody's, systemd answers nobody. A call would block the whole process until it has ended.
    So every question raises BusReloadingError then. `persist` waits for the end.

    Args:
        first: the way that is tried first. The other one stands in for it.
    """

    def __init__(self, first: Route = Route.SYSTEM_BUS) -> None:
        self._routes = sorted(Route, key=lambda route: route is not first)
        self._on_change: Callable[[str], None] = lambda unit: None  # noqa: ARG005
        self._on_connect: Callable[[], None] = lambda: None
        self._on_reload: Callable[[], None] = lambda: None
        self._after_reload: Callable[[], None] = lambda: None
        self._is_followed: Callable[[str], bool] = lambda unit: False  # noqa: ARG005
        self._on_run: Callable[[str, RunSignal], None] = lambda unit, seen: None  # noqa: ARG005
        self._loop = asyncio.get_running_loop()
        self._connection: Any = None
        self._descriptor = -1
        self._callbacks: list[Callable[..., None]] = []
        self._drain_scheduled = False
        self._told_lost = -_PATIENCE  # when it was said last that the connection is lost
        self._reconnecting: asyncio.Task[None] | None = None
        self._gate = ReloadGate(self._loop, self._has_reloaded)

    def follow(
        self, on_change: Callable[[str], None], on_connect: Callable[[], None], on_reload: Callable[[], None]
    ) -> None:
        """Say what to call when something happens.

        Args:
            on_change: called with the name of a unit whose state may have changed.
            on_connect: called after each connect. Whatever is known of units may be old by then.
            on_reload: called when a daemon-reload has ended. Units may be gone or masked, and no signal tells that.
        """
        self._on_change, self._on_connect, self._on_reload = on_change, on_connect, on_reload

    def follow_reloads(self, after_reload: Callable[[], None]) -> None:
        """Say what to call after each daemon-reload, besides what `follow` was given."""
        self._after_reload = after_reload

    def follow_runs(self, is_followed: Callable[[str], bool], on_run: Callable[[str, RunSignal], None]) -> None:
        """Say what to call with what signals say of the runs of a service.

        Args:
            is_followed: whether anybody wants that of a unit; reading a signal takes 0.1 ms.
            on_run: called with the unit and what a signal says.
        """
        self._is_followed, self._on_run = is_followed, on_run

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connection is not None

    async def connect(self) -> None:
        """Connect, trying again for ever: the first way, or the other one while that is closed."""
        delay = 0.05
        patience: float | None = self._loop.time() + _PATIENCE
        while problems := self._try_routes():
            if patience is not None and self._loop.time() >= patience:
                patience = None  # a restart takes a moment, and is no news
                events.SYSTEMD_AWAY(why="; ".join(problems))
            await asyncio.sleep(delay)
            delay = min(delay * 2, 1.0)
        if patience is None:
            events.SYSTEMD_BACK()
        self._on_connect()
        self._after_reload()  # there may have been some, unheard

    async def quiet(self) -> None:
        """Wait until no daemon-reload is at work."""
        await self._gate.wait()

    async def persist(self, step: Callable[[], T], seconds: float = PERSISTENCE) -> T:
        """Perform a step when no daemon-reload is at work. Try again while systemd cannot be reached.

        BusUnavailableError if it could not be reached for so many seconds.
        """
        deadline: float | None = None
        while True:
            await self.quiet()
            deadline = deadline or self._loop.time() + seconds
            try:
                return step()
            except BusReloadingError:
                continue
            except BusUnavailableError as error:
                if self._loop.time() >= deadline:
                    raise
                log.debug("trying again: %s", error)
                await asyncio.sleep(_PAUSE)

    def close(self) -> None:
        """Drop the connection for good."""
        if self._reconnecting is not None:
            self._reconnecting.cancel()
        self._drop()

    async def daemon_reload(self) -> None:
        """Have systemd load the units on disk. A child process does it, for the call would block this one."""
        self._gate.own_begins()
        try:
            ended = await child.run("systemctl", "daemon-reload")
        except OSError as error:
            raise BusUnavailableError(f"systemctl daemon-reload: {oserrors.worded(error)}") from error
        finally:
            self._gate.own_ended()
        if ended.code != 0:
            raise BusUnavailableError(f"systemctl daemon-reload: {ended.errors.strip() or f'exit code {ended.code}'}")
        await self.quiet()

    def _try_routes(self) -> list[str]:
        """Connect if there is no connection. Returns why it could not be done; nothing if it is connected."""
        problems: list[str] = []
        for route in self._routes if self._connection is None else ():
            try:
                self._open(route)
            except BusUnavailableError as error:
                log.debug("%s: %s", route.value, error)
                problems.append(str(error))
            else:
                return []
        return problems

    def _open(self, route: Route) -> None:
        is_private = route is Route.PRIVATE
        connection = DBusAddress(_PRIVATE_ADDRESS, peer_to_peer=True) if is_private else DBus()
        try:
            connection.open()
        except dbusexc.DBusBaseError as error:
            raise BusUnavailableError(_text(error)) from error
        self._connection = connection
        try:
            # The first call authenticates; open() alone does not tell whether anybody listens.
            connection.get_property(_SYSTEMD, _MANAGER_PATH, _MANAGER, b"Version", b"s")
            if not is_private:  # a private peer is sent every signal anyway
                connection.call_method(_SYSTEMD, _MANAGER_PATH, _MANAGER, b"Subscribe", [])
            self._follow_units(connection)
        except dbusexc.DBusBaseError as error:
            self._drop()
            raise BusUnavailableError(_text(error)) from error
        # A duplicate: on an error the library closes its own descriptor, and the number may soon be another file's.
        self._descriptor = os.dup(connection.get_fd())
        self._loop.add_reader(self._descriptor, self._drain)
        self._schedule_drain()

    def _follow_units(self, connection: Any) -> None:
        def callback(message: Any, error: object = None, userdata: object = None) -> None:  # noqa: ARG001
            try:
                unit = unit_of_bus_path(decoded(message.get_path()))
                self._on_change(unit)
                if self._is_followed(unit):
                    message.process_reply(False)  # reads its arguments
                    if (seen := run_signal(message.body)) is not None:
                        self._on_run(unit, seen)
            except Exception:  # noqa: BLE001
                events.FAULT(trace=True, why="while following systemd's signals")

        def reloading(message: Any, error: object = None, userdata: object = None) -> None:  # noqa: ARG001
            try:
                message.process_reply(False)  # reads its arguments
                if message.body:
                    self._gate.somebody_begins()
                else:
                    self._gate.somebody_ended()
            except Exception:  # noqa: BLE001
                events.FAULT(trace=True, why="while following systemd's signals")

        self._callbacks += [callback, reloading]  # pystemd takes no reference
        connection.match_signal(_SYSTEMD, None, _PROPERTIES, b"PropertiesChanged", callback)
        connection.match_signal(_SYSTEMD, _MANAGER_PATH, _MANAGER, b"Reloading", reloading)

    def _has_reloaded(self) -> None:
        self._on_reload()
        self._after_reload()

    def _drop(self) -> None:
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        self._callbacks.clear()
        self._gate.connection_lost()

    def _schedule_drain(self) -> None:
        if not self._drain_scheduled:
            self._drain_scheduled = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        self._drain_scheduled = False
        if self._take_signals():
            self._schedule_drain()

    def _take_signals(self) -> bool:
        """Take a batch of the signals that have come; whether there may be more."""
        if self._connection is None:
            return False
        try:
            for _ in range(_BATCH):
                message = self._connection.process()
                if message.is_empty():
                    return False
                if message.is_signal(b"org.freedesktop.DBus.Local", b"Disconnected"):
                    self._lost("disconnected")
                    return False
        except (dbusexc.DBusBaseError, SystemError) as error:
            self._lost(_text(error) if isinstance(error, dbusexc.DBusBaseError) else str(error))
            return False
        return True

    def _lost(self, why: str) -> None:
        now = self._loop.time()
        if now - self._told_lost < _PATIENCE:
            log.debug("connection to systemd lost again: %s", why)
        else:
            events.SYSTEMD_LOST(why=why)
        self._told_lost = now
        self._drop()
        self._reconnecting = self._loop.create_task(self.connect())

    def _call_with(self, method: bytes, arguments: list[tuple[int, Any]]) -> Any:
        return self._asked(
            lambda: self._connection.call_method(_SYSTEMD, _MANAGER_PATH, _MANAGER, method, arguments).body
        )

    def _get(self, unit: str, interface: bytes, name: bytes, kind: bytes) -> Any:
        path = _MANAGER_PATH + b"/unit/" + _bus_label(unit)
        return self._asked(lambda: self._connection.get_property(_SYSTEMD, path, interface, name, kind))

    def _asked(self, question: Callable[[], Any]) -> Any:
        """The answer to a question. Signals are taken first: systemd may have said that it reloads."""
        while self._take_signals():
            pass
        if not self._gate.is_open:
            raise BusReloadingError("systemd is reloading its units")
        if self._connection is None:
            raise BusUnavailableError("no connection to systemd at present")
        try:
            return question()
        except dbusexc.DBusBaseError as error:
            if isinstance(error, _LOST) or (type(error) is dbusexc.DBusBaseError and error.errno in _LOST_ERRNOS):
                raise BusUnavailableError(_text(error)) from error
            raise BusRefusedError(_text(error)) from error
        finally:
            self._schedule_drain()


def _bus_label(unit: str) -> bytes:
    """A unit's name as an element of an object path: all but letters and digits, and a leading digit, as `_xx`."""
    return _NO_LABEL.sub(lambda found: f"_{ord(found[0]):02x}", unit).encode("ascii")


def _text(error: Any) -> str:
    """An error in the words of systemd, dbus or the operating system. pystemd's own words are jokes."""
    is_ours = type(error) is dbusexc.DBusBaseError and not str(error.err_name or "").startswith("org.")
    if (message := error.err_message) and not is_ours:
        return message if isinstance(message, str) else decoded(message)
    return os.strerror(abs(error.errno)) if error.errno else "no reason is given"
