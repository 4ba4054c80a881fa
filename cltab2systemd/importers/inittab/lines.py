"""The lines of an inittab, and findings about them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.table.diagnostics import Diagnostic, Place, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

BLANKS = " \t\r\f\v"
FIELDS = ("id", "runlevels", "action", "process")
_CONTINUED = "\\"


@dataclass(frozen=True, slots=True)
class Field:
    """Some characters of a line: a field, or a part of one."""

    text: str
    start: int

    @property
    def stripped(self) -> Field:
        """The field without the blanks around it."""
        left = self.text.lstrip(BLANKS)
        return Field(left.rstrip(BLANKS), self.start + len(self.text) - len(left))

    def behind(self, count: int) -> Field:
        """The field without its first characters."""
        return Field(self.text[count:], self.start + count)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an inittab, joined from as many as it has in the file."""

    path: str
    number: int
    parts: tuple[str, ...]  # as in the file, but for the ends of the lines

    @property
    def text(self) -> str:
        """The line without the backslashes that continue it."""
        return "".join((*(part.removesuffix(_CONTINUED) for part in self.parts[:-1]), self.parts[-1]))

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing on the line."""
        return not self.text.strip(BLANKS)

    @property
    def is_comment(self) -> bool:
        """Whether it is a comment with `#`, as every init has them."""
        return _is_comment(self.parts[0])

    @property
    def fields(self) -> tuple[Field, ...]:
        """Its fields, at most four: a process may hold colons."""
        values = self.text.split(":", len(FIELDS) - 1)
        starts = [sum(len(value) + 1 for value in values[:index]) for index in range(len(values))]
        return tuple(map(Field, values, starts))

    def finding(self, severity: Severity, code: str, field: Field, message: str, *, hint: str = "") -> Diagnostic:
        """A finding about some characters of the line, with their place in the file."""
        index, start = 0, field.start
        while index < len(self.parts) - 1 and start >= (length := len(self.parts[index].removesuffix(_CONTINUED))):
            start -= length
            index += 1
        source = self.parts[index]
        width = max(1, min(len(field.text), len(source) - start))
        return Diagnostic(
            code, severity, Place(self.path, self.number + index, start + 1, width), message, source, hint
        )


def read(text: str, path: str) -> Iterator[Line]:
    """The lines of an inittab. A backslash at the end continues any line but a comment with `#`.

    Byte order marks, also where files were joined, and carriage returns of another system's line ends, are left out.
    """
    rows = [row.lstrip("\ufeff") for row in text.split("\n")]
    if not rows[-1]:
        rows.pop()
    pending: list[str] = []
    for number, row in enumerate(rows, 1):
        pending.append(row.removesuffix("\r"))
        continued = pending[-1].endswith(_CONTINUED) and not _is_comment(pending[0])
        if not continued or number == len(rows):
            yield Line(path, number - len(pending) + 1, tuple(pending))
            pending = []


def _is_comment(text: str) -> bool:
    return text.lstrip(BLANKS).startswith("#")
