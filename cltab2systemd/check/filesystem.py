"""The files of this machine, or of a tree that is the root of another one: what is there, and what may be executed.

Links lead where they would lead if the tree were the root. What may not be looked at is not known, and so is what is
missing where a boot makes all there is. Each path is looked up once.
"""

from __future__ import annotations

import enum
import os
import stat
from typing import NamedTuple

from cltab2systemd.text import decoded, encoded

# As the kernel has it (path_resolution(7)).
_MOST_LINKS = 40
_LARGEST_FILE = 1024 * 1024
_LONGEST_FIRST_LINE = 256
# A boot makes what is in there, and programs do later.
_VOLATILE = ("/dev/", "/proc/", "/run/", "/sys/", "/tmp/", "/var/run/", "/var/lock/", "/var/tmp/")  # noqa: S108
# Directories of the Filesystem Hierarchy Standard. They are there without anything in them, too.
_STANDARD_WORDS = """
    / /bin /boot /etc /home /lib /lib64 /media /mnt /opt /root /sbin /srv /usr /usr/bin /usr/lib /usr/libexec /usr/local
    /usr/local/bin /usr/local/etc /usr/local/lib /usr/local/libexec /usr/local/sbin /usr/local/share /usr/sbin
    /usr/share /usr/src /var /var/cache /var/lib /var/log /var/mail /var/opt /var/spool
"""
_STANDARD = frozenset(_STANDARD_WORDS.split())


def is_volatile(path: str) -> bool:
    """Whether what is at a path is made by a boot, or later: nothing is missing there for certain."""
    return f"{path}/".startswith(_VOLATILE)


class What(enum.Enum):
    """What is at a path."""

    FILE = "a file"
    PROGRAM = "a file that somebody may execute"
    DIRECTORY = "a directory"
    OTHER = "something else"
    MISSING = "nothing"
    UNKNOWN = "it cannot be told"


class Found(NamedTuple):
    """What is at a path, and where that is when all links are followed; of what is missing, where it would be."""

    what: What
    path: str

    @property
    def is_missing(self) -> bool:
        """Whether nothing is there for certain."""
        return self.what is What.MISSING


class Root:
    """A tree of files, `/` or a directory that holds another machine's. Paths are as that machine has them."""

    def __init__(self, path: str = "/") -> None:
        """Take the tree below a directory; nothing is read yet."""
        self._prefix = "" if path == "/" else path.rstrip("/")
        self._bytes = os.fsencode(self._prefix)  # noqa: TID251 - it is the path of a real directory
        self._found: dict[str, Found] = {}
        self._first_lines: dict[str, str] = {}
        self._stats: dict[str, os.stat_result | OSError] = {}

    @property
    def is_this_machine(self) -> bool:
        """Whether it is the root of the machine that runs this."""
        return not self._prefix

    @property
    def name(self) -> str:
        """The tree as a sentence begins with it: `this machine`, or its directory."""
        return self._prefix or "this machine"

    def below(self, path: str) -> Root:
        """The tree that is the root of what is started with `RootDirectory=`."""
        return Root((self._prefix + self.find(path).path) or "/")

    def find(self, path: str) -> Found:
        """What is at an absolute path."""
        found = self._found.get(path)
        if found is None:
            found = self._found[path] = self._look(path)
        return found

    def search(self, name: str, directories: tuple[str, ...]) -> Found:
        """The program of a name in the first directory that has it, as execvp(3) looks for it.

        What no directory has is missing. A file that nobody may execute is found if there is no other.
        """
        other = Found(What.MISSING, name)
        for directory in directories:
            found = self.find(f"{directory.rstrip('/')}/{name}")
            if found.what is What.PROGRAM or found.what is What.UNKNOWN:
                return found
            if found.what is What.FILE and other.is_missing:
                other = found
        return other

    def content(self, path: str, most: int = _LARGEST_FILE) -> str | None:
        """The beginning of a regular file, of at most so many bytes; None if there is none that can be read."""
        found = self.find(path)
        if found.what not in {What.FILE, What.PROGRAM}:
            return None
        try:
            with open(self._real(found.path), "rb") as stream:  # noqa: PTH123 - its name is bytes, here and below
                return decoded(stream.read(most))
        except OSError:
            return None

    def first_line(self, path: str) -> str:
        """The first line of a regular file, or its beginning; empty if there is none that can be read."""
        found = self._first_lines.get(path)
        if found is None:
            found = self._first_lines[path] = (self.content(path, _LONGEST_FIRST_LINE) or "").partition("\n")[0]
        return found

    def names(self, path: str) -> list[str]:
        """The names in a directory, in order; none if there is no such directory, or it cannot be read."""
        found = self.find(path)
        try:
            names = os.listdir(self._real(found.path)) if found.what is What.DIRECTORY else []  # noqa: PTH208
            return sorted(map(decoded, names))
        except OSError:
            return []

    def link(self, path: str) -> str | None:
        """Where a symbolic link points to, as it is written; None if there is none at this path."""
        try:
            return decoded(os.readlink(self._real(path)))  # noqa: PTH115
        except (OSError, ValueError):
            return None

    def may_be_mounted_over(self, path: str) -> bool:
        """Whether what is missing at a path may be on a file system that is mounted later.

        It may if the last directory on the way to it is empty, as one is that waits for a mount.
        """
        directory = self.find(path).path
        while directory not in {"", "/"}:
            directory = directory.rpartition("/")[0] or "/"
            if self.find(directory).what is What.DIRECTORY:
                return directory not in _STANDARD and not self.names(directory)
        return False

    def _real(self, path: str) -> bytes:
        return self._bytes + encoded(path) or b"/"

    def _look(self, path: str) -> Found:
        real = self._followed(path)
        if real is None:
            return Found(What.UNKNOWN, path)
        status = self._status(real)
        if isinstance(status, FileNotFoundError | NotADirectoryError):
            return Found(What.UNKNOWN if is_volatile(path) or is_volatile(real) else What.MISSING, real)
        if isinstance(status, OSError):
            return Found(What.UNKNOWN, real)
        if stat.S_ISDIR(status.st_mode):
            return Found(What.DIRECTORY, real)
        if not stat.S_ISREG(status.st_mode):
            return Found(What.OTHER, real)
        return Found(What.PROGRAM if status.st_mode & 0o111 else What.FILE, real)

    def _followed(self, path: str) -> str | None:
        """A path without links; None if there are too many, or one cannot be read.

        From what is missing on, it goes on as it is.
        """
        done, left, links = "", [part for part in path.split("/") if part and part != "."][::-1], 0
        while left:
            part = left.pop()
            if part == "..":
                done = done.rpartition("/")[0]
                continue
            status = self._status(f"{done}/{part}")
            if not isinstance(status, OSError) and stat.S_ISLNK(status.st_mode):
                links += 1
                target = self.link(f"{done}/{part}")
                if links > _MOST_LINKS or target is None:
                    return None
                done = "" if target.startswith("/") else done
                left += [found for found in target.split("/") if found and found != "."][::-1]
                continue
            done = f"{done}/{part}"
        return done or "/"

    def _status(self, path: str) -> os.stat_result | OSError:
        """The status of a path, without following a link at its end; what the system says if there is none."""
        found = self._stats.get(path)
        if found is None:
            try:
                found = os.lstat(self._real(path))
            except OSError as error:
                found = error
            except ValueError:  # a NUL, which is in no path
                found = FileNotFoundError()
            self._stats[path] = found
        return found
