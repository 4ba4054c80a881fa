"""cltab: the grammar, from bytes into frozen data, and all errors in one go. Pure.

The rules are those of Cluster::Init's cltab. A line is a comment (`#` in column 0), blank, a setting
(`:::NAME:VALUE`), or an entry (`group:tag:levels:mode:command`), split at most five ways, so that a command may hold
colons. Text is UTF-8; bytes that are not stay as they are (`text.decoded`), so that a command arrives byte for byte.
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING

from cltab2systemd.table import declared, placement, waiting
from cltab2systemd.table.diagnostics import Diagnostic, Place, in_order
from cltab2systemd.table.lines import Line, byte_length, check_name
from cltab2systemd.table.model import (
    BLANKS,
    COMMENT,
    FIELDS,
    LONGEST_COMMAND,
    LONGEST_LINE,
    MOST_FINDINGS,
    Entry,
    Levels,
    Mode,
    Table,
)
from cltab2systemd.table.settingrules import check_setting, check_value, kind_of
from cltab2systemd.table.settings import SETTING, SHAPES, Kind, Setting
from cltab2systemd.table.tablefiles import TableFiles
from cltab2systemd.terminal import shortened
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.table.checks import Check
    from cltab2systemd.table.settings import Directive
    from cltab2systemd.table.tablefiles import TableFile

# Before a text: of UTF-16, little end first and big end first. That of UTF-8 may be in the middle of a file as well,
# where two files were joined.
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
BYTE_ORDER_MARK = "\ufeff"
_OLD_LINE_END = "\r"
# So much of a file tells its encoding.
_LOOKED_AT = 512


def parse(data: bytes, path: str) -> tuple[Table, tuple[Diagnostic, ...]]:
    """Parse a table that is one file: its bytes, and its name for places. Returns what `parse_files` does."""
    return parse_files(TableFiles.of(data, path))


def parse_files(files: TableFiles) -> tuple[Table, tuple[Diagnostic, ...]]:
    """Parse a table: what its fragments say stands behind what it says itself.

    Returns:
        The table, of every entry and setting without an error of its own, and all findings in file order. A directive
        whose value is refused is an error, and is in the table all the same. The table may take effect only if no
        finding is an error. Nothing is raised for bad input. After `MOST_FINDINGS` errors the rest of the files is not
        read, and the last finding, an error, says so. A byte order mark is a fault of the file: the line behind it is
        read, and its columns are counted, as if it were not there.
    """
    parser = _Parser(files.path)
    for file in files:
        if not parser.parse_file(file):
            break
    table = parser.table()
    of_table = (*placement.findings(table), *waiting.findings(table), *declared.findings(table))
    return table, in_order([*parser.diagnostics, *of_table])


def _fault_of_file(data: bytes, path: str) -> Diagnostic | None:
    """What is wrong with a file as a whole, so that none of its lines can be read; None if nothing is."""
    if data.startswith(_UTF_16_MARKS) or _is_utf_16(data[:_LOOKED_AT]):
        return Diagnostic.of(
            "wide-encoding",
            Place(path, 1),
            "the file is UTF-16, so nothing of it can be read",
            hint="save the file as UTF-8",
        )
    if b"\n" not in data[:-1] and _has_old_line_ends(text := decoded(data).removesuffix("\n")):
        start = text.index(_OLD_LINE_END)
        return Line(path, 1, text).finding(
            "old-line-ends",
            start,
            1,
            "lines end with a carriage return alone, so the whole file is one line",
            hint="end them with a newline, as Unix does",
        )
    return None


def _is_utf_16(data: bytes) -> bool:
    """Whether bytes are mostly ASCII in UTF-16: each second one is NUL, and the others are not."""
    halves = data[::2], data[1::2]
    return any(
        len(zero) > 1 and not any(zero) and other.count(0) == 0 for zero, other in (halves, tuple(reversed(halves)))
    )


def _has_old_line_ends(text: str) -> bool:
    """Whether a text of one line has others in it, which end as those of an old Mac."""
    _, *others = text.split(_OLD_LINE_END)
    return any(other.startswith((COMMENT, SETTING)) or other.count(":") >= len(FIELDS) - 1 for other in others)


def _lines(text: str) -> Iterator[str]:
    """The lines of a text, one after the other: a list of them all may take thirty times the room."""
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield text[start:end]
        start = end + 1
    if start < len(text):
        yield text[start:]


class _Parser:
    """What a walk over the lines collects."""

    def __init__(self, path: str) -> None:
        self._table = path
        self._file = path  # the one at hand
        self.entries: list[Entry] = []
        self.settings: list[Setting] = []
        self.diagnostics: list[Diagnostic] = []
        self.errors = 0  # of the diagnostics
        self._first_of_tag: dict[str, Place] = {}
        self._directives: dict[tuple[Kind, str], list[Directive]] = {}  # by kind and subject
        self._checks: dict[str, dict[Kind, Check]] = {}  # by tag
        self._required: set[str] = set()  # tags
        self._has_mark_inside = False

    def table(self) -> Table:
        """The table, once all lines are parsed: directives may stand before their entry or behind it."""
        is_plain = not (self._directives or self._checks or self._required)
        entries = self.entries if is_plain else map(self._with_settings, self.entries)
        return Table(self._table, tuple(entries), tuple(self.settings))

    def _with_settings(self, entry: Entry) -> Entry:
        tag, directives = entry.tag, self._directives
        # Those of the group come first: the last one counts.
        given = (*directives.get((Kind.SERVICES, entry.group), ()), *directives.get((Kind.SERVICE, tag), ()))
        checks = self._checks.get(tag, {})
        if not (given or checks or tag in self._required):
            return entry
        return replace(
            entry, directives=given, ready=checks.get(Kind.READY), health=checks.get(Kind.HEALTH),
            preflight=checks.get(Kind.PREFLIGHT), required=tag in self._required,
        )  # fmt: skip

    def parse_file(self, file: TableFile) -> bool:
        """Parse one of the table's files. Returns whether the next is to be read: not after too many findings."""
        self._file, self._has_mark_inside = file.path, False
        if fault := _fault_of_file(file.content, file.path):
            self._add_errors([fault])
            return True
        for number, line in enumerate(_lines(decoded(file.content)), 1):
            if self.errors >= MOST_FINDINGS:
                message = "too many findings; the file is not read from here on"
                found = Line(self._file, number, line).finding(
                    "too-many-findings", 0, len(line), message, hint="is this a table?"
                )
                self.diagnostics.append(found)
                return False
            self.parse_line(number, line)
        return True

    def parse_line(self, number: int, text: str) -> None:
        if text.startswith(BYTE_ORDER_MARK):
            self._note_byte_order_mark(Line(self._file, number, text))
            text = text.lstrip(BYTE_ORDER_MARK)
        line = Line(self._file, number, text)
        if text.startswith(COMMENT) or not text.strip(BLANKS):
            return
        found = [*_check_text(line)]
        if text.startswith(SETTING):
            if not found:
                self._parse_setting(line)
        elif len(values := text.split(":", len(FIELDS) - 1)) < len(FIELDS):
            found.append(
                line.finding(
                    "field-count",
                    0,
                    len(text),
                    f"{len(values)} of {len(FIELDS)} fields",
                    hint="an entry is group:tag:levels:mode:command; a comment has '#' in the first column",
                )
            )
        else:
            found += self._parse_entry(line, values)
            if not found:
                group, tag, levels, mode, command = values
                self.entries.append(Entry(group, tag, Levels(levels), Mode(mode), command, line.place(0, len(text))))
        self._add_errors(found)

    def _note_byte_order_mark(self, line: Line) -> None:
        """Say once that there is one; the line is read as if there were none."""
        if line.number == 1:
            self._add_errors(
                [
                    line.finding(
                        "byte-order-mark",
                        0,
                        1,
                        "byte order mark before the first line",
                        hint="save the file as UTF-8 without one",
                    )
                ]
            )
        elif not self._has_mark_inside:
            self._has_mark_inside = True
            self.diagnostics.append(
                line.finding(
                    "byte-order-mark-inside",
                    0,
                    1,
                    "byte order mark before a line",
                    hint="it is passed over; were two files joined? Save each as UTF-8 without one",
                )
            )

    def _add_errors(self, found: list[Diagnostic]) -> None:
        self.diagnostics += found
        self.errors += len(found)

    def _parse_setting(self, line: Line) -> None:
        name, colon, value = line.text[len(SETTING) :].partition(":")
        if not (name and colon):
            if len(self.diagnostics) < MOST_FINDINGS:  # the ancestor passes over any number of them, too
                self.diagnostics.append(
                    line.finding(
                        "setting-form",
                        0,
                        len(line.text),
                        "setting without a name or a value",
                        hint="a setting is :::name:value; this line is ignored",
                    )
                )
            return
        setting = Setting(name, value.removesuffix("\r"), line.place(0, len(line.text)), *kind_of(name))
        if found := [*check_setting(line, setting)]:
            self._add_errors(found)
            return
        self._add_errors([*check_value(line, setting)])  # it can be read, so there may be more to say about it
        self.settings.append(setting)
        if setting.kind in {Kind.SERVICE, Kind.SERVICES}:
            self._directives.setdefault((setting.kind, setting.subject), []).append(setting.directive)
        elif setting.kind in SHAPES:
            self._checks.setdefault(setting.subject, {})[setting.kind] = setting.check
        elif setting.kind is Kind.REQUIRED:
            self._required.add(setting.subject)

    def _parse_entry(self, line: Line, values: list[str]) -> Iterator[Diagnostic]:
        starts = [sum(len(value) + 1 for value in values[:index]) for index in range(len(values))]
        for name, start, value in zip(FIELDS[:3], starts, values, strict=False):
            yield from check_name(line, name, start, value)
        _, tag, _, mode, command = values
        here = line.place(0, 1)
        first = self._first_of_tag.setdefault(tag, here)
        if tag and first is not here:
            # The first words are the ancestor's own, which its users' scripts know.
            yield line.finding(
                "duplicate-tag",
                starts[1],
                len(tag),
                f"entry has duplicate tag: {shortened(tag)} (first {first.seen_from(line.path)})",
                hint="a tag is unique in the whole file, not per group"
                if first.path == line.path
                else "a tag is unique in the whole table, not per file",
            )
        if mode not in tuple(Mode):
            close = difflib.get_close_matches(mode.strip().lower(), tuple(Mode), n=1) if len(mode) < 80 else []
            yield line.finding(
                "unknown-mode",
                starts[3],
                len(mode),
                f"unknown mode '{shortened(mode)}'",
                hint=f"did you mean '{close[0]}'?" if close else "the modes are " + ", ".join(Mode),
            )
        if (length := byte_length(command)) > LONGEST_COMMAND:
            yield line.finding(
                "long-command",
                starts[4],
                1,
                f"command of {length} bytes; the kernel passes at most {LONGEST_COMMAND}",
                hint="put the command into a script",
            )


def _check_text(line: Line) -> Iterator[Diagnostic]:
    if (start := line.text.find("\0")) >= 0:
        yield line.finding("nul-byte", start, 1, "NUL byte", hint="no command line can hold one; is this a text file?")
    if (length := byte_length(line.text)) > LONGEST_LINE:
        yield line.finding(
            "long-line",
            0,
            1,
            f"line of {length} bytes; at most {LONGEST_LINE} can be used",
            hint="put the command into a script",
        )
