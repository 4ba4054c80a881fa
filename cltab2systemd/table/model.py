"""What a table says, as frozen data: entries, settings, groups, and the words that they are made of. Pure."""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cltab2systemd.table import directives

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cltab2systemd.table.diagnostics import Place

# The kernel passes at most 128 KiB, including the terminating NUL, as one argument (MAX_ARG_STRLEN).
LONGEST_COMMAND = 131_071
# A unit name has at most 255 bytes, so no name can be longer; the exact check is where unit names are made.
LONGEST_NAME = 255
LONGEST_LINE = LONGEST_COMMAND + 4 * LONGEST_NAME + 4

COMMENT = "#"
BLANKS = " \t\r\f\v"
SETTING = ":::"
# Settings about an entry, by its tag, and about a group; the ancestor knows none of them and passes over them all.
SERVICE = "service."
GROUP = "group."
BOOT_LEVEL = "initdefault."
# A file of junk would give more findings than anybody reads, and take a hundred times its size to keep them.
MOST_FINDINGS = 1_000
FIELDS = ("group", "tag", "levels", "mode", "command")


class Mode(enum.StrEnum):
    """How an entry is run; see cltab(5)."""

    WAIT = "wait"
    RESPAWN = "respawn"
    ONCE = "once"
    TEST = "test"
    OFF = "off"


@functools.lru_cache(maxsize=1024)
def _names_in(levels: str) -> tuple[str, ...]:
    parts = levels.split(",") if "," in levels else list(levels)
    return tuple(dict.fromkeys(name for name in (levels, *parts) if name))


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
        return _names_in(self.text)

    def __contains__(self, level: object) -> bool:
        """Whether the field names the level."""
        return level in self.names


@dataclass(frozen=True, slots=True)
class Directive:
    """One `Name=value` for a unit of the table's, as systemd is to read it."""

    name: str
    value: str
    place: Place = field(compare=False)

    @property
    def line(self) -> str:
        """The directive as a line of a unit file."""
        return f"{self.name}={self.value}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the table. Equality ignores the place: an entry that only moved within the file is the same."""

    group: str
    tag: str
    levels: Levels
    mode: Mode
    command: str
    place: Place = field(compare=False)
    directives: tuple[Directive, ...] = ()

    @property
    def line(self) -> str:
        """The entry as a line of a table, without the newline."""
        return f"{self.group}:{self.tag}:{self.levels.text}:{self.mode}:{self.command}"

    def place_of(self, name: str) -> Place:
        """Where a field of the entry stands, by its name in `FIELDS`."""
        index = FIELDS.index(name)
        values = (self.group, self.tag, self.levels.text, self.mode, self.command)
        return self.place.part(sum(len(value) + 1 for value in values[:index]), len(values[index]))

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

    @property
    def line(self) -> str:
        """The setting as a line of a table, without the newline."""
        return f"{SETTING}{self.name}:{self.value}"

    @property
    def place_of_name(self) -> Place:
        """Where the name stands."""
        return self.place.part(len(SETTING), len(self.name))

    @property
    def place_of_value(self) -> Place:
        """Where the value stands."""
        return self.place.part(len(SETTING) + len(self.name) + 1, len(self.value))

    @property
    def directive(self) -> Directive:
        """What a `service.TAG` or `group.GROUP` setting that was parsed says."""
        split = directives.split(self.value)
        assert split is not None
        return Directive(*split, self.place)


@dataclass(frozen=True, slots=True)
class ResourceGroup:
    """What a table says of one group. Without entries it is one that the table does not have."""

    name: str
    entries: tuple[Entry, ...] = ()
    directives: tuple[Directive, ...] = ()  # of its slice
    boot_level: str | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """The group as lines of a table, without newlines."""
        return (
            *(f"{SETTING}{GROUP}{self.name}:{directive.line}" for directive in self.directives),
            *([f"{SETTING}{BOOT_LEVEL}{self.name}:{self.boot_level}"] if self.boot_level is not None else []),
            *(entry.line for entry in self.entries),
            *(f"{SETTING}{SERVICE}{e.tag}:{directive.line}" for e in self.entries for directive in e.directives),
        )


@dataclass(frozen=True)
class Table:
    """A parsed table: its entries and settings in file order."""

    path: str
    entries: tuple[Entry, ...] = ()
    settings: tuple[Setting, ...] = ()

    @functools.cached_property
    def groups(self) -> Mapping[str, ResourceGroup]:
        """Each group that has entries, groups and entries in file order."""
        entries: dict[str, list[Entry]] = {}
        for entry in self.entries:
            entries.setdefault(entry.group, []).append(entry)
        directives, boot_levels = self._group_settings
        return {
            name: ResourceGroup(name, tuple(found), tuple(directives.get(name, ())), boot_levels.get(name))
            for name, found in entries.items()
        }

    def group(self, name: str) -> ResourceGroup:
        """What the table says of a group; one without entries if it does not have it."""
        return self.groups.get(name) or ResourceGroup(name)

    @functools.cached_property
    def _group_settings(self) -> tuple[Mapping[str, list[Directive]], Mapping[str, str]]:
        directives: dict[str, list[Directive]] = {}
        boot_levels: dict[str, str] = {}
        for setting in self.settings:
            if setting.name.startswith(GROUP):
                directives.setdefault(setting.name[len(GROUP) :], []).append(setting.directive)
            elif setting.name.startswith(BOOT_LEVEL):
                boot_levels[setting.name[len(BOOT_LEVEL) :]] = setting.value
        return directives, boot_levels

    def setting(self, name: str) -> str | None:
        """The value of a setting, the last one if it is repeated; None if the table does not have it."""
        return next((setting.value for setting in reversed(self.settings) if setting.name == name), None)


def level_names(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """Every level that any of the entries names, in order of first appearance."""
    return tuple(dict.fromkeys(name for entry in entries for name in entry.levels.names))
