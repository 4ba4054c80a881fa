"""Tables as they are read: one version of the file, and by whom it may have been written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cltab2systemd.disk.files import FileIdentity, content_of, identify, write_whole
from cltab2systemd.locations import (
    GOOD_TABLE,
)

LARGEST_TABLE = 16 * 1024 * 1024


class TableUnreadableError(Exception):
    """The table could not be read as a whole; the text is fit for a person."""


def read_table(path: str, *, trusted: bool = False) -> tuple[bytes, FileIdentity]:
    """The content of a table, and which version of the file it is of.

    Args:
        path: of the file.
        trusted: whether its commands are to be run as root, so that nobody else may have written them.

    A file that changes while it is read is read once more; if it changes again, TableUnreadableError says so, as it
    does of a missing file (in the ancestor's words), and of one that cannot be read, is not a regular file, is too
    large, or is not to be trusted.
    """
    try:
        for _ in range(2):
            data, before, after = _read_once(path, trusted=trusted)
            if before == after == identify(path):
                return data, before
    except FileNotFoundError as error:
        raise TableUnreadableError(f"file not found: {path}") from error
    except OSError as error:
        raise TableUnreadableError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from error
    raise TableUnreadableError(f"{path} changes while it is read; try again when it is written")


def _read_once(path: str, *, trusted: bool) -> tuple[bytes, FileIdentity, FileIdentity]:
    # Not to hang on a FIFO that somebody put in the table's place.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        os.close(descriptor)
        raise TableUnreadableError(f"{path} is not a regular file")
    if trusted and (doubt := _doubt(before)):
        os.close(descriptor)
        raise TableUnreadableError(f"{path} {doubt}")
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        data = file.read(LARGEST_TABLE + 1)
        if len(data) > LARGEST_TABLE:
            raise TableUnreadableError(f"{path} is larger than {LARGEST_TABLE} bytes")
        return data, FileIdentity.of(before), FileIdentity.of(os.fstat(descriptor))


def distrust(path: str) -> str:
    """Why the daemon would not take a table that can be read, such as its owner; empty if it would."""
    try:
        found = _doubt(os.stat(path))  # noqa: PTH116 - as it is opened
    except OSError:
        return ""
    return f"{path} {found}" if found else ""


def _doubt(status: os.stat_result) -> str:
    """Why a file's commands may not be run as root; empty if they may."""
    if status.st_uid != 0:
        return f"belongs to uid {status.st_uid}, and its commands would run as root: make it root's (chown root)"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode = stat.S_IMODE(status.st_mode)
        return f"can be written by others than root (mode {mode:04o}), as whom its commands run: chmod go-w"
    return ""


def keep_good_table(content: bytes, path: Path = Path(GOOD_TABLE)) -> None:
    """Keep a table that took effect, for a boot at which the one in /etc has errors. OSError if that fails.

    One without a byte is not kept: it is what a power cut, or a full disk, leaves of a write.
    """
    if content and content_of(path) != content:  # not to wear out a disk at each start
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_whole(path, content, durable=True)
