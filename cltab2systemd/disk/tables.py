"""Tables as they are read: one version of all their files, and by whom these may have been written."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cltab2systemd.disk.files import FileIdentity, content_of, identify, write_whole
from cltab2systemd.locations import GOOD_TABLE, fragment_directory, fragments, is_doubtful
from cltab2systemd.table.tablefiles import TableFile, TableFiles

# Bytes of a table and its fragments together.
LARGEST_TABLE = 16 * 1024 * 1024


class TableUnreadableError(Exception):
    """The table could not be read as a whole; the text is fit for a person."""


@dataclass(frozen=True, slots=True)
class TableIdentity:
    """What tells one version of a table from the next: the versions of all its files, by name, and their directory.

    What else changes in the directory is none of it: who writes a file aside first, and renames it, makes one version.
    """

    main: FileIdentity
    directory: tuple[int, ...] | None = None  # device, inode, owner and mode; None if there is none
    fragments: tuple[tuple[str, FileIdentity | None], ...] = ()


def identify_table(path: str) -> TableIdentity | None:
    """The identity of the table at a path; None if there is none. Nothing is read for it."""
    main = identify(path)
    if main is None:
        return None
    try:
        directory, beside = _beside(path)
    except OSError as error:  # until somebody mends that
        return TableIdentity(main, (error.errno or 0,))
    return TableIdentity(main, directory, tuple((name, identify(name)) for name in beside))


def _beside(path: str) -> tuple[tuple[int, ...] | None, list[str]]:
    """What of a table's directory of fragments is in its identity, and the fragments. OSError as for `fragments`."""
    directory = fragment_directory(path)
    try:
        os.lstat(directory)
    except (FileNotFoundError, NotADirectoryError):  # no more than one look, for most have none
        return None, []
    beside, status = fragments(path), os.stat(directory)  # noqa: PTH116
    return (status.st_dev, status.st_ino, status.st_uid, status.st_mode), beside


def read_table(path: str, *, trusted: bool = False) -> tuple[TableFiles, TableIdentity]:
    """The content of a table and its fragments, and which version it is.

    Args:
        path: of the file; its fragments are `PATH.d/*.cltab`, in the order of the bytes of their names.
        trusted: whether its commands are to be run as root, so that nobody else may have written them: neither the
            files nor the directory of the fragments.

    Files that change while they are read, or become others, are read once more; if they change again,
    TableUnreadableError says so, as it does of a missing file (in the ancestor's words), and of one that cannot be
    read, is not a regular file, or is not to be trusted; and if all together are too large. One bad fragment is enough.
    """
    try:
        for is_last in (False, True):
            try:
                files, before, after = _read_once(path, trusted=trusted)
            except FileNotFoundError as error:
                if is_last or error.filename == path:
                    raise
                continue  # a fragment has just been removed
            if before == after == identify_table(path):
                return files, before
    except FileNotFoundError as error:
        raise TableUnreadableError(_missing(path, error.filename)) from error
    except OSError as error:
        raise TableUnreadableError(f"cannot read {error.filename or path}: {error.strerror}") from error
    raise TableUnreadableError(f"{path} changes while it is read; try again when it is written")


def _missing(path: str, what: str) -> str:
    """What to tell of a file that is not there. Without the table itself, its fragments do not count."""
    with suppress(OSError):
        if what == path and fragments(path):
            beside = fragment_directory(path)
            return f"file not found: {path}; for {beside} to count it has to be there: a comment will do"
    return f"file not found: {what}"


