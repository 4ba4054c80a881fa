"""What a part of a command may make, so that a later part finds it. Read generously. Pure.

What a program makes is not known, so anything counts that it is given: a path, what is below it, and the directories
on the way to it. Of a relative argument, anything below the working directory does; but in `/` that would be all there
is, so that it is what the argument names. Programs that only look, or change what is there, make nothing; what a shell
writes into with `>` is just that file.
"""

from __future__ import annotations

import functools
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.check.wrappers import behind_wrappers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cltab2systemd.check.commandline import Call, Word

# What makes files, or mounts them, also in an entry that goes on to run a server.
_MAKING_WORDS = """
    mkdir install cp mv ln touch rsync tar bsdtar unzip cpio git svn hg mount sshfs bindfs rclone truncate dd tee scp
    wget curl mkfifo mktemp initdb virtualenv composer bundle debootstrap systemd-tmpfiles useradd adduser
"""
MAKING = frozenset(_MAKING_WORDS.split())
# What makes more than its arguments name, and the beginnings of options that say where.
_UNPACKING = frozenset(["tar", "bsdtar", "unzip", "cpio", "git"])
_WHERE = ("-C", "-d", "-D", "--directory")
_EXTRACTING = re.compile(r"-?\w*x|--extract|--get")
# What only looks, or takes away: a path among its arguments says nothing.
_LOOKING_WORDS = """
    test [ cd chdir ls cat stat grep egrep fgrep head tail wc sort uniq cut date id hostname uname sleep echo printf
    pwd : true false . source read wait set unset shift export readonly local umask ulimit trap exit return kill
    pkill killall pgrep pidof rm rmdir unlink logger sync nc ping sysctl modprobe ip find exec
"""
LOOKING = frozenset(_LOOKING_WORDS.split())
# What changes a file that is there.
_CHANGING = frozenset(["chmod", "chown", "chgrp", "setfacl", "setcap", "sed"])

PATH = re.compile(r"""(?:(?<=[\s=:,;"'>(|&])|\A)/[^\s=:,;"'<>()|&]*""")
_EXPANDED = re.compile(r"[$`*?\[{~]")
_ANYWHERE = ""
# Of a command with more parts than a person reads, anything may be made: each need looks through those before it.
_MOST_PARTS = 16


def is_below(path: str, directory: str) -> bool:
    """Whether a path is a directory, or is in it or below it; all absolute ones are below an empty one."""
    return f"{path}/".startswith(f"{directory.rstrip('/')}/")


def known_part(path: str) -> str:
    """The part of a path that a shell does not expand: the path, or the directory that it is in for certain."""
    known = _EXPANDED.split(path, maxsplit=1)[0]
    return posixpath.normpath(path if known == path else posixpath.dirname(known))


@dataclass(frozen=True)
class Earlier:
    """A part of a command that is run before another one.

    Attributes:
        call: the part.
        directory: in which it runs; None if that is not known.
        before: the part before it; None if it is the first one.
    """

    call: Call
    directory: str | None
    before: Earlier | None = None

    def may_make(self, path: str, *, is_there: bool = False) -> bool:
        """Whether this part or one before it may make what is at an absolute path, or change what is there."""
        part: Earlier | None = self
        for _ in range(_MOST_PARTS):
            if part is None:
                return False
            if path in part.written or any(is_below(path, made) or is_below(made, path) for made in part.made):
                return True
            if is_there and any(is_below(path, changed) for changed in part.changed):
                return True
            part = part.before
        return part is not None

    @functools.cached_property
    def written(self) -> frozenset[str]:
        """The files that redirections make."""
        targets = (found.target for found in self.call.redirections if ">" in found.sign and found.target.is_exact)
        paths = (self._absolute(target.text) for target in targets)
        return frozenset(path for path in paths if path)

    @functools.cached_property
    def made(self) -> frozenset[str]:
        """What its program may make, below which there may be anything."""
        return frozenset(self._of_program()) - {"/"}

    @functools.cached_property
    def changed(self) -> frozenset[str]:
        """What its program changes, and does not make."""
        words = self._behind_wrappers()
        if not words or words[0].name not in _CHANGING:
            return frozenset()
        paths = (self._absolute(word.text) for word in words[1:])
        return frozenset(known_part(path) for path in paths if path)

    def _of_program(self) -> Iterator[str]:
        words = self._behind_wrappers()
        if not words or words[0].name in LOOKING or words[0].name in _CHANGING:
            return
        is_making = words[0].name in MAKING
        for word in words[1:]:
            yield from map(known_part, PATH.findall(word.text))
            if is_making and not word.is_exact and _EXPANDED.match(word.text):
                yield _ANYWHERE
            elif word.text.startswith("..") and self.directory:
                yield known_part(posixpath.join(self.directory, word.text))
        if self.directory == "/":
            yield from made_in_root(words[0].name, [word.text for word in words[1:]])
        operands = [word.text for word in words[1:] if not word.text.startswith("-")]
        if not operands or not all(operand.startswith("/") for operand in operands):
            if self.directory is not None:
                yield posixpath.normpath(self.directory)
            elif is_making:
                yield _ANYWHERE

    def _behind_wrappers(self) -> Sequence[Word]:
        return self.call.words[behind_wrappers(self.call.words) :]

    def _absolute(self, path: str) -> str | None:
        if path.startswith("/"):
            return posixpath.normpath(path)
        return None if self.directory is None else posixpath.normpath(posixpath.join(self.directory, path))


def made_in_root(name: str, arguments: Sequence[str]) -> Iterator[str]:
    """What relative arguments of a program that runs in `/` may make, or that it unpacks; an empty path is anywhere."""
    if name in _UNPACKING and not _is_told_where(name, arguments):
        yield _ANYWHERE
    for argument in arguments:
        value = argument.rpartition("=")[2]
        is_option = argument.startswith("-") and value == argument
        if not value or is_option or (value.startswith("/") and value != "/"):
            continue
        # What is fetched has the last part of its address for a name.
        made = posixpath.basename(value).removesuffix(".git") if "://" in value else value
        if (path := known_part(posixpath.join("/", made))) != "/":
            yield path
        elif name in MAKING and name != "mount":
            yield _ANYWHERE


def _is_told_where(name: str, arguments: Sequence[str]) -> bool:
    """Whether what unpacks something does not do so in its working directory; a tar(1) that packs does not at all."""
    options = [argument for argument in arguments if argument.startswith("-")]
    if name in {"tar", "bsdtar"} and not any(map(_EXTRACTING.match, [*arguments[:1], *options])):
        return True
    into = [argument for argument in arguments[-1:] if argument.startswith("/") and name == "git"]
    return bool(into) or any(option.startswith(_WHERE) for option in options)
