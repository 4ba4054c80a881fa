"""What the entries of a table bring to a machine: directories, mounts, programs. Read generously. Pure.

Nothing is to be called missing that the table itself makes, mounts or installs before it is needed. Which entry comes
first is not asked: the groups of a table are switched one without the other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cltab2systemd.check.commandline import calls, is_assignment
from cltab2systemd.check.given import words
from cltab2systemd.check.making import LOOKING, MAKING, PATH, known_part, made_in_root
from cltab2systemd.check.needs import needs
from cltab2systemd.check.programs import separated
from cltab2systemd.check.wrappers import behind_wrappers

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from cltab2systemd.check.commandline import Word
    from cltab2systemd.table.model import Entry

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
            if (made := known_part(path)) != "/":
                self._made.add(made)
                self._on_the_way.update(_with_parents(made))

    def _look(self, entry: Entry) -> None:
        names = separated(entry.command)
        needed = {need.path for need in needs(entry.command) if not need.may_be_made(())}
        self.installs = self.installs or not names.isdisjoint(_INSTALLING)
        found = calls(entry.command)
        if not found:
            if not entry.mode.is_restarted or not names.isdisjoint(MAKING):
                self._add([path for path in PATH.findall(entry.command) if path not in needed])
            self._anywhere = self._anywhere or bool(_MOUNTING.search(entry.command))
        for call in found:
            # A redirection makes a file, and not the directory that it is in.
            written = [redirection.target.text for redirection in call.redirections if ">" in redirection.sign]
            self._made.update(known_part(path) for path in written if path.startswith("/"))
            index = behind_wrappers(call.words)
            if index < len(call.words) and not is_assignment(call.words[index]):
                goes_on = entry.mode.is_restarted and call is found[-1]
                self._of_call(call.words[index:], needed, goes_on=goes_on)

    def _of_call(self, words_of_call: Sequence[Word], needed: Container[str | None], *, goes_on: bool) -> None:
        program, arguments = words_of_call[0], words_of_call[1:]
        if program.name in LOOKING or (goes_on and program.name not in MAKING):
            return
        paths = [path for argument in arguments for path in PATH.findall(argument.text) if path not in needed]
        self._add(paths)
        if program.name in MAKING:
            self._add([*filter(None, made_in_root(program.name, [argument.text for argument in arguments]))])
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
