"""Opening a connection to systemd, and what its errors mean: over the system bus, or over systemd's private socket."""

from __future__ import annotations

import asyncio
import enum
import errno
import logging
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pystemd import dbusexc
from pystemd.dbuslib import DBus, DBusAddress

from cltab2systemd.systemd.buserrors import BusUnavailableError
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

log = logging.getLogger(__name__)

SYSTEMD = b"org.freedesktop.systemd1"
MANAGER_PATH = b"/org/freedesktop/systemd1"
MANAGER = b"org.freedesktop.systemd1.Manager"

_LOST_ERRNOS = {
    -code
    for code in (
        errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE, errno.ECONNREFUSED, errno.ESHUTDOWN,
        errno.ECONNABORTED, errno.ENOENT,
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
_PRIVATE_SOCKET = "/run/systemd/private"
# Seconds in which systemd has to say a first word there.
_PATIENCE = 1.0


class Route(enum.Enum):
    """The ways to systemd."""

    SYSTEM_BUS = "system bus"  # open to everybody
    PRIVATE = "private socket"  # for root only; an answer takes a fifth of the time, for there is nobody between


async def open_connection(routes: Iterable[Route], answer_time: float) -> tuple[Any, Route]:
    """Open a connection to systemd, which tells its signals.

    Args:
        routes: the ways to try, one after the other.
        answer_time: seconds for which systemd may block this process, at each call.

    Returns:
        pystemd's connection, and the way it goes. The caller closes it.

    Raises:
        BusUnavailableError: systemd cannot be reached, or answers nobody at present.
    """
    # A connection to the private socket has no timeout before systemd has said a first word.
    if not await _is_listening(_PRIVATE_SOCKET):
        raise BusUnavailableError("it does not answer")
    problems = []
    with _timeout(answer_time):
        for route in routes:
            try:
                return _opened(route), route
            except BusUnavailableError as error:
                log.debug("%s: %s", route.value, error)
                problems.append(str(error))
    raise BusUnavailableError("; ".join(problems))


def worded(error: Any) -> str:
    """An error in the words of systemd, dbus or the operating system. pystemd's own words are jokes."""
    is_ours = type(error) is dbusexc.DBusBaseError and not str(error.err_name or "").startswith("org.")
    if (message := error.err_message) and not is_ours:
        return message if isinstance(message, str) else decoded(message)
    return os.strerror(abs(error.errno)) if error.errno else "no reason is given"


def is_lost(error: Any) -> bool:
    """Whether an error says that systemd cannot be reached any more, and is no answer of systemd."""
    return isinstance(error, _LOST) or (type(error) is dbusexc.DBusBaseError and error.errno in _LOST_ERRNOS)


def is_unanswered(error: Any) -> bool:
    """Whether an error says that there is no answer yet: the time was up, or a signal came to this process."""
    return isinstance(error, (dbusexc.DBusTimeoutError, dbusexc.DBusInterruptedError))


async def _is_listening(path: str) -> bool:
    """Whether systemd answers on its private socket; True if it cannot be asked there, as by others than root.

    All that is said is the beginning of D-Bus' authentication.
    """
    user = str(os.geteuid()).encode().hex()
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(f"\0AUTH EXTERNAL {user}\r\n".encode())
                return bool(await reader.read(1))
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        return False
    except OSError:
        return True


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Have pystemd's connections that are opened now wait for an answer for so long. It is not for child processes."""
    name = "SYSTEMD_BUS_TIMEOUT"
    before = os.environ.get(name)
    os.environ[name] = f"{seconds * 1000:.0f}ms"
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def _opened(route: Route) -> Any:
    is_private = route is Route.PRIVATE
    connection = DBusAddress(f"unix:path={_PRIVATE_SOCKET}".encode(), peer_to_peer=True) if is_private else DBus()
    try:
        connection.open()
    except dbusexc.DBusBaseError as error:
        raise BusUnavailableError(worded(error)) from error
    try:
        # The first call authenticates; open() alone does not tell whether anybody listens.
        connection.get_property(SYSTEMD, MANAGER_PATH, MANAGER, b"Version", b"s")
        if not is_private:  # a private peer is sent every signal anyway
            connection.call_method(SYSTEMD, MANAGER_PATH, MANAGER, b"Subscribe", [])
    except dbusexc.DBusBaseError as error:
        connection.close()
        raise BusUnavailableError(worded(error)) from error
    return connection
