"""What the entries of a table bring to a machine: directories, mounts, programs. Read generously. Pure.

Nothing is to be called missing that the table itself makes, mounts or installs before it is needed. Which entry comes
first is not asked: the groups of a table are switched one without the other.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from cltab2systemd.check.commandline import calls, is_assignment
from cltab2systemd.check.given import words
from cltab2systemd.check.needs import needs
from cltab2systemd.check.programs import separated
from cltab2systemd.check.wrappers import behind_wrappers

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from cltab2systemd.check.commandline import Word
    from cltab2systemd.table.model import Entry

# What makes files, or mounts them, also in an entry that goes on to run a server.
_MAKING_WORDS = """
    mkdir install cp mv ln touch rsync tar bsdtar unzip cpio git svn hg mount sshfs bindfs rclone truncate dd tee scp
    wget curl mkfifo initdb virtualenv composer bundle debootstrap systemd-tmpfiles useradd adduser
"""
_MAKING = frozenset(_MAKING_WORDS.split())
# What only looks: a path among its arguments says nothing.
_LOOKING_WORDS = "test [ cd chdir ls cat stat grep find head tail echo printf exec . source true false :"
_LOOKING = frozenset(_LOOKING_WORDS.split())
# What mounts file systems without saying where.
_MOUNTING = re.compile(r"mount|zpool|zfs|autofs|udisks|Filesystem|gluster|ceph|lustre|gpfs|mmstart", re.IGNORECASE)
_INSTALLING_WORDS = """
    apt apt-get aptitude dpkg dnf yum rpm zypper apk pacman pip pip3 npm yarn gem cargo make snap flatpak puppet
    ansible-playbook ansible-pull chef-client chef-solo salt-call cf-agent nix-env guix
"""
_INSTALLING = frozenset(_INSTALLING_WORDS.split())
# Each with where the directories are that it names.
_MADE_BY_SYSTEMD = {"RuntimeDirectory": "/run", "StateDirectory": "/var/lib", "CacheDirectory": "/var/cache",
                    "LogsDirectory": "/var/log", "ConfigurationDirectory": "/etc"}  # fmt: skip
_PATH = re.compile(r"""(?:(?<=[\s=:,;"'>(|&])|\A)/[^\s=:,;"'<>()|&]*""")


class Provided:
    """What a table brings, and where."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        """Look through the commands and the directives of all of these entries."""
        self.installs = False
        self._anywhere = False
        self._made: set[str] = set()  # the paths, and below them there may be anything
        self._on_the_way: set[str] = set()
        for entry in entries:
            if entry.runnable:
                self._add(_made_by_systemd(entry))
                self._look(entry)

    def brings(self, path: str) -> bool:
        """Whether something may be at an absolute path because of the table."""
        if self._anywhere and not path.startswith(("/usr/", "/bin/", "/sbin/", "/lib/", "/etc/")):
            return True
        return path in self._on_the_way or any(part in self._made for part in _with_parents(path))

    def _add(self, paths: Iterator[str] | Sequence[str]) -> None:
        for path in paths:
            known, dollar, _ = path.partition("$")
            made = posixpath.normpath(posixpath.dirname(known) if dollar else known)
            if made != "/":
                self._made.add(made)
                self._on_the_way.update(_with_parents(made))

    def _look(self, entry: Entry) -> None:
        names = separated(entry.command)
        needed = {need.path for need in needs(entry.command)}
        self.installs = self.installs or not names.isdisjoint(_INSTALLING)
        found = calls(entry.command)
        if not found:
            if not entry.mode.is_restarted or not names.isdisjoint(_MAKING):
                self._add([path for path in _PATH.findall(entry.command) if path not in needed])
            self._anywhere = self._anywhere or bool(_MOUNTING.search(entry.command))
        for call in found:
            self._add([redirection.target.text for redirection in call.redirections if "/" in redirection.target.text])
            index = behind_wrappers(call.words)
            if index < len(call.words) and not is_assignment(call.words[index]):
                self._of_call(entry, call.words[index:], needed)

    def _of_call(self, entry: Entry, words_of_call: Sequence[Word], needed: Container[str | None]) -> None:
        program, arguments = words_of_call[0], words_of_call[1:]
        if program.name in _LOOKING or (entry.mode.is_restarted and program.name not in _MAKING):
            return
        paths = [path for argument in arguments for path in _PATH.findall(argument.text) if path not in needed]
        self._add(paths)
        told = f"{program.name} {' '.join(argument.text for argument in arguments)}"
        is_told = program.name == "mount" and any(not path.startswith("/dev/") for path in paths)
        self._anywhere = self._anywhere or (not is_told and bool(_MOUNTING.search(told)))


def _made_by_systemd(entry: Entry) -> Iterator[str]:
    for directive in entry.directives:
        if top := _MADE_BY_SYSTEMD.get(directive.name):
            yield from (f"{top}/{word.partition(':')[0]}" for word in words(directive.value))


def _with_parents(path: str) -> Iterator[str]:
    while path not in {"", "/"}:
        yield path
        path = path.rpartition("/")[0]
