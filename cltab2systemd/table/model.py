"""What a table says, as frozen data: entries, groups, and the words that they are made of. Pure."""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from cltab2systemd.probing import forms
from cltab2systemd.table.directives import NOTIFY, OF_CHECKS, OF_GROUP_PROBES
from cltab2systemd.table.settings import WORDS, Kind, setting_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cltab2systemd.table.checks import Check
    from cltab2systemd.table.diagnostics import Place
    from cltab2systemd.table.pacemaker import Managed
    from cltab2systemd.table.settings import Directive, Setting

# The kernel passes at most 128 KiB, including the terminating NUL, as one argument (MAX_ARG_STRLEN).
LONGEST_COMMAND = 131_071
# A unit name has at most 255 bytes, so no name can be longer; the exact check is where unit names are made.
LONGEST_NAME = 255
LONGEST_LINE = LONGEST_COMMAND + 4 * LONGEST_NAME + 4

COMMENT = "#"
BLANKS = " \t\r\f\v"
# A file of junk would give more findings than anybody reads, and take a hundred times its size to keep them.
MOST_FINDINGS = 1_000
FIELDS = ("group", "tag", "levels", "mode", "command")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meaning:
    """What a mode has to say; the properties of `Mode` tell what each means."""

    is_started: bool
    is_waited_for: bool
    is_restarted: bool
    is_judged: bool


class Mode(enum.StrEnum):
    """How an entry is run; see cltab(5). A mode is its row: nothing but the table's words depends on its name."""

    WAIT = "wait", _Meaning(is_started=True, is_waited_for=True, is_restarted=False, is_judged=False)
    RESPAWN = "respawn", _Meaning(is_started=True, is_waited_for=False, is_restarted=True, is_judged=False)
    ONCE = "once", _Meaning(is_started=True, is_waited_for=False, is_restarted=False, is_judged=False)
    TEST = "test", _Meaning(is_started=True, is_waited_for=True, is_restarted=False, is_judged=True)
    OFF = "off", _Meaning(is_started=False, is_waited_for=False, is_restarted=False, is_judged=False)

    meaning: _Meaning

    def __new__(cls, word: str, meaning: _Meaning | None = None) -> Self:
        """A member is the word that tables have for it. `Mode("wait")` finds one, and makes none."""
        assert meaning is not None
        mode = str.__new__(cls, word)
        mode._value_ = word
        mode.meaning = meaning
        return mode

    @property
    def is_started(self) -> bool:
        """Whether a level that has the entry starts it."""
        return self.meaning.is_started

    @property
    def is_waited_for(self) -> bool:
        """Whether the entries after it start only when its command has ended."""
        return self.meaning.is_waited_for

    @property
    def is_restarted(self) -> bool:
        """Whether its command is started again whenever it ends, for as long as the level has it."""
        return self.meaning.is_restarted

    @property
    def is_judged(self) -> bool:
        """Whether the exit status of its command decides if the level has passed or failed."""
        return self.meaning.is_judged

    @property
    def may_run_on(self) -> bool:
        """Whether its command may still run when all entries of the level are started."""
        return self.is_started and not self.is_waited_for


