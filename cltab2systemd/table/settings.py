"""The settings of a table, as frozen data. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cltab2systemd.table import checks, directives, pacemaker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cltab2systemd.table.diagnostics import Place

SETTING = ":::"
# What a subject is to a person.
OF_ENTRY, OF_GROUP = "TAG", "GROUP"


class Kind(enum.Enum):
    """What a setting is about, which the beginning of its name says.

    The ancestor knows none of those with a subject, and passes over them all.

    Attributes:
        word: what the names of settings with a subject begin with, before a dot.
        subject: what the subject, all behind the dot, is to a person; empty if the kind has none.
        section: of a unit file, in which the value is a directive; empty if the value is none.
    """

    SERVICE = ("service", OF_ENTRY, directives.SERVICE_SECTION)  # a directive of an entry's service
    SLICE = ("group", OF_GROUP, directives.SLICE_SECTION)  # a directive of a group's slice
    SERVICES = ("services", OF_GROUP, directives.SERVICE_SECTION)  # a directive of the services of all its entries
    BOOT_LEVEL = ("initdefault", OF_GROUP)  # the level that a group comes to at boot
    READY = ("ready", OF_ENTRY)  # what says that an entry has started
    REQUIRED = ("required", OF_ENTRY)  # what stands behind the entry is started only if it did well
    PREFLIGHT = ("preflight", OF_ENTRY)  # what has to hold before anything is stopped for the start of the entry
    HEALTH = ("health", OF_ENTRY)  # what says whether an entry that runs is well
    STOP = ("stop", OF_GROUP)  # how the entries of a group are stopped
    LEVELS = ("levels", OF_GROUP)  # the levels of a group that no entry names
    PACEMAKER = ("pacemaker", OF_GROUP)  # what a Pacemaker cluster is told of a group
    PUBLISH = ("publish",)  # whom the daemon has told how the groups are
    PLAIN = ("plain",)  # the daemon's own; `PLAIN_SETTINGS` names them
    UNKNOWN = ("unknown",)  # legal, for others may know it; nobody here takes notice of it

    def __init__(self, word: str, subject: str = "", section: str = "") -> None:
        self.word = word
        self.subject = subject
        self.section = section

    @property
    def prefix(self) -> str:
        """What stands before the subject in a name; empty if the kind has none."""
        return f"{self.word}." if self.subject else ""


KINDS_WITH_SUBJECT = tuple(kind for kind in Kind if kind.subject)
# What the value of a setting looks like that is a command.
SHAPES: Mapping[Kind, checks.Shape] = {
    Kind.READY: checks.READY,
    Kind.PREFLIGHT: checks.PREFLIGHT,
    Kind.HEALTH: checks.HEALTH,
}
# The only value of a setting that has one.
WORDS: Mapping[Kind, str] = {Kind.REQUIRED: "yes", Kind.STOP: "ordered", Kind.PUBLISH: "pacemaker"}
# The settings of the daemon, each the name of a file.
PLAIN_SETTINGS = ("socket", "clstat", "log")


def setting_line(kind: Kind, subject: str, value: str = "") -> str:
    """A setting with a subject as a line of a table, without the newline; or the beginning of one."""
    return f"{SETTING}{kind.prefix}{subject}:{value}"


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
class Setting:
    """One `:::name:value` line.

    Attributes:
        name: all of the name.
        value: what is behind it.
        place: of the line.
        kind: what it is about.
        subject: the tag or the group that it is about, if its kind has a subject; else empty.
    """

    name: str
    value: str
    place: Place = field(compare=False)
    kind: Kind
    subject: str

    @property
    def line(self) -> str:
        """The setting as a line of a table, without the newline."""
        return f"{SETTING}{self.name}:{self.value}"

    @property
    def place_of_name(self) -> Place:
        """Where the name stands."""
        return self.place.part(len(SETTING), len(self.name))

    @property
    def place_of_subject(self) -> Place:
        """Where the subject stands, of a setting that has one."""
        return self.place_of_name.part(len(self.kind.prefix), len(self.subject))

    @property
    def place_of_value(self) -> Place:
        """Where the value stands."""
        return self.place.part(len(SETTING) + len(self.name) + 1, len(self.value))

    @property
    def directive(self) -> Directive:
        """What the setting says, if its kind has a section."""
        split = directives.split(self.value)
        assert split is not None
        return Directive(*split, self.place)

    @property
    def check(self) -> checks.Check:
        """What the setting says, if its kind has a shape."""
        found = checks.read(SHAPES[self.kind], self.value)
        assert isinstance(found, checks.Check)
        return found

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels that the setting declares, each once, if it is of that kind. None is empty."""
        return tuple(dict.fromkeys(level for level in self.value.split(",") if level))

    @property
    def managed(self) -> pacemaker.Managed:
        """What the setting says, if it is about a Pacemaker cluster."""
        found = pacemaker.read(self.value)
        assert isinstance(found, pacemaker.Managed)
        return found

    @property
    def place_of_check(self) -> Place:
        """Where the command or the probe of such a setting stands: at the end of the value."""
        command = self.check.command
        return self.place_of_value.part(self.value.rindex(command), len(command))