def _read_once(path: str, *, trusted: bool) -> tuple[TableFiles, TableIdentity, TableIdentity]:
    """The files, and which versions they were before each was read, and after. OSError, TableUnreadableError."""
    main, before, after = _read_file(path, LARGEST_TABLE, trusted=trusted)
    directory, beside = _beside(path)
    if trusted and beside and (doubt := _distrust_of_directory(path)):
        raise TableUnreadableError(doubt)
    found: list[TableFile] = []
    versions: list[list[tuple[str, FileIdentity | None]]] = [[], []]
    left = LARGEST_TABLE - len(main)
    for name in beside:
        content, *seen = _read_file(name, left, trusted=trusted, beside=path)
        left -= len(content)
        found.append(TableFile(name, content))
        for some, version in zip(versions, seen, strict=True):
            some.append((name, version))
    first, last = (
        TableIdentity(version, directory, tuple(some)) for version, some in zip((before, after), versions, strict=True)
    )
    return TableFiles(TableFile(path, main), tuple(found)), first, last


def _read_file(path: str, most: int, *, trusted: bool, beside: str = "") -> tuple[bytes, FileIdentity, FileIdentity]:
    """A file of at most so many bytes, and its version before and after. `beside`: whose fragment it is."""
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
        data = file.read(most + 1)
        if len(data) > most:
            what = f"{beside} and its fragments are" if beside else f"{path} is"
            raise TableUnreadableError(f"{what} larger than {LARGEST_TABLE} bytes")
        return data, FileIdentity.of(before), FileIdentity.of(os.fstat(descriptor))


def distrust(path: str) -> str:
    """Why the daemon would not take a table that can be read, such as its owner; empty if it would."""
    try:
        beside = fragments(path)
        for name in (path, *beside):
            if found := _doubt(os.stat(name)):  # noqa: PTH116 - as it is opened
                return f"{name} {found}"
        return _distrust_of_directory(path) if beside else ""
    except OSError:
        return ""


def _distrust_of_directory(path: str) -> str:
    """Why fragments do not count: who may write to their directory may add some."""
    directory = fragment_directory(path)
    found = _doubt(os.stat(directory))  # noqa: PTH116
    return f"{directory} {found}" if found else ""


def _doubt(status: os.stat_result) -> str:
    """Why a file's commands may not be run as root; empty if they may."""
    if not is_doubtful(status):
        return ""
    if status.st_uid != 0:
        return f"belongs to uid {status.st_uid}, and its commands would run as root: make it root's (chown root)"
    mode = stat.S_IMODE(status.st_mode)
    return f"can be written by others than root (mode {mode:04o}), as whom its commands run: chmod go-w"


def emptied(files: TableFiles, good: str, *, is_early: bool = False) -> str:
    """What to tell at a start of a file without a byte, if it may be what a power cut has left; else nothing.

    Args:
        files: of the table.
        good: the path of the last good table; empty if none is kept. If that is the same, the file is meant so.
        is_early: whether a last good table that is not there may be on a disk that is mounted later.
    """
    if not files.empty or not good:
        return ""
    kept = content_of(Path(good))
    if kept == files.joined or (kept is None and not is_early):
        return ""
    return on_empty(files.empty)


def on_empty(path: str) -> str:
    """What to tell of a file without a byte."""
    return f"{path} is empty: perhaps the machine went down while it was written; if not, put a comment in"


def on_no_entry(path: str) -> str:
    """What to tell of a table without any entry, which would stop all groups."""
    return f"{path} has no entry, and groups are active: stop them first (clinit -k), or restore the table"


def on_lost_fragments(in_force: TableFiles, now: TableIdentity) -> str:
    """What to tell of a table whose directory of fragments is gone: perhaps somebody replaces it. Else nothing.

    Args:
        in_force: the files of the table in force.
        now: which version the table is by now.
    """
    if not in_force.fragments or now.directory is not None:
        return ""
    directory = fragment_directory(in_force.path)
    lost = f"{directory} is gone, and the table in force has lines of there"
    return f"{lost}: if they are to go, make it again, without them"


def keep_good_table(content: bytes, path: Path = Path(GOOD_TABLE)) -> None:
    """Keep a table that took effect, for a boot at which the one in /etc has errors. OSError if that fails.

    One without a byte is not kept: it is what a power cut, or a full disk, leaves of a write.
    """
    if content and content_of(path) != content:  # not to wear out a disk at each start
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_whole(path, content, durable=True)
