"""Text that looks like other text, or like nothing: what an editor or a web page leaves in a table. Pure.

All of it is legal, and arrives byte for byte. But to a shell a no-break space is a letter, and a hyphen that a word
processor has put in the place of `-` begins no option.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.table.model import FIELDS
from cltab2systemd.table.settings import SETTING
from cltab2systemd.units.commands import SHELL, command_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.table.model import Entry, Table
    from cltab2systemd.table.settings import Setting

_BLANKS = "\u00a0\u2007\u202f\u3000"
_HYPHENS = "\u2010\u2011"
_INVISIBLE = "\u00ad\u200b\u2060\ufeff"
_ODD = re.compile(f"[\\x01-\\x08\\x0a-\\x1f\\x7f{_BLANKS}{_HYPHENS}{_INVISIBLE}]")
_LINE_END = "\r"


def is_odd(text: str) -> bool:
    """Whether text has a character that this module warns of."""
    return _ODD.search(text) is not None


def findings(table: Table) -> Iterator[Diagnostic]:
    """A warning for each entry and setting with such a character: the first one, and how many more there are.

    Carriage returns at the ends of lines are one fault of the whole file.
    """
    ends = [entry for entry in table.entries if _shell_gets_line_end(entry)]
    if ends:
        yield _line_ends(ends)
    for entry in table.entries:
        yield from _of_line(entry)
    for setting in table.settings:
        yield from _of_line(setting)


def _of_line(line: Entry | Setting) -> Iterator[Diagnostic]:
    text = line.line.removesuffix(_LINE_END)
    found = [*_ODD.finditer(text)]
    if found:
        first, more = found[0], len(found) - 1
        others = f", and {more} more such on the line" if more else ""
        name = unicodedata.name(first[0], "control character")
        yield Diagnostic.of(
            "odd-character",
            line.place.part(first.start(), 1),
            f"U+{ord(first[0]):04X}, {name.lower()}, in the {_where(text, first.start())}{others}",
            source=line.line,
            hint=_meant(first[0]),
        )


def _where(text: str, start: int) -> str:
    """Which field of an entry a character is in, or which part of a setting."""
    if text.startswith(SETTING):
        return "value" if ":" in text[len(SETTING) : start] else "name"
    return FIELDS[min(text.count(":", 0, start), len(FIELDS) - 1)]


def _meant(character: str) -> str:
    if character in _BLANKS:
        return "a plain blank looks the same; to the shell and to programs this one is a letter"
    if character in _HYPHENS:
        return "did you mean '-'?"
    if character in _INVISIBLE:
        return "nobody sees it; remove it"
    if character == _LINE_END:
        return "old Macs end lines so; is there a newline missing?"
    return "remove it; a program gets it as it is"


def _shell_gets_line_end(entry: Entry) -> bool:
    command = entry.command
    return command.endswith(_LINE_END) and command_words(command) == (SHELL, "-c", command)


def _line_ends(entries: list[Entry]) -> Diagnostic:
    first, more = entries[0], len(entries) - 1
    others = f", and so on {more} more line{'s' if more > 1 else ''}" if more else ""
    return Diagnostic.of(
        "odd-character",
        first.place.part(len(first.line) - 1, 1),
        f"the line ends with a carriage return, which the shell takes for a part of the last word{others}",
        source=first.line,
        hint="save the file with the line ends of Unix",
    )
