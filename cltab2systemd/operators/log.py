"""`clinitctl log`: what entries write, as one stream."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cltab2systemd import journal, journalctl
from cltab2systemd.client import outcome
from cltab2systemd.commands import options
from cltab2systemd.commands.instance import Instance
from cltab2systemd.commands.printing import complain
from cltab2systemd.disk.tables import TableUnreadableError
from cltab2systemd.journal import Writer
from cltab2systemd.operators.chosen import UnknownNameError, chosen, known
from cltab2systemd.operators.colours import has_colours
from cltab2systemd.operators.located import located
from cltab2systemd.streams import give_up_output
from cltab2systemd.table.settings import Kind
from cltab2systemd.terminal import DIM, coloured, columns, moment, printable
from cltab2systemd.text import decoded, encoded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cltab2systemd.journal import JournalLine
    from cltab2systemd.journalctl import Trouble

# Lines that are shown if neither their number nor a time is given.
_LINES = 100
# A tag that is longer has its message begin further to the right.
_WIDEST_TAG = 24
# Of tags on a terminal: cyan, yellow, green, magenta, blue, bright cyan. Red would be an alarm.
_COLOURS = ("36", "33", "32", "35", "34", "96")


class _Number(click.ParamType):
    """A number of lines, or all."""

    name = "number"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value == "all":
            return None
        if not value.isascii() or not value.isdigit() or len(value) > 9:
            self.fail(f"{value!r} is neither a number nor 'all'", param, ctx)
        return int(value)


@click.command(name="log")
@click.argument("names", nargs=-1, metavar="[GROUP|TAG]…")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option(
    "-n", "--lines", type=_Number(), metavar="N", default=str(_LINES),
    help=f"The last N lines, or `all`; all is also the default with a time.  [default: {_LINES}]",
)  # fmt: skip
@click.option("-S", "--since", metavar="TIME", help="Lines from then on, as `journalctl` takes it.")
@click.option("-U", "--until", metavar="TIME", help="Lines up to then, likewise.")
@click.option("-b", "--boot", is_flag=True, help="Lines of this boot only.")
@click.option("--raw", is_flag=True, help="Only what the entries wrote, byte for byte, without times and tags.")
@options.of_daemon
def command(
    names: tuple[str, ...], *, follow: bool, lines: int | None, since: str | None, until: str | None, boot: bool,
    raw: bool, cltab: str | None, socket: str | None,
) -> None:  # fmt: skip
    """Show what the entries of groups write, in the order of time, each line with its tag.

    Without a name, these are the entries of all groups. Lines of systemd and the daemon about an entry,
    such as how it ended, are among them; so are those of its health check, with the tag `TAG:health`. A name that is
    both a group and a tag is the group; `GROUP:TAG` is one entry for certain.
    """
    locations = located(cltab, socket)
    try:
        there = known(locations).entries
        found = chosen(names, there)
    except (UnknownNameError, TableUnreadableError) as error:
        complain(f"clinitctl: {error}")
        raise SystemExit(outcome.REFUSED) from error
    for note in found.notes:
        complain(f"clinitctl: {note}")
    if not found.entries:
        complain(f"clinitctl: {locations.table} has no entries")
        raise SystemExit(outcome.REFUSED)
    unit_names = Instance(locations).names
    asked = set() if raw else {(entry.group, entry.tag) for entry in there if entry.health}
    units: dict[str, tuple[str, str]] = {}
    for group, tag in found.entries:
        units[unit_names.entry(group, tag)] = group, tag
        if (group, tag) in asked:
            units[unit_names.health(group, tag)] = group, f"{tag}:{Kind.HEALTH.word}"
    context = click.get_current_context()
    is_default = context.get_parameter_source("lines") is click.core.ParameterSource.DEFAULT
    number = None if is_default and (since or until or boot) else lines
    selection = journal.Selection(tuple(units), number, since or "", until or "", is_this_boot=boot, follows=follow)
    raise SystemExit(_show(selection, _Raw() if raw else _Tagged(units)))


def _show(selection: journal.Selection, writer: _Raw | _Tagged) -> int:
    """Print a selection; the exit code."""
    trouble = journalctl.access()
    _tell(trouble)
    reading = journal.Reading(selection)
    reading.reader = sys.stdout.fileno()
    try:
        for line in reading.lines():
            writer.write(line)
            if selection.follows:
                sys.stdout.buffer.flush()
        sys.stdout.buffer.flush()
    except OSError as error:
        give_up_output()
        if not isinstance(error, BrokenPipeError):
            complain(f"clinitctl: cannot write: {error.strerror}")
        return outcome.REFUSED
    if reading.trouble != trouble:
        _tell(reading.trouble)
    return outcome.REFUSED if reading.trouble else outcome.FINE


def _tell(trouble: Trouble | None) -> None:
    if trouble is not None:
        complain(f"clinitctl: {printable(trouble.text)}")


class _Raw:
    """Writes what entries wrote, and nothing else."""

    @staticmethod
    def write(line: JournalLine) -> None:
        """Write one line."""
        if line.writer is Writer.ENTRY:
            sys.stdout.buffer.write(line.message + (b"\n" if line.is_whole else b""))


class _Tagged:
    """Writes lines with their times and tags; on a terminal in colours, and so that it obeys nothing of them."""

    def __init__(self, units: Mapping[str, tuple[str, str]]) -> None:
        is_one_group = len({group for group, _ in units.values()}) == 1
        shown = {unit: printable(tag if is_one_group else f"{group}:{tag}") for unit, (group, tag) in units.items()}
        width = min(_WIDEST_TAG, max(map(columns, shown.values())))
        self._tags = {unit: tag + " " * (width - columns(tag)) for unit, tag in shown.items()}
        self._is_terminal = sys.stdout.isatty()
        self._colours = (
            {unit: _COLOURS[number % len(_COLOURS)] for number, unit in enumerate(units)} if has_colours() else {}
        )
        # The unit whose line goes on, because journald has cut it.
        self._unfinished = ""

    def write(self, line: JournalLine) -> None:
        """Write one line, which may be several in a program's own words."""
        parts = [self._text(part, line) for part in self._message(line).split(b"\n")]
        prefix = self._prefix(line)
        text = (b"\n" + prefix).join(parts)
        if self._unfinished != line.unit or line.writer is not Writer.ENTRY:
            text = (b"\n" if self._unfinished else b"") + prefix + text
        self._unfinished = "" if line.is_whole else line.unit
        sys.stdout.buffer.write(text + (b"\n" if line.is_whole else b""))

    @staticmethod
    def _message(line: JournalLine) -> bytes:
        if line.writer is Writer.ENTRY:
            return line.message
        message = line.message.removeprefix(encoded(f"{line.unit}: "))
        # `Started clinit-web@server.service - cltab web:server:3:respawn.` has the entry's name twice.
        return message.split(b" ", 1)[0] if line.is_routine and encoded(line.unit) in message else message

    def _text(self, part: bytes, line: JournalLine) -> bytes:
        if self._is_terminal:
            part = encoded("\t".join(map(printable, decoded(part).split("\t"))))
        if line.writer is not Writer.ENTRY:
            part = encoded(f"{line.writer}: ") + part
            part = encoded(coloured(decoded(part), DIM)) if self._colours else part
        return part

    def _prefix(self, line: JournalLine) -> bytes:
        tag = self._tags.get(line.unit, line.unit)
        if colour := self._colours.get(line.unit):
            tag = coloured(tag, colour)
        return encoded(f"{moment(line.time)} {tag}  ")
