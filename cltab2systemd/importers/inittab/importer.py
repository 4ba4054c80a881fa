"""An inittab into a cltab, with a note on each line that has no equivalent in a group. Pure.

Whatever the bytes, the result is a cltab without errors: a line that could not stand in one becomes a comment. Nothing
is lost, for comments stay, and so does every line that is left to systemd.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.importers.inittab import commands as inittabcommands
from cltab2systemd.importers.inittab import lines as inittablines
from cltab2systemd.importers.inittab import users as inittabusers
from cltab2systemd.importers.inittab.commands import Adapted
from cltab2systemd.importers.inittab.dialects import DIALECTS, Action, Becomes, Dialect, guess
from cltab2systemd.importers.inittab.lines import BLANKS, FIELDS, Field, Line
from cltab2systemd.importers.inittab.names import DEFAULT_LEVEL, Tags, first_error, levels_field
from cltab2systemd.table import grammar
from cltab2systemd.table.diagnostics import Diagnostic, Severity, in_order
from cltab2systemd.table.settings import Kind, setting_line
from cltab2systemd.terminal import printable, shortened
from cltab2systemd.text import decoded, encoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cltab2systemd.importers.inittab.users import AsUser

# No inittab is nearly as large; what is, is some other file, and would make as many findings as it has lines.
LARGEST = 2 * 1024 * 1024
_DEVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*", re.ASCII)
_LONGEST_DEVICE = 255
_LONGEST_ACTION = 80


@dataclass(frozen=True, slots=True)
class Imported:
    """A cltab that was made from an inittab, as bytes, the dialect it was read as, and what there is to say."""

    content: bytes
    dialect: Dialect
    diagnostics: tuple[Diagnostic, ...]


def import_inittab(
    data: bytes, path: str, group: str, *, dialect: Dialect | None = None, level: str = DEFAULT_LEVEL
) -> Imported:
    """Make a cltab of an inittab.

    Args:
        data: the bytes of the inittab.
        path: its name, for the header and for places.
        group: the group that the entries get; `unusable` has to have nothing against it.
        dialect: what kind of init it is for; None to tell it by its lines.
        level: the level that all entries get if the init has none; likewise checked by `unusable`.

    Returns:
        A cltab in which `loading.load` finds no error, with notes and warnings in file order. Nothing is raised for bad
        input.
    """
    lines = tuple(inittablines.read(decoded(data), path))
    if dialect is None:
        dialect = guess([[field.text for field in line.fields] for line in lines if not line.is_comment])
    importer = _Importer(group, dialect, level, lines)
    for line in lines:
        importer.take(line)
    return Imported(encoded(importer.text(path)), dialect, in_order(importer.diagnostics))


@dataclass(frozen=True, slots=True)
class _Block:
    """An entry with its directives, and the lines before it, which belong to it."""

    lines: tuple[str, ...]
    rank: int
    moved: Diagnostic  # what to say if the entry has to go before those of another block


class _Importer:
    """What a walk over the lines collects."""

    def __init__(self, group: str, dialect: Dialect, level: str, lines: Iterable[Line]) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._group = group
        self._dialect = dialect
        self._level = level
        self._blocks: list[_Block] = []
        self._pending: list[str] = []  # lines before the next entry
        self._boot_line = 0
        self._tags = Tags(group, [line.fields[0].stripped.text for line in lines] if dialect.levels else [])

    def text(self, path: str) -> str:
        """The cltab, once all lines are taken."""
        blocks = self._in_order_of_start()
        lines = [line for block in blocks for line in block.lines]
        return "".join(f"{line}\n" for line in (*self._header(path), *lines, *self._pending))

    def _header(self, path: str) -> Iterator[str]:
        yield f"# Imported from {printable(path)}, an inittab of {self._dialect.title} style, by cltab2systemd."
        if not self._blocks:
            yield "# No line of it is for a group."
        elif not self._dialect.levels:
            yield "# This init has no runlevels: what it starts at boot is in one level, and that is the boot level."
            yield setting_line(Kind.BOOT_LEVEL, self._group, self._level)
        yield ""

    def _in_order_of_start(self) -> list[_Block]:
        highest = 0
        for block in self._blocks:
            if block.rank < highest:
                self.diagnostics.append(block.moved)
            highest = max(highest, block.rank)
        return sorted(self._blocks, key=lambda block: block.rank)

    def take(self, line: Line) -> None:
        """Take one line, in file order."""
        if line.is_blank:
            self._pending.append("")
        elif line.is_comment:
            self._pending.append(line.text.lstrip(BLANKS))
        elif line.text.lstrip(BLANKS).startswith(self._dialect.comment):
            self._keep(line)
        else:
            self._take_fields(line)

    def _keep(self, line: Line) -> None:
        self._pending += [f"# {part}" for part in line.parts]

    def _say(self, line: Line, severity: Severity, code: str, field: Field, message: str, *, hint: str = "") -> None:
        self.diagnostics.append(line.finding(severity, code, field, message, hint=hint))

    def _note(self, line: Line, code: str, field: Field, message: str, *, hint: str = "") -> None:
        self._say(line, Severity.NOTE, code, field, message, hint=hint)

    def _warn(self, line: Line, code: str, field: Field, message: str, *, hint: str = "") -> None:
        self._say(line, Severity.WARNING, code, field, message, hint=hint)

    def _drop(self, line: Line, code: str, field: Field, message: str, *, hint: str = "") -> None:
        """Keep a line as a comment because it cannot be an entry."""
        self._warn(line, code, field, message, hint=hint)
        self._pending.append(f"# not imported, {printable(message)}:")
        self._keep(line)

    def _leave(self, line: Line, field: Field, what: str, equivalent: str, *, hint: str = "") -> None:
        """Keep a line as a comment because systemd does the same."""
        self._note(line, "inittab-left-to-systemd", field, f"{what}: the equivalent is {equivalent}", hint=hint)
        self._pending.append(f"# left to systemd, {equivalent}:")
        self._keep(line)

    def _take_fields(self, line: Line) -> None:
        fields = line.fields
        if len(fields) < 3:
            self._drop(
                line, "inittab-fields", Field(line.text, 0), f"{len(fields)} of {len(FIELDS)} fields",
                hint=f"a line of an inittab is {':'.join(FIELDS)}",
            )  # fmt: skip
            return
        name = fields[2].stripped.text.lower()
        action = self._dialect.actions.get(name)
        if action is None:
            message = f"unknown action '{shortened(fields[2].text)}' of {self._dialect.title}"
            self._drop(line, "inittab-unknown-action", fields[2], message, hint=self._meant(name))
        elif action.becomes is Becomes.BOOT_LEVEL:
            self._take_boot_level(line, fields[1])
            if len(fields) == len(FIELDS) and fields[3].stripped.text:
                self._keep(line)  # what init ignores
        elif action.becomes is Becomes.COMMENT:
            unit = self._terminal_unit(fields[0], "".join(field.text for field in fields[3:]))
            equivalent = action.equivalent.format(terminal=unit)
            self._leave(line, fields[2], f"'{name}' {action.note}", equivalent, hint=action.hint)
        elif len(fields) < len(FIELDS):
            self._drop(line, "inittab-no-process", Field("", len(line.text)), "no process")
        else:
            self._take_process(line, action, fields)

    def _meant(self, name: str) -> str:
        known = tuple(self._dialect.actions)
        for dialect in DIALECTS.values():
            if name in dialect.actions:
                return f"--format {dialect.name} knows it"
        close = difflib.get_close_matches(name, known, n=1) if len(name) < _LONGEST_ACTION else []
        return f"did you mean '{close[0]}'?" if close else "the actions are " + ", ".join(known)

    def _terminal_unit(self, identifier: Field, command: str) -> str:
        """What of systemd has the login on the terminal that a line is about; to BusyBox, the id is one."""
        elsewhere = "" if self._dialect.levels else identifier.stripped.text or "console"
        return inittabcommands.terminal_unit(inittabcommands.terminal_of(command) or elsewhere)

    def _take_boot_level(self, line: Line, field: Field) -> None:
        setting = setting_line(Kind.BOOT_LEVEL, self._group)
        levels, _ = self._read_levels(field)
        # As every init does: the highest counts, and a letter is higher than a digit.
        level = max((name for name in levels if name not in self._dialect.on_demand), default="")
        if not level:
            hint = f"{printable(setting)}LEVEL is what it would be"
            self._drop(line, "inittab-boot-level", field, "no level to boot to", hint=hint)
        elif self._boot_line:
            message = f"another initdefault; the first counts, on line {self._boot_line}"
            self._drop(line, "inittab-boot-level", field, message)
        else:
            self._boot_line = line.number
            self._pending.append(f"{setting}{level}")
            if len(levels) > 1:
                message = f"several levels to boot to; the highest counts, '{level}'"
                self._note(line, "inittab-boot-level", field, message)

    def _read_levels(self, field: Field) -> tuple[str, str]:
        """The levels that a field names, each once, and its characters that are no level."""
        known, text = self._dialect.levels, field.stripped.text
        levels = dict.fromkeys(known[character] for character in text if character in known)
        return "".join(levels), "".join(character for character in text if character not in known)

    def _take_process(self, line: Line, action: Action, fields: tuple[Field, ...]) -> None:
        """Take a line that runs something: an entry, unless it does what systemd does."""
        identifier, runlevels, name, process = fields
        command, remark = self._command(process)
        if not command.text:
            self._drop(line, "inittab-no-process", command, "no process")
            return
        if left := inittabcommands.left_to_systemd(command.text):
            unit = self._terminal_unit(identifier, command.text)
            equivalent = left.equivalent.format(terminal=unit, targets=self._targets(runlevels))
            self._leave(line, command, left.what, equivalent)
            return
        levels = self._levels_of_entry(line, runlevels)
        if levels is None:
            return
        as_user = inittabusers.as_user(command.text)
        adapted = _adapted(command.text, as_user)
        tag = self._tag(line, identifier, adapted.command)
        entry = f"{self._group}:{tag}:{levels}:{action.mode}:{adapted.command}"
        if message := first_error(grammar.parse(encoded(entry), line.path)[1]):
            self._drop(line, "inittab-unusable", command, message)
            return
        if action.note:
            self._note(line, "inittab-action", name, action.note, hint=action.hint)
        if adapted.note:
            severity = Severity.WARNING if adapted.doubtful else Severity.NOTE
            self._say(line, severity, "inittab-command", command, adapted.note, hint=adapted.hint)
        self._tell_user(line, command, as_user)
        if self._dialect.mark == "-" and process.stripped.text.startswith("-"):
            message = "'-' makes a shell a login shell; a cltab cannot say that"
            self._note(line, "inittab-login-shell", process.stripped, message, hint="sh -l is one, too")
        if remark.text:
            message = f"{self._dialect.title} ends a command at '{self._dialect.cut}'; the rest is a comment"
            self._note(line, "inittab-command", remark, message)
            self._pending.append(f"# {remark.behind(1).stripped.text}")
        given = as_user.directives if as_user else ()
        directives = [setting_line(Kind.SERVICE, tag, directive) for directive in given]
        self._add(line, name, action, [entry, *directives, *self._terminal(line, identifier, tag)])

    def _tell_user(self, line: Line, command: Field, as_user: AsUser | None) -> None:
        """Say what becomes of `su`; what a directive does instead leaves the line as a comment."""
        if as_user:
            self._note(line, "inittab-user", command, as_user.note, hint=as_user.hint)
            if as_user.directives:
                self._pending.append("# runs as another user by User=, instead of:")
                self._keep(line)

    def _add(self, line: Line, name: Field, action: Action, lines: list[str]) -> None:
        dialect = self._dialect
        if not self._blocks and not dialect.levels:
            message = (
                f"{dialect.title} has no runlevels: every entry gets level '{printable(self._level)}', the boot level"
            )
            self._note(line, "inittab-no-levels", name, message, hint="--level gives it another name")
        moved = line.finding(
            Severity.NOTE,
            "inittab-order",
            name,
            f"{dialect.title} starts '{action.mode}' entries before those above; this one was moved up",
        )
        self._blocks.append(_Block((*self._pending, *lines), dialect.order.get(action.mode, 0), moved))
        self._pending = []

    def _command(self, process: Field) -> tuple[Field, Field]:
        """The command of a process field, and the comment behind it, as the dialect tells them apart."""
        command = process.stripped
        # sysvinit's mark is about utmp, where systemd's services are not; that of BusyBox makes a login shell.
        if (mark := self._dialect.mark) and command.text.startswith(mark):
            command = command.behind(len(mark)).stripped
        remark = Field("", command.start)
        if (cut := self._dialect.cut) and (length := command.text.find(cut)) >= 0:
            remark = command.behind(length)
            command = Field(command.text[:length], command.start).stripped
        # All that a shell would find is a comment.
        return (Field("", command.start) if command.text.startswith("#") else command), remark

    def _targets(self, field: Field) -> str:
        """What systemd has for the levels of a line that is the whole machine's."""
        levels, _ = self._read_levels(field)
        targets = dict.fromkeys(self._dialect.targets.get(level, "multi-user.target") for level in levels)
        return ", ".join(targets) or "multi-user.target"

    def _levels_of_entry(self, line: Line, field: Field) -> str | None:
        """The levels field of an entry; None if no level is left, and the line is dropped."""
        dialect = self._dialect
        if not dialect.levels:
            if field.stripped.text:
                self._note(line, "inittab-no-levels", field, f"{dialect.title} ignores runlevels")
            return levels_field(self._level)
        levels, unknown = self._read_levels(field)
        if not levels and not unknown:
            message = f"no runlevels means all of them; the entry gets {dialect.every_level}"
            self._note(line, "inittab-every-level", field, message, hint="any other level of the group stops it")
            return dialect.every_level
        if unknown:
            message = f"{dialect.title} has no level '{shortened(unknown)}'"
            if not levels:
                self._drop(line, "inittab-unknown-level", field, message)
                return None
            self._warn(line, "inittab-unknown-level", field, message, hint="the others are kept")
        self._note_levels(line, field, levels)
        return levels

    def _note_levels(self, line: Line, field: Field, levels: str) -> None:
        """Say what of an entry's levels is otherwise in a group."""
        dialect = self._dialect
        if renamed := [name for name in field.stripped.text if dialect.levels.get(name, name) != name]:
            message = (
                f"level '{renamed[0]}' is '{dialect.levels[renamed[0]]}' in the group, for clinit tells case apart"
            )
            self._note(line, "inittab-level-name", field, message)
        if demanded := [name for name in levels if name in dialect.on_demand]:
            name = demanded[0]
            self._note(
                line, "inittab-on-demand", field,
                f"init starts '{name}' beside the present level; 'clinit {printable(self._group)} {name}' leaves it",
                hint="an entry in a group of its own can be started without a change of level",
            )  # fmt: skip
        elif set(levels) <= set(dialect.shutdown):
            self._note(
                line, "inittab-shutdown-level", field,
                "init goes here when the machine stops; a group goes here only when 'clinit' says so",
                hint="for work at shutdown, a service with ExecStop= is the equivalent",
            )  # fmt: skip

    def _terminal(self, line: Line, identifier: Field, tag: str) -> Iterator[str]:
        """The directives for the terminal that BusyBox runs an entry on."""
        field = identifier.stripped
        name = field.text.removeprefix("/dev/")
        if self._dialect.levels or not name:
            return
        if len(name) > _LONGEST_DEVICE or not _DEVICE.fullmatch(name):
            message = f"no terminal can be called '{shortened(name)}'; the entry runs without one"
            self._warn(line, "inittab-terminal", field, message)
            return
        message = f"runs on /dev/{name}, which the entry gets from directives for its service"
        self._note(line, "inittab-terminal", field, message)
        if name == "null":
            directives = ["StandardInput=null", "StandardOutput=null"]
        else:
            # BusyBox just opens the terminal; plain 'tty' would wait until nobody else has it.
            directives = [f"TTYPath=/dev/{name}", "StandardInput=tty-force", "StandardOutput=tty"]
        yield from (setting_line(Kind.SERVICE, tag, directive) for directive in directives)

    def _tag(self, line: Line, field: Field, command: str) -> str:
        """A tag that no other entry has: the id if it can be one."""
        identifier = field.stripped
        if not self._dialect.levels:
            return self._tags.make(inittabcommands.tag_for(command))
        if not identifier.text:
            tag = self._tags.make(inittabcommands.tag_for(command))
            message = f"no id, so init ignores the line; the entry is called '{tag}'"
            self._warn(line, "inittab-id", identifier, message)
            return tag
        tag, first = self._tags.of_id(identifier.text, line.number)
        if first != line.number:
            message = f"line {first} has this id, too, and init takes only one; the entry is called '{shortened(tag)}'"
            self._warn(line, "inittab-id", identifier, message)
        elif tag != identifier.text:
            message = f"the id cannot be a tag as it is; the entry is called '{shortened(tag)}'"
            self._note(line, "inittab-id", identifier, message)
        return tag


def _adapted(command: str, as_user: AsUser | None) -> Adapted:
    """A command as a cltab has it: what `su` is taken out of was a shell's always, not one of init's."""
    return Adapted(as_user.command) if as_user and as_user.directives else inittabcommands.adapt(command)
