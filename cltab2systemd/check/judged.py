"""The commands of a table that are judged by their words, of entries and of checks, and where each stands. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.table.model import surroundings
from cltab2systemd.table.settings import SHAPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.table.diagnostics import Place
    from cltab2systemd.table.model import Entry, Table
    from cltab2systemd.table.settings import Directive, Setting


@dataclass(frozen=True, slots=True)
class Judged:
    """A command.

    Attributes:
        text: the command.
        entry: the entry that runs it, or that it asks about.
        directives: those that it runs with.
        check: the setting that has it; None if it is the entry's own.
    """

    text: str
    entry: Entry
    directives: tuple[Directive, ...]
    check: Setting | None = None

    # Few commands are found anything about, so these are not made for each.

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.check.place_of_check if self.check else self.entry.place_of("command")

    @property
    def line(self) -> str:
        """That line of the table."""
        return self.check.line if self.check else self.entry.line


def of_entry(entry: Entry) -> Judged:
    """The command of an entry."""
    return Judged(entry.command, entry, entry.directives)


def of_checks(table: Table) -> Iterator[Judged]:
    """What asks about entries: the commands of settings, but for probes."""
    entries = {entry.tag: entry for entry in table.entries}
    for setting in table.settings:
        if setting.kind in SHAPES and setting.subject in entries and (check := setting.check).probe is None:
            entry = entries[setting.subject]
            shared = surroundings(entry, check) if entry.directives else ()
            yield Judged(check.command, entry, shared, setting)
