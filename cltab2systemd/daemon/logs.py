"""The daemon's log lines: to the journal or whoever reads its standard error, and to the file of `:::log:`.

No line ever holds the daemon up. A reader may not take lines: a journald that is stopped, or a full pipe. Such lines
are kept until it does. What is too much to be kept is lost, and a line tells how many were.
"""

from __future__ import annotations

import asyncio
import collections
import errno
import logging
import logging.handlers
import os
import select
import socket
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from cltab2systemd import events, oserrors
from cltab2systemd.daemon.formatter import PrintableFormatter
from cltab2systemd.daemon.journal import Journal, JournalFormatter, own_unit
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import TextIOWrapper

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "notice": logging.INFO,
    "warning": logging.WARNING,
    "err": logging.ERROR,
}
# Seconds until what is kept is tried again.
_PAUSE = 0.5
# Bytes that are kept for a reader that does not take them.
MOST_KEPT = 512 * 1024


def set_up() -> None:
    """Log to the standard error, from the level that SYSTEMD_LOG_LEVEL names."""
    handler: PatientHandler
    if _is_journal(2):
        handler = JournalHandler(Journal(), JournalFormatter(own_unit()))
    else:
        handler = PatientHandler(_standard_error())
        handler.setFormatter(PrintableFormatter("clinit: %(message)s"))
    level = _LEVELS.get(os.environ.get("SYSTEMD_LOG_LEVEL", "").lower(), logging.INFO)
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def flush() -> None:
    """Write what is kept for readers that did not take it, as far as they do now. Never waits."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def name_instance(name: str) -> None:
    """Have the journal know of which instance the lines are from now on."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, JournalHandler):
            handler.fields.instance = name


def write_to(path: str | None) -> None:
    """Log to a file as well; None leaves all as it is. If the file cannot be opened, that is logged, and no more.

    The file is opened anew when somebody has moved it away, as logrotate does.
    """
    root = logging.getLogger()
    present = [handler for handler in root.handlers if isinstance(handler, logging.handlers.WatchedFileHandler)]
    if path is None or any(handler.baseFilename == path for handler in present):
        return
    try:
        Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        added = _LogFile(path, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        events.NO_LOG(path=path, why=oserrors.worded(error, path))
        return
    added.setFormatter(PrintableFormatter("%(asctime)s clinit[%(process)d]: %(message)s"))
    root.addHandler(added)
    for handler in present:
        root.removeHandler(handler)
        handler.close()


class PatientHandler(logging.Handler):
    """Writes lines for a reader who may not read them, and never waits for the reader.

    Args:
        write: takes bytes, and returns how many it has taken. BlockingIOError if it can take none now.
    """

    def __init__(self, write: Callable[[bytes], int]) -> None:
        super().__init__()
        self._write = write
        self._kept: collections.deque[bytes] = collections.deque()
        self._size = 0  # bytes that are kept
        self._lost = 0  # lines
        self._timer: asyncio.TimerHandle | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, behind those that are kept."""
        line = self._line(record)
        if self._size + len(line) > MOST_KEPT:
            self._lost += 1
        else:
            self._keep(line)
        self.flush()
        if self._kept and self._timer is None:
            with suppress(RuntimeError):  # no loop runs yet
                self._timer = asyncio.get_running_loop().call_later(_PAUSE, self._try_again)

    def flush(self) -> None:
        """Write what is kept, as far as the reader takes it. Then write how many lines were lost."""
        while True:
            while self._kept:
                try:
                    taken = self._write(self._kept[0])
                except OSError as error:
                    if error.errno == errno.EMSGSIZE:  # it never fits, and must not keep the others back
                        self._size -= len(self._kept.popleft())
                        self._lost += 1
                        continue
                    if not isinstance(error, BlockingIOError):
                        self._kept.clear()  # nobody will ever read it
                        self._size = self._lost = 0
                    return
                self._size -= taken
                rest = self._kept[0][taken:]
                if rest:
                    self._kept[0] = rest
                else:
                    self._kept.popleft()
            if not self._lost:
                return
            told = events.LINES_LOST.record(why=self._lost)
            self._lost = 0
            self._keep(self._line(told))

    def _try_again(self) -> None:
        self._timer = None
        self.flush()
        if self._kept:
            self._timer = asyncio.get_running_loop().call_later(_PAUSE, self._try_again)

    def _keep(self, line: bytes) -> None:
        self._kept.append(line)
        self._size += len(line)

    def _line(self, record: logging.LogRecord) -> bytes:
        return encoded(self.format(record) + "\n")


class JournalHandler(PatientHandler):
    """Likewise for the journal: a line is a datagram with fields."""

    def __init__(self, write: Callable[[bytes], int], fields: JournalFormatter) -> None:
        super().__init__(write)
        self.fields = fields

    def _line(self, record: logging.LogRecord) -> bytes:
        return self.fields.datagram(record)


def _is_journal(descriptor: int) -> bool:
    """Whether a descriptor leads to the journal: as systemd.exec(5) says of JOURNAL_STREAM."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _standard_error() -> Callable[[bytes], int]:
    """A function that writes to the standard error without waiting. It changes nothing for others who have it open."""
    sys.stderr.flush()
    mode = os.fstat(2).st_mode
    if stat.S_ISSOCK(mode):
        stream = socket.socket(fileno=os.dup(2))
        return lambda data: stream.send(data, socket.MSG_DONTWAIT)
    descriptor = 2
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        # O_NONBLOCK would hold for all who share the open file, such as a shell and its terminal. So open it anew.
        with suppress(OSError):
            descriptor = os.open("/proc/self/fd/2", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)

    def write(data: bytes) -> int:
        if descriptor == 2 and not poll.poll(0):
            raise BlockingIOError
        return os.write(descriptor, data)

    return write


class _LogFile(logging.handlers.WatchedFileHandler):
    """A file that others may move away. A link in its place is not followed, and an error is ignored."""

    def _open(self) -> TextIOWrapper:
        return cast(
            "TextIOWrapper",
            open(self.baseFilename, self.mode, encoding=self.encoding, errors=self.errors, opener=_open_regular),
        )

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except (OSError, ValueError):  # it cannot be opened again; the journal has the line
            self._give_up()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002
        """The disk is full, say; the journal has the line."""
        self._give_up()

    def _give_up(self) -> None:
        """Have the next line open the file anew. Else what is left of this line would be written first, and fail."""
        stream, self.stream = self.stream, None
        with suppress(OSError, ValueError):
            if stream is not None:
                stream.close()


def _open_regular(path: str, flags: int) -> int:
    """Open a regular file. A link is not followed, and a FIFO is refused, for it would wait for a reader."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file")
    return descriptor
