"""Where a machine may have files later that it does not have now: mounts that are configured, and tmpfiles.d."""

from __future__ import annotations

import functools
import posixpath
import re
from typing import TYPE_CHECKING

from cltab2systemd.check.filesystem import What
from cltab2systemd.check.making import is_below
from cltab2systemd.check.provided import Provided
from cltab2systemd.table.model import Table
from cltab2systemd.table.spelling import Spellings
from cltab2systemd.units.names import unescape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.check.filesystem import Root

_UNITS = ("/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
_TMPFILES = ("/etc/tmpfiles.d", "/usr/lib/tmpfiles.d")
# The types of tmpfiles.d(5) that make something.
_MAKING = re.compile(r"[fFwdDevqQpLcbC]")
# Where a user finds programs: as login.defs(5), sudoers(5) and pam_env(8) have it if nobody has said otherwise.
_PATHS_OF_USERS = ("/usr/local/games", "/usr/games", "/snap/bin", "/opt/bin")
_PATH_OF_USERS = re.compile(r"^[^#\n]*?(?:PATH|secure_path)\s*=?\s*\"?(?:PATH=)?([^\"\s]+)", re.MULTILINE)


class Places:
    """What is missing for certain: it is not there, and neither the table nor the machine is known to bring it."""

    def __init__(self, table: Table, root: Root) -> None:
        """Nothing is read before something is missing."""
        self._table = table
        self._spellings: dict[tuple[str, ...], Spellings] = {}
        self.root = root

    def is_missing(self, path: str) -> bool:
        """Whether there is nothing at an absolute path, and nobody brings it."""
        found = self.root.find(path)
        if not found.is_missing or self.root.may_be_mounted_over(path):
            return False
        return not any(
            self._provided.brings(place) or self._is_mounted_later(place) or place in self._made_at_boot
            for place in {path, found.path}
        )

    def below(self, path: str) -> Places:
        """The same of what is started with another root: nothing is known to be brought there."""
        return Places(Table(""), self.root.below(path))

    def of_root(self, path: str) -> Places | None:
        """The same of a directory of the machine that becomes a root; None if it is not known what is in it."""
        found = self.root.find(path)
        if found.what is not What.DIRECTORY or not self.root.names(path) or self.brings(path):
            return None
        return self.below(path)

    def like(self, name: str, directories: tuple[str, ...]) -> str | None:
        """A name in directories that is a slip away from the given one; None if there is none."""
        if (found := self._spellings.get(directories)) is None:
            names = (name for directory in directories for name in self.root.names(directory))
            found = self._spellings[directories] = Spellings(names)
        return found.like(name)

    def brings(self, path: str) -> bool:
        """Whether an entry of the table may change what is at a path."""
        return self._provided.brings(path)

    @property
    def installs(self) -> bool:
        """Whether an entry of the table installs programs."""
        return self._provided.installs

    @functools.cached_property
    def paths_of_users(self) -> tuple[str, ...] | None:
        """The directories that another user may have in his PATH without a login; None if a file hides some."""
        found = [*_PATHS_OF_USERS]
        drop_ins = (f"/etc/sudoers.d/{name}" for name in self.root.names("/etc/sudoers.d"))
        for path in ("/etc/sudoers", *drop_ins, "/etc/environment", "/etc/login.defs", "/etc/doas.conf"):
            content = self.root.content(path)
            if content is None and not self.root.find(path).is_missing:
                return None
            for value in _PATH_OF_USERS.findall(content or ""):
                found += [part for part in value.split(":") if part.startswith("/")]
        return tuple(dict.fromkeys(found))

    @functools.cached_property
    def _provided(self) -> Provided:
        return Provided(self._table.entries)

    def _is_mounted_later(self, path: str) -> bool:
        return any(is_below(path, point) for point in self._mount_points)

    @functools.cached_property
    def _mount_points(self) -> frozenset[str]:
        """The mount points of fstab(5), of mount units, and of the automounter, at which nothing is mounted now."""
        points = {*self._of_fstab(), *self._of_units()}
        waiting = {point for point in points if self.root.find(point).what is not What.DIRECTORY
                   or not self.root.names(point)}  # fmt: skip
        return frozenset(waiting | {*self._of_automounter()})

    def _of_fstab(self) -> Iterator[str]:
        for fields in self._lines("/etc/fstab"):
            if len(fields) > 1 and fields[1].startswith("/") and fields[1] != "/":
                yield posixpath.normpath(fields[1].replace("\\040", " "))

    def _of_automounter(self) -> Iterator[str]:
        for fields in self._lines("/etc/auto.master"):
            if fields[0].startswith("/") and fields[0] != "/-":
                yield posixpath.normpath(fields[0])

    def _of_units(self) -> Iterator[str]:
        for directory in _UNITS:
            for name in self.root.names(directory):
                stem, _, suffix = name.rpartition(".")
                if suffix in {"mount", "automount"} and stem != "-":
                    yield "/" + unescape(stem.replace("-", "/"))

    @functools.cached_property
    def _made_at_boot(self) -> frozenset[str]:
        found = set()
        for directory in _TMPFILES:
            for name in self.root.names(directory):
                for fields in self._lines(f"{directory}/{name}") if name.endswith(".conf") else ():
                    if len(fields) > 1 and _MAKING.match(fields[0]):
                        found.add(posixpath.normpath(fields[1]))
        return frozenset(found)

    def _lines(self, path: str) -> Iterator[list[str]]:
        """The fields of each line of a file that is no comment."""
        for line in (self.root.content(path) or "").splitlines():
            if (fields := line.split()) and not fields[0].startswith("#"):
                yield fields
