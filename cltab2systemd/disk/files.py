"""The disk, as the daemon has it: every file is read whole, and written whole.

Everything is written to a temporary name in the same directory, then renamed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cltab2systemd.text import decoded, encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


_NUMBER = re.compile("[1-9][0-9]*")


class LockedError(Exception):
    """Another process has a lock. The text is what it wrote there of itself."""


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What tells one version of a file from the next.

    Anybody can set the time of modification back, as `touch -d` and `rsync --times` do. Nobody can set back the time of
    change.
    """

    device: int
    inode: int
    size: int
    modified: int  # ns
    changed: int  # ns; also by another mode or owner

    @classmethod
    def of(cls, status: os.stat_result) -> FileIdentity:
        """The identity of the file that a stat result describes."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def is_of(self, other: FileIdentity | None) -> bool:
        """Whether the file is still the other one with the same content, perhaps with another mode or owner."""
        return other is not None and replace(self, changed=0) == replace(other, changed=0)


def identify(path: str) -> FileIdentity | None:
    """The identity of the file at a path; None if there is none."""
    try:
        return FileIdentity.of(os.stat(path))  # noqa: PTH116
    except OSError:
        return None


def read_whole(path: Path) -> bytes:
    """What a regular file holds. OSError if it cannot be read, or is no regular file: another kind may never end."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return file.read()


def content_of(path: Path) -> bytes | None:
    """What a regular file holds; None if it cannot be read."""
    try:
        return read_whole(path)
    except OSError:
        return None


def write_whole(path: Path, content: bytes, mode: int = 0o644, *, durable: bool = False) -> None:
    """Write a file so that a reader sees the old content or the new, never a part. OSError if that fails.

    durable: also after a power cut.
    """
    name = decoded(encoded(path.name)[:200])  # and not too long with what is added
    temporary = path.with_name(f".{name}.{os.getpid()}.tmp")
    try:
        with suppress(FileNotFoundError):
            temporary.unlink()
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            os.fchmod(descriptor, mode)
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.rename(path)
        if durable:
            sync_directory(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        error.filename = str(path)  # and not the temporary name, or none
        raise


def numbers(directory: Path, start: str = "") -> list[int]:
    """The numbers of what is in a directory by the name of a start and a number, as Python writes one; sorted.

    None if there is no such directory; OSError if it cannot be read.
    """
    try:
        return numbers_among(os.listdir(directory), start)  # noqa: PTH208 - names
    except FileNotFoundError:
        return []


def numbers_among(names: Iterable[str], start: str = "") -> list[int]:
    """The numbers, from 1 on, of the names that are a start and a number as Python writes one, so not 007; sorted."""
    ends = (name.removeprefix(start) for name in names if name.startswith(start))
    return sorted(int(end) for end in ends if _NUMBER.fullmatch(end))


def sync_directory(path: Path) -> None:
    """Have the disk know which files a directory has. OSError if that fails."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Disk:
    """What a daemon does with files. OSError from all methods that do not say otherwise."""

    def read(self, path: Path) -> bytes:
        """What a regular file holds."""
        return read_whole(path)

    def content(self, path: Path) -> bytes | None:
        """What a regular file holds; None if it cannot be read."""
        return content_of(path)

    def write(self, path: Path, content: bytes, mode: int = 0o644, *, durable: bool = False) -> None:
        """Write a file so that a reader sees the old content or the new; `durable`: also after a power cut."""
        write_whole(path, content, mode, durable=durable)

    def touch(self, path: Path) -> None:
        """Make an empty file, if there is none."""
        path.touch()

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there."""
        path.unlink(missing_ok=True)

    def exists(self, path: Path) -> bool:
        """Whether there is anything at a path."""
        return path.exists()

    def is_file(self, path: str) -> bool:
        """Whether there is a regular file at a path, perhaps behind a link. Fast, for many paths."""
        return os.path.isfile(path)  # noqa: PTH113 - a thousand of them are looked for

    def identity(self, path: Path) -> FileIdentity | None:
        """Which version of which file is at a path; None if there is none."""
        return identify(str(path))

    def names(self, directory: Path) -> list[str]:
        """What is in a directory, in no order."""
        return os.listdir(directory)  # noqa: PTH208 - names

    def files(self, directory: Path) -> list[str]:
        """The regular files in a directory that are no links, in no order."""
        with os.scandir(directory) as found:
            return [item.name for item in found if item.is_file(follow_symlinks=False)]

    def make_directory(self, path: Path, *, parents: bool = False) -> None:
        """Make a directory if need be; with `parents` also those above it."""
        path.mkdir(mode=0o755, parents=parents, exist_ok=True)

    def lock(self, path: Path) -> Callable[[], None]:
        """Take a lock, and write this process's pid into its file. Returns what gives it back; raises LockedError."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno != errno.EWOULDBLOCK:
                raise
            raise LockedError(os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()) from None
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            error.filename = str(path)
            raise
        return lambda: os.close(descriptor)
