"""A line of a table at hand, and what is wrong with the names in one. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.table.diagnostics import Diagnostic, Place
from cltab2systemd.table.model import LONGEST_NAME
from cltab2systemd.terminal import shortened
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

# What Perl's split ' ' takes for blanks, and so what would break a line of clstat, with the other control characters.
_UNUSABLE_IN_NAME = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True, slots=True)
class Line:
    """A line at hand, to make findings about it."""

    path: str
    number: int
    text: str

    def place(self, start: int, width: int) -> Place:
        """A range of its characters, from 0."""
        return Place(self.path, self.number, start + 1, max(1, width))

    def finding(self, code: str, start: int, width: int, message: str, *, hint: str = "") -> Diagnostic:
        """A finding about such a range."""
        return Diagnostic.of(code, self.place(start, width), message, source=self.text, hint=hint)


def check_name(line: Line, name: str, start: int, value: str) -> Iterator[Diagnostic]:
    """What is wrong with a name of a kind, as `tag`, that begins at a character of the line: at most one finding."""
    if not value:
        yield line.finding(f"empty-{name}", start, 1, f"empty {name}")
    elif match := _UNUSABLE_IN_NAME.search(value):
        what = "blank" if match[0].isspace() else "control character"
        yield line.finding(
            f"blank-in-{name}",
            start + match.start(),
            1,
            f"{what} in {name} '{shortened(value)}'",
            hint="clstat is split on blanks, so names cannot have any",
        )
    elif (length := byte_length(value)) > LONGEST_NAME:
        yield line.finding(
            f"long-{name}", start, len(value), f"{name} of {length} bytes; at most {LONGEST_NAME} fit into a unit name"
        )


def byte_length(text: str) -> int:
    """How many bytes a text of a table has in the file."""
    return len(text) if text.isascii() else len(encoded(text))
