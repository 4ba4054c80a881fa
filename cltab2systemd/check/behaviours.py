"""What becomes of a program once it is started, by its arguments: what a row of data says. Pure."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Behaviour(enum.StrEnum):
    """What becomes of a program once it is started."""

    ENDS = "ends"  # or nothing is known
    NEVER_ENDS = "never ends"
    DAEMON = "daemon"  # it ends, and leaves a daemon behind
    HANDED_OVER = "handed over"  # it ends, and systemd has started services that are no part of the entry


def unread(path: str) -> str:  # noqa: ARG001 - as what reads files on a machine
    """The content of any file, where no machine is at hand."""
    return ""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A file that decides what becomes of a program if its arguments do not.

    Attributes:
        option: what finds its path in the arguments; all that are found count.
        default: its path if none is found; empty if there is none.
        stays: what is found in it if the program stays in the foreground.
        daemon: what is found in it if the program becomes a daemon.
        line: that, as a person writes it.
    """

    option: str
    default: str = ""
    stays: str | None = None
    daemon: str | None = None
    line: str = ""

    def file_with(self, pattern: str | None, arguments: str, read: Callable[[str], str]) -> str:
        """The path of the file in which a pattern is found; empty if there is none."""
        if pattern is None:
            return ""
        paths = re.findall(self.option, arguments) or [self.default]
        return next((path for path in paths if path and re.search(pattern, read(path), re.MULTILINE)), "")


@dataclass(frozen=True, slots=True)
class Program:
    """Programs of one behaviour, by their names; the first pattern that is found in the arguments decides.

    Arguments are matched as ` ARGUMENT  ARGUMENT `, so that a pattern with blanks around it is a whole one. A pattern
    that is empty is always found, one that is None never.
    """

    names: str
    ends: str | None = None
    never_ends: str | None = None
    daemon: str | None = None
    handed_over: str | None = None
    foreground: str = ""  # the arguments that keep it from becoming a daemon
    without: str = ""  # those that make it one
    path: str = ""  # what is found in the path of the program; another one of its name is not known
    configuration: Configuration | None = None
    source: str = ""  # where its behaviour is documented

    def behaviour(self, arguments: str, read: Callable[[str], str] = unread) -> Behaviour:
        """What becomes of it with these arguments, and with the files that there are."""
        for pattern, behaviour in (
            (self.ends, Behaviour.ENDS),
            (self.never_ends, Behaviour.NEVER_ENDS),
            (self.daemon, Behaviour.DAEMON),
            (self.handed_over, Behaviour.HANDED_OVER),
        ):
            if pattern is not None and re.search(pattern, arguments):
                is_kept = behaviour is Behaviour.DAEMON and self._file_that_keeps(arguments, read)
                return Behaviour.NEVER_ENDS if is_kept else behaviour
        return Behaviour.DAEMON if self.file_of_daemon(arguments, read) else Behaviour.ENDS

    def _file_that_keeps(self, arguments: str, read: Callable[[str], str]) -> str:
        found = self.configuration
        return found.file_with(found.stays, arguments, read) if found else ""

    def file_of_daemon(self, arguments: str, read: Callable[[str], str]) -> str:
        """The file that makes a daemon of it; empty if none does."""
        found = self.configuration
        return found.file_with(found.daemon, arguments, read) if found else ""


def letters(given: str) -> str:
    """The pattern of an argument that has one of these one-letter options, perhaps among others: `-D`, `-eD`."""
    return rf" -[A-Za-z]{{0,3}}[{given}][A-Za-z]{{0,3}} "


def words_of(words: str) -> str:
    """The pattern of an argument that is one of these words, options perhaps with a value: `--nodaemon`."""
    return rf" (?:{'|'.join(map(re.escape, words.split()))})(?:=\S*)? "


def about(options: str = "") -> str:
    """The pattern of what has a program only print something, or test its configuration: its options for that."""
    return words_of(f"--help -? --version --usage {options}")


ALWAYS = ""
