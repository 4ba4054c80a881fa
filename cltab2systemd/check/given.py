"""The directives of an entry that count, and what is written in them. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cltab2systemd.table.settings import Directive

# Another root, in which the command is looked for.
ROOTS = ("RootDirectory", "RootImage")
# Directives that put something else into the place of files; then nothing is told of any.
_COVERING_WORDS = """
    RootImage MountImages ExtensionImages ExtensionDirectories BindPaths BindReadOnlyPaths TemporaryFileSystem
    InaccessiblePaths RootMStack
"""
COVERING = frozenset(_COVERING_WORDS.split())
_WORD = re.compile(r"""(?:[^\s"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')+""")
_QUOTES = re.compile(r"""["']""")
_SIMPLE = "WorkingDirectory RootDirectory RootImage StandardInput StandardOutput StandardError KillSignal KillMode"
_LAST = frozenset((*_SIMPLE.split(), "TimeoutStopSec", "TimeoutAbortSec", "User", "Group"))


def in_force(directives: Sequence[Directive]) -> Mapping[str, list[Directive]]:
    """The directives of each name that count: without a value it takes back those before it, and a root is one."""
    found: dict[str, list[Directive]] = {}
    for directive in directives:
        if not directive.value or directive.name in ROOTS or directive.name in _LAST:
            found[directive.name] = []
        if directive.value:
            found.setdefault(directive.name, []).append(directive)
    return found


def last(given: Mapping[str, Sequence[Directive]], name: str) -> Directive | None:
    """The directive of a name that counts, of those that have one value; None without one."""
    found = given.get(name, ())
    return found[-1] if found else None


def has_other_files(directives: Sequence[Directive]) -> bool:
    """Whether a command with these directives may see other files than the machine has."""
    return any(directive.name in COVERING or directive.name in ROOTS for directive in directives)


def words(value: str) -> Iterator[str]:
    """The words of a value, without their quotes."""
    return (_QUOTES.sub("", word) for word in _WORD.findall(value))


def is_plain(text: str) -> bool:
    """Whether systemd takes text as it is: it has no specifier, and no escape."""
    return "%" not in text and "\\" not in text
