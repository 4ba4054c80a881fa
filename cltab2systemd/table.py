"""cltab: the grammar, into frozen data. Pure: bytes in, a table and findings out.

The rules are those of Cluster::Init's cltab. A line is a comment (`#` in column 0), blank, a setting
(`:::NAME:VALUE`), or an entry (`group:tag:levels:mode:command`), split at most five ways, so that a command may hold
colons. Text is UTF-8; bytes that are not stay as they are (surrogateescape), so that a command arrives byte for byte.
"""

from __future__ import annotations

import difflib
import enum
import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cltab2systemd.diagnostics import Diagnostic, Place, Severity, in_order, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The kernel passes at most 128 KiB, including the terminating NUL, as one argument (MAX_ARG_STRLEN).
LONGEST_COMMAND = 131_071
# A unit name has at most 255 bytes, so no name can be longer; the exact check is where unit names are made.
LONGEST_NAME = 255
LONGEST_LINE = LONGEST_COMMAND + 4 * LONGEST_NAME + 4

COMMENT = "#"
BLANKS = " \t\r\f\v"
SETTING = ":::"
FIELDS = ("group", "tag", "levels", "mode", "command")

# What Perl's split ' ' takes for blanks, and so what would break a line of clstat, with the other control characters.
_UNUSABLE_IN_NAME = re.compile(r"[\x00-\x20\x7f]")


class Mode(enum.StrEnum):
    """How an entry is run; see cltab(5)."""

    WAIT = "wait"
    RESPAWN = "respawn"
    ONCE = "once"
    TEST = "test"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels field of an entry, and the levels it names.

    It names level L when the whole field equals L; or when it has a comma and one comma-separated part equals L; or
    when it has no comma and one character equals L.
    """

    text: str

    @property
    def names(self) -> tuple[str, ...]:
        """Every level that the field names, each once: the whole field first, then its parts in order."""
        parts = self.text.split(",") if "," in self.text else list(self.text)
        return tuple(dict.fromkeys(name for name in (self.text, *parts) if name))

    def __contains__(self, level: object) -> bool:
        """Whether the field names the level."""
        return level in self.names


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the table. Equality ignores the place: an entry that only moved within the file is the same."""

    group: str
    tag: str
    levels: Levels
    mode: Mode
    command: str
    place: Place = field(compare=False)

    @property
    def line(self) -> str:
        """The entry as a line of a table, without the newline."""
        return f"{self.group}:{self.tag}:{self.levels.text}:{self.mode}:{self.command}"

    @property
    def runnable(self) -> bool:
        """Whether the entry counts in its levels: an `off` entry is never started."""
        return self.mode is not Mode.OFF


@dataclass(frozen=True, slots=True)
class Setting:
    """One `:::name:value` line."""

    name: str
    value: str
    place: Place = field(compare=False)


@dataclass(frozen=True)
class Table:
    """A parsed table: its entries and settings in file order."""

    path: str
    entries: tuple[Entry, ...] = ()
    settings: tuple[Setting, ...] = ()

    @functools.cached_property
    def groups(self) -> Mapping[str, tuple[Entry, ...]]:
        """The entries of each group, groups and entries in file order."""
        groups: dict[str, list[Entry]] = {}
        for entry in self.entries:
            groups.setdefault(entry.group, []).append(entry)
        return {name: tuple(entries) for name, entries in groups.items()}

    def setting(self, name: str) -> str | None:
        """The value of a setting, the last one if it is repeated; None if the table does not have it."""
        return next((setting.value for setting in reversed(self.settings) if setting.name == name), None)


