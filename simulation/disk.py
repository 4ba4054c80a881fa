"""A disk in memory, which can be full, and on which a daemon can die between any two writes."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, cast

from cltab2systemd.disk.files import Disk, FileIdentity, LockedError
from simulation.clock import Killed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STATE = "/run/cltab2systemd/system"
"""Where the daemon keeps its state."""


class Name(str):
    """A path that is put together as fast as it can be: most of what the core does with files is to name them."""

    __slots__ = ()

    def __truediv__(self, name: str) -> Name:
        return Name(f"{self}/{name}")

    @property
    def name(self) -> str:
        """What stands behind the last slash."""
        return self.rpartition("/")[2]

    @property
    def parent(self) -> Name:
        """What stands before it."""
        return Name(self.rpartition("/")[0])

    @property
    def parents(self) -> list[Name]:
        """All directories above it."""
        found, name = [], self.parent
        while name:
            found.append(name)
            name = name.parent
        return found


def path(text: str) -> Path:
    """A path on a disk in memory."""
    return cast("Path", Name(text))


class Files:
    """What is on the disk: by directory, the content of each file by its name."""

    def __init__(self) -> None:
        self.directories: dict[str, dict[str, bytes]] = {}
        self.is_full = False
        self.version = 0  # another one after each change

    def content(self, path: str) -> bytes | None:
        """What a file holds; None if there is none."""
        directory, _, name = path.rpartition("/")
        return self.directories.get(directory, {}).get(name)

    def put(self, path: str) -> bool:
        """Have an empty file there, as a command does; whether that can be."""
        directory, _, name = path.rpartition("/")
        found = self.directories.setdefault(directory, {})
        if self.is_full and name not in found:
            return False
        found.setdefault(name, b"")
        self.version += 1
        return True

    def drop(self, path: str) -> None:
        """Have no file there, as a command does."""
        directory, _, name = path.rpartition("/")
        self.directories.get(directory, {}).pop(name, None)
        self.version += 1

    def names(self, directory: str) -> list[str]:
        """What is in a directory, in a fixed order."""
        return sorted(self.directories.get(directory, {}))


class MemoryDisk(Disk):
    """The disk as one daemon has it.

    Args:
        files: what is on it.
        acts: called before each write; raises Killed if the daemon does not come to it.
    """

    def __init__(self, files: Files, acts: Callable[[str], None]) -> None:
        self._files = files
        self._acts = acts

    def read(self, path: Path) -> bytes:
        content = self.content(path)
        if content is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return content

    def content(self, path: Path) -> bytes | None:
        return self._files.content(str(path))

    def write(self, path: Path, content: bytes, mode: int = 0o644, *, durable: bool = False) -> None:  # noqa: ARG002
        self._put(path, content)

    def touch(self, path: Path) -> None:
        if not self.exists(path):
            self._put(path, b"")

    def remove(self, path: Path) -> None:
        if not self.exists(path):
            return
        directory, name = self._act("remove", path)
        del self._files.directories[directory][name]

    def exists(self, path: Path) -> bool:
        return self._files.content(str(path)) is not None

    def is_file(self, path: str) -> bool:
        return self._files.content(path) is not None

    def identity(self, path: Path) -> FileIdentity | None:
        return FileIdentity(0, 0, 0, 0, 0) if self.exists(path) else None

    def names(self, directory: Path) -> list[str]:
        return self._files.names(str(directory))

    def files(self, directory: Path) -> list[str]:
        return self._files.names(str(directory))

    def make_directory(self, path: Path, *, parents: bool = False) -> None:
        for directory in (path, *(path.parents if parents else ())):
            self._files.directories.setdefault(str(directory), {})

    def lock(self, path: Path) -> Callable[[], None]:
        if self.content(path):
            raise LockedError("1")
        return lambda: None

    def _put(self, path: Path, content: bytes) -> None:
        if self._files.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        directory, name = self._act("write", path)
        self._files.directories[directory][name] = content

    def _act(self, what: str, path: Path) -> tuple[str, str]:
        self._acts(f"{what} {path}")
        self._files.version += 1
        directory, _, name = str(path).rpartition("/")
        return directory, name


__all__ = ["Files", "Killed", "MemoryDisk"]