# What the tag of a readiness has behind that of its entry, in which there is no colon.
READY_SUFFIX = f":{Kind.READY.word}"
# How the readiness of an entry is run.
_JUDGED = next(mode for mode in Mode if mode.is_judged)


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

    @property
    def is_word(self) -> bool:
        """Whether the field looks like one name, and means its characters as well: `start`, but not `23` or `3m`."""
        return "," not in self.text and sum(character.isalpha() for character in self.text) > 1

    @property
    def meant(self) -> tuple[str, ...]:
        """The levels that people mean by such a field: `prod` by `prod`, `3` and `m` by `3m` and by `3,m`."""
        return self.names[:1] if self.is_word else self.names[1:] or self.names

    def __contains__(self, level: object) -> bool:
        """Whether the field names the level."""
        return level in self.names


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the table. Equality ignores the place: an entry that only moved within the file is the same.

    The readiness of an entry is an entry of its group as well, right behind it: see `with_readiness`.

    Attributes:
        ready: what says that it has started; None if its start does.
        health: what says whether it is well while it runs.
        preflight: what has to hold before anything is stopped for its start.
        required: whether what stands behind it in the file is started only if it did well.
        ready_of: the tag of the entry whose readiness it is; empty for an entry of the table.
    """

    group: str
    tag: str
    levels: Levels
    mode: Mode
    command: str
    place: Place = field(compare=False)
    directives: tuple[Directive, ...] = ()
    ready: Check | None = None
    health: Check | None = None
    preflight: Check | None = None
    required: bool = False
    ready_of: str = ""

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
    def kind(self) -> str:
        """What it is, in a word for people: its mode, unless it is a readiness."""
        return "readiness" if self.ready_of else str(self.mode)

    @property
    def checks(self) -> Iterator[tuple[Kind, Check]]:
        """What asks about the entry, by the kinds of its settings."""
        found = ((Kind.READY, self.ready), (Kind.PREFLIGHT, self.preflight), (Kind.HEALTH, self.health))
        return ((kind, check) for kind, check in found if check is not None)

    @property
    def notifies(self) -> bool:
        """Whether it has started when its program says so, to systemd; see `directives.NOTIFY`."""
        return any((directive.name, directive.value) == NOTIFY for directive in self.directives)

    @property
    def hears_children(self) -> bool:
        """Whether systemd listens to all processes of the entry, if it has started when its program says so."""
        given = [directive.value for directive in self.directives if directive.name == "NotifyAccess"]
        return given[-1:] == ["all"]

    @property
    def runnable(self) -> bool:
        """Whether the entry counts in its levels: an `off` entry is never started."""
        return self.mode.is_started

    @property
    def holds_back(self) -> bool:
        """Whether what stands behind it in the file is not started unless it did well."""
        return self.required and self.runnable


@dataclass(frozen=True, slots=True)
class ResourceGroup:
    """What a table says of one group. Without entries it is one that the table does not have."""

    name: str
    entries: tuple[Entry, ...] = ()
    directives: tuple[Directive, ...] = ()  # of its slice
    boot_level: str | None = None
    stops_in_order: bool = False  # the last entry first, and one after the other
    declared: tuple[str, ...] = ()  # levels without entries; if there are any, no others but those of entries are taken

    @property
    def levels(self) -> tuple[str, ...]:
        """Every level that the table gives the group: those that its entries name, then those that it declares."""
        return tuple(dict.fromkeys((*level_names(self.entries), *self.declared)))

    @property
    def running_levels(self) -> tuple[str, ...]:
        """The levels in which something of the group runs."""
        return level_names(tuple(entry for entry in self.entries if entry.runnable))

    @property
    def lines(self) -> tuple[str, ...]:
        """The group as lines of a table, without newlines."""
        own = [entry for entry in self.entries if not entry.ready_of]
        required = [entry.ready_of or entry.tag for entry in self.entries if entry.required]
        return (
            *(setting_line(Kind.SLICE, self.name, directive.line) for directive in self.directives),
            *([] if self.boot_level is None else [setting_line(Kind.BOOT_LEVEL, self.name, self.boot_level)]),
            *([setting_line(Kind.STOP, self.name, WORDS[Kind.STOP])] if self.stops_in_order else []),
            *([setting_line(Kind.LEVELS, self.name, ",".join(self.declared))] if self.declared else []),
            *(entry.line for entry in own),
            *(setting_line(Kind.SERVICE, e.tag, directive.line) for e in own for directive in e.directives),
            *(setting_line(kind, e.tag, check.text) for e in own for kind, check in e.checks),
            *(setting_line(Kind.REQUIRED, tag, WORDS[Kind.REQUIRED]) for tag in required),
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
            entries.setdefault(entry.group, []).extend(with_readiness(entry))
        directives, boot_levels = self._group_settings
        ordered = {setting.subject for setting in self.settings if setting.kind is Kind.STOP}
        declared = {setting.subject: setting.levels for setting in self.settings if setting.kind is Kind.LEVELS}
        return {
            name: ResourceGroup(
                name,
                tuple(found),
                tuple(directives.get(name, ())),
                boot_levels.get(name),
                stops_in_order=name in ordered,
                declared=declared.get(name, ()),
            )
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
            if setting.kind is Kind.SLICE:
                directives.setdefault(setting.subject, []).append(setting.directive)
            elif setting.kind is Kind.BOOT_LEVEL:
                boot_levels[setting.subject] = setting.value
        return directives, boot_levels

    @functools.cached_property
    def managed(self) -> Mapping[str, Managed]:
        """What the table tells a Pacemaker cluster, by groups: of each the last setting."""
        return {setting.subject: setting.managed for setting in self.settings if setting.kind is Kind.PACEMAKER}

    def source_of(self, directive: Directive) -> Setting:
        """The setting that gives an entry of the table a directive."""
        return self._settings_by_place[directive.place]

    @functools.cached_property
    def _settings_by_place(self) -> Mapping[Place, Setting]:
        return {setting.place: setting for setting in self.settings if setting.kind in {Kind.SERVICE, Kind.SERVICES}}

    def setting(self, name: str) -> str | None:
        """The value of a setting, the last one if it is repeated; None if the table does not have it."""
        return next((setting.value for setting in reversed(self.settings) if setting.name == name), None)


def with_readiness(entry: Entry) -> tuple[Entry, ...]:
    """An entry, and its readiness as an entry behind it, if it has one.

    The readiness waits like a test: it ends when the entry is ready, and what stands behind waits for that. So it is
    the readiness that is required, if the entry is. No table can have its tag, for that has a colon.
    """
    if entry.ready is None or not entry.runnable:
        return (entry,)
    shared = surroundings(entry, entry.ready)
    readiness = Entry(
        entry.group, readiness_tag(entry.tag), entry.levels, _JUDGED, entry.ready.command, entry.place,
        shared, entry.ready, required=entry.required, ready_of=entry.tag,
    )  # fmt: skip
    return replace(entry, required=False), readiness


def surroundings(entry: Entry, check: Check) -> tuple[Directive, ...]:
    """The directives of an entry that a check of it has as well.

    A probe of a group has none that says who asks. It asks systemd by the bus, and that need not know a user whom
    systemd has made (`DynamicUser=`). It runs nothing of the table's.
    """
    is_of_group = check.probe is not None and check.probe.scheme == forms.GROUP
    names = OF_GROUP_PROBES if is_of_group else OF_CHECKS
    return tuple(directive for directive in entry.directives if directive.name in names)


def readiness_tag(tag: str) -> str:
    """The tag of the entry that is the readiness of the one with a tag."""
    return f"{tag}{READY_SUFFIX}"


def levels_meant(entries: Iterable[Entry]) -> tuple[str, ...]:
    """The levels that people ask for, in order of first appearance: those that have an entry to start, if there are."""
    entries = [*entries]
    kept = [entry for entry in entries if entry.runnable] or entries
    return tuple(dict.fromkeys(name for entry in kept for name in entry.levels.meant))


def level_names(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """Every level that any of the entries names, in order of first appearance."""
    return tuple(dict.fromkeys(name for entry in entries for name in entry.levels.names))