def level_names(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """Every level that any of the entries names, in order of first appearance."""
    return tuple(dict.fromkeys(name for entry in entries for name in entry.levels.names))


def parse(data: bytes, path: str) -> tuple[Table, tuple[Diagnostic, ...]]:
    """Parse a table.

    Args:
        data: the bytes of the file.
        path: the file's name, for places.

    Returns:
        The table, of every entry and setting without an error of its own, and all findings in file order. The table
        may take effect only if no finding is an error. Nothing is raised for bad input.
    """
    parser = _Parser(path)
    text = data.decode("utf-8", "surrogateescape")
    for number, line in enumerate(text.split("\n"), 1):
        parser.parse_line(number, line)
    return Table(path, tuple(parser.entries), tuple(parser.settings)), in_order(parser.diagnostics)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line at hand, to make findings about it."""

    path: str
    number: int
    text: str

    def place(self, start: int, width: int) -> Place:
        return Place(self.path, self.number, start + 1, max(1, width))

    def error(self, code: str, start: int, width: int, message: str, *, hint: str = "") -> Diagnostic:
        return Diagnostic(code, Severity.ERROR, self.place(start, width), message, self.text, hint)


class _Parser:
    """What a walk over the lines collects."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.entries: list[Entry] = []
        self.settings: list[Setting] = []
        self.diagnostics: list[Diagnostic] = []
        self._first_line_of_tag: dict[str, int] = {}

    def parse_line(self, number: int, text: str) -> None:
        if text.startswith(COMMENT) or not text.strip(BLANKS):
            return
        line = _Line(self.path, number, text)
        found = [*_check_text(line)]
        if text.startswith(SETTING):
            if not found:
                self._parse_setting(line)
        elif len(values := text.split(":", len(FIELDS) - 1)) < len(FIELDS):
            found.append(
                line.error(
                    "field-count", 0, len(text), f"{len(values)} of {len(FIELDS)} fields",
                    hint="an entry is group:tag:levels:mode:command; a comment has '#' in the first column",
                )
            )  # fmt: skip
        else:
            found += self._parse_entry(line, values)
            if not found:
                group, tag, levels, mode, command = values
                self.entries.append(Entry(group, tag, Levels(levels), Mode(mode), command, line.place(0, len(text))))
        self.diagnostics += found

    def _parse_setting(self, line: _Line) -> None:
        name, colon, value = line.text[len(SETTING) :].partition(":")
        if name and colon:
            self.settings.append(Setting(name, value.removesuffix("\r"), line.place(0, len(line.text))))
            return
        self.diagnostics.append(
            Diagnostic(
                "setting-form", Severity.WARNING, line.place(0, len(line.text)), "setting without a name or a value",
                line.text, hint="a setting is :::name:value; this line is ignored",
            )
        )  # fmt: skip

    def _parse_entry(self, line: _Line, values: list[str]) -> Iterator[Diagnostic]:
        starts = [sum(len(value) + 1 for value in values[:index]) for index in range(len(values))]
        for name, start, value in zip(FIELDS[:3], starts, values, strict=False):
            yield from _check_name(line, name, start, value)
        _, tag, _, mode, command = values
        first = self._first_line_of_tag.setdefault(tag, line.number)
        if tag and first != line.number:
            # The first words are the ancestor's own, which its users' scripts know.
            yield line.error(
                "duplicate-tag", starts[1], len(tag),
                f"entry has duplicate tag: {shortened(tag)} (first on line {first})",
                hint="a tag is unique in the whole file, not per group",
            )  # fmt: skip
        if mode not in tuple(Mode):
            close = difflib.get_close_matches(mode.strip().lower(), tuple(Mode), n=1) if len(mode) < 80 else []
            yield line.error(
                "unknown-mode", starts[3], len(mode), f"unknown mode '{shortened(mode)}'",
                hint=f"did you mean '{close[0]}'?" if close else "the modes are " + ", ".join(Mode),
            )  # fmt: skip
        if (length := _byte_length(command)) > LONGEST_COMMAND:
            yield line.error(
                "long-command", starts[4], 1,
                f"command of {length} bytes; the kernel passes at most {LONGEST_COMMAND}",
                hint="put the command into a script",
            )  # fmt: skip


def _check_text(line: _Line) -> Iterator[Diagnostic]:
    if (start := line.text.find("\0")) >= 0:
        yield line.error(
            "nul-byte", start, 1, "NUL byte", hint="no command line can hold one; is this a text file?"
        )  # fmt: skip
    if line.number == 1 and line.text.startswith("\ufeff"):
        yield line.error(
            "byte-order-mark", 0, 1, "byte order mark before the first line", hint="save the file as UTF-8 without one"
        )  # fmt: skip
    if (length := _byte_length(line.text)) > LONGEST_LINE:
        yield line.error(
            "long-line", 0, 1, f"line of {length} bytes; at most {LONGEST_LINE} can be used",
            hint="put the command into a script",
        )  # fmt: skip


def _check_name(line: _Line, name: str, start: int, value: str) -> Iterator[Diagnostic]:
    if not value:
        yield line.error(f"empty-{name}", start, 1, f"empty {name}")
    elif match := _UNUSABLE_IN_NAME.search(value):
        what = "blank" if match[0].isspace() else "control character"
        yield line.error(
            f"blank-in-{name}", start + match.start(), 1, f"{what} in {name} '{shortened(value)}'",
            hint="clstat is split on blanks, so names cannot have any",
        )  # fmt: skip
    elif (length := _byte_length(value)) > LONGEST_NAME:
        yield line.error(
            f"long-{name}", start, len(value), f"{name} of {length} bytes; at most {LONGEST_NAME} fit into a unit name"
        )  # fmt: skip


def _byte_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))
