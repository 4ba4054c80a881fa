"""The daemon's log lines: to the journal or whoever reads its standard error, and to the file of `:::log:`."""

from __future__ import annotations

import errno
import logging
import logging.handlers
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from io import TextIOWrapper

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "notice": logging.INFO,
    "warning": logging.WARNING,
    "err": logging.ERROR,
}
# sd-daemon(3): what the journal takes for a line's priority.
_PRIORITIES = {logging.DEBUG: "<7>", logging.INFO: "<6>", logging.WARNING: "<4>", logging.ERROR: "<3>"}


def set_up() -> None:
    """Log to the standard error, from the level that SYSTEMD_LOG_LEVEL names."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _JournalFormatter() if "JOURNAL_STREAM" in os.environ else logging.Formatter("clinit: %(message)s")
    )
    level = _LEVELS.get(os.environ.get("SYSTEMD_LOG_LEVEL", "").lower(), logging.INFO)
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def write_to(path: str | None) -> None:
    """Log to a file as well; None leaves it as it is. One that cannot be written is said so, and is no other harm.

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
        logging.getLogger(__name__).error("cannot log to %s, which the table names: %s", path, error.strerror)  # noqa: TRY400
        return
    added.setFormatter(logging.Formatter("%(asctime)s clinit[%(process)d]: %(message)s"))
    root.addHandler(added)
    for handler in present:
        root.removeHandler(handler)
        handler.close()


class _LogFile(logging.handlers.WatchedFileHandler):
    """A file that others may move away, and may not make us write elsewhere with; when it fails, nobody notices."""

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
        """Have the next line open the file anew: what is left of this one would be written first, and fail again."""
        stream, self.stream = self.stream, None
        with suppress(OSError, ValueError):
            if stream is not None:
                stream.close()


def _open_regular(path: str, flags: int) -> int:
    """Open a regular file: no symlink's target, and no FIFO that waits for a reader."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file")
    return descriptor


class _JournalFormatter(logging.Formatter):
    """A priority before each line."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = _PRIORITIES.get(record.levelno, "<6>")
        return "\n".join(prefix + line for line in super().format(record).split("\n"))
