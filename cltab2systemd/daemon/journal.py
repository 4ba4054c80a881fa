"""The journal's own protocol: a datagram for each line, with its fields. See "Native Journal Protocol" of systemd."""

from __future__ import annotations

import errno
import logging
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.daemon.formatter import PrintableFormatter
from cltab2systemd.text import decoded, encoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SOCKET = "/run/systemd/journal/socket"
_PRIORITIES = {logging.DEBUG: "7", logging.INFO: "6", logging.WARNING: "4", logging.ERROR: "3"}
_DAEMON = "3"  # LOG_DAEMON, which systemd gives to what services write
# Bytes of a value, of which only MESSAGE may be long; and of the socket's buffer, into which a datagram has to fit.
LONGEST_VALUE = 32 * 1024
_BUFFER = 128 * 1024
_CUT = "…".encode()


class JournalFormatter(PrintableFormatter):
    """A line as a datagram.

    Args:
        unit: the unit that the daemon runs in; empty if it is not known. Journald reads a line perhaps after the daemon
            has ended, and cannot see then which unit's it is.
    """

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit
        self.instance = ""  # the name of the instance, as soon as it is known

    def datagram(self, record: logging.LogRecord) -> bytes:
        """The fields of a line, as journald takes them."""
        return b"".join(map(_field, *zip(*self._fields(record), strict=True)))

    def _fields(self, record: logging.LogRecord) -> Iterator[tuple[str, str]]:
        yield "MESSAGE", self.format(record)
        yield "PRIORITY", _PRIORITIES.get(record.levelno, "6")
        yield "SYSLOG_IDENTIFIER", "clinit"
        yield "SYSLOG_FACILITY", _DAEMON
        about: Iterable[tuple[str, str]] = getattr(record, "fields", ())
        yield from about
        if self.instance:
            yield events.INSTANCE_FIELD, self.instance
        if self._unit and (events.OBJECT_FIELD, self._unit) not in about:
            yield events.OBJECT_FIELD, self._unit


def _field(name: str, value: str) -> bytes:
    data = encoded(value)
    if len(data) > LONGEST_VALUE:
        data = data[: _before_a_character(data, LONGEST_VALUE)] + _CUT
    if b"\n" not in data:
        return b"%b=%b\n" % (encoded(name), data)
    return b"%b\n%b%b\n" % (encoded(name), len(data).to_bytes(8, "little"), data)


def _before_a_character(data: bytes, end: int) -> int:
    """The last place up to `end` that cuts no character of UTF-8 in two; at most three bytes follow a first one."""
    return next((place for place in range(end, end - 4, -1) if data[place] & 0xC0 != 0x80), end)


class Journal:
    """Where the datagrams go. Journald may be restarted, or be away for a while; it hears later what it has missed."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)

    def __call__(self, datagram: bytes) -> int:
        """Hand over a datagram; its length.

        Raises:
            BlockingIOError: journald cannot take it now, or is not there.
            OSError: with EMSGSIZE: journald can never take it.
        """
        try:
            self._socket.sendto(datagram, socket.MSG_DONTWAIT, _SOCKET)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                raise
            raise BlockingIOError from error
        return len(datagram)


def own_unit() -> str:
    """The unit of this process, by its control group; empty if it is in none."""
    try:
        groups = decoded(Path("/proc/self/cgroup").read_bytes()).splitlines()
    except OSError:
        return ""
    # systemd's hierarchy is the one of cgroup2, or the one of this name.
    names = [line.rpartition("/")[2] for line in groups if line.split(":")[1] in {"", "name=systemd"}]
    return next((name for name in names if name.endswith(".service")), "")
