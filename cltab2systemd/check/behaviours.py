"""What becomes of a program once it is started, by its arguments: what a row of data says. Pure."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass


class Behaviour(enum.StrEnum):
    """What becomes of a program once it is started."""

    ENDS = "ends"  # or nothing is known
    NEVER_ENDS = "never ends"
    DAEMON = "daemon"  # it ends, and leaves a daemon behind
    HANDED_OVER = "handed over"  # it ends, and systemd has started services that are no part of the entry


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
    source: str = ""  # where its behaviour is documented

    def behaviour(self, arguments: str) -> Behaviour:
        """What becomes of it with these arguments."""
        for pattern, behaviour in (
            (self.ends, Behaviour.ENDS),
            (self.never_ends, Behaviour.NEVER_ENDS),
            (self.daemon, Behaviour.DAEMON),
            (self.handed_over, Behaviour.HANDED_OVER),
        ):
            if pattern is not None and re.search(pattern, arguments):
                return behaviour
        return Behaviour.ENDS


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
