"""Findings about a table, as data: what, where, and what to do. Printing is `render`, deciding is the caller's."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.terminal import columns, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

# A caret line under a line of a megabyte helps nobody: the source line is shown cut around the finding.
SHOWN_WIDTH = 160


class Severity(enum.StrEnum):
    """How bad a finding is: an error keeps the table from taking effect, a warning does not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


# Every code that a finding about a table can have; docs/diagnostics.md explains each. A code never changes its meaning:
# people's scripts know them.
_ERRORS = """
    field-count empty-group empty-tag empty-levels blank-in-group blank-in-tag blank-in-levels long-group long-tag
    long-levels duplicate-tag group-too-large unknown-mode long-command long-line nul-byte byte-order-mark
    directive-form directive-refused directive-value setting-taken setting-unwritable too-many-findings unreadable
    wide-encoding old-line-ends setting-value setting-misplaced waiting-circle undeclared-level
"""
_WARNINGS = """
    setting-form unknown-setting repeated-setting unknown-tag unknown-group unknown-level unknown-boot-level
    declared-level escaped-name levels-without-comma similar-level no-level never-ends stopped-daemon respawned-daemon
    outside-the-group shell-syntax directive-unknown directive-doubtful unknown-user too-many-warnings builtin-alone
    relative-program comment-in-command odd-character byte-order-mark-inside shell-needed
    exec-option other-shell child-unheard harsh-signal short-stop missing-program not-executable missing-path
    also-enabled port-taken
    cluster-and-boot cluster-without cluster-circle cluster-address
"""
CODES = dict.fromkeys(_ERRORS.split(), Severity.ERROR) | dict.fromkeys(_WARNINGS.split(), Severity.WARNING)


@dataclass(frozen=True, slots=True)
class Place:
    """A range of characters in one line of a file; line and column count from 1, width in characters."""

    path: str
    line: int
    column: int = 1
    width: int = 1

    def part(self, start: int, width: int) -> Place:
        """Some characters of the place, from the given one on, counted from 0; at least one."""
        return Place(self.path, self.line, self.column + start, max(1, width))

    @property
    def order(self) -> tuple[str, int]:
        """By which the lines of a table are in the order in which they are read: a fragment's path is the longer."""
        return self.path, self.line

    def seen_from(self, path: str) -> str:
        """Where it is, for a reader of a file: `on line 3`, or `in FILE:3` if it is in another one."""
        return f"on line {self.line}" if path == self.path else f"in {self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: a stable code, its severity, the place, the message, the line it is about, and perhaps a hint."""

    code: str
    severity: Severity
    place: Place
    message: str
    source: str = ""
    hint: str = ""

    @classmethod
    def of(cls, code: str, place: Place, message: str, *, source: str = "", hint: str = "") -> Diagnostic:
        """A finding about a table, as bad as `CODES` says."""
        return cls(code, CODES[code], place, message, source, hint)

    @property
    def summary(self) -> str:
        """The finding in one line, `path:line:column: severity: message`."""
        place = self.place
        return f"{place.path}:{place.line}:{place.column}: {self.severity}: {self.message}"


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether any of the findings keeps a table from taking effect."""
    return any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The findings in the order of their places, as a reader goes through the file."""
    return tuple(sorted(diagnostics, key=lambda d: (*d.place.order, d.place.column, d.code)))


def render(diagnostic: Diagnostic) -> str:
    """The finding as a person reads it: summary and code, the source line, a caret under the place, the hint.

    Returns lines joined by newlines, without a trailing one. The source line is shown with its control characters
    and undecodable bytes escaped, and cut to `SHOWN_WIDTH` characters around the place.
    """
    lines = [f"{printable(diagnostic.summary)} [{diagnostic.code}]"]
    if diagnostic.source:
        start = max(0, diagnostic.place.column - 1)
        cut = max(0, start - SHOWN_WIDTH // 2)
        shown = diagnostic.source[cut : cut + SHOWN_WIDTH]
        before = printable(shown[: start - cut])
        marked = printable(shown[start - cut : start - cut + max(1, diagnostic.place.width)])
        after = printable(shown[start - cut + max(1, diagnostic.place.width) :])
        lines += [f"  {before}{marked}{after}", "  " + " " * columns(before) + "^" + "~" * (columns(marked) - 1)]
    if diagnostic.hint:
        lines.append(f"  hint: {diagnostic.hint}")
    return "\n".join(lines)
