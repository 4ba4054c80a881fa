"""Which entries somebody means by the names of groups and tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.commands.instance import Instance
from cltab2systemd.disk import tables
from cltab2systemd.groups.entrycommands import move_command
from cltab2systemd.table.grammar import parse_files
from cltab2systemd.table.model import levels_meant
from cltab2systemd.table.spelling import Spellings
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cltab2systemd.locations import Locations
    from cltab2systemd.table.model import Entry

# Between the group and the tag of one entry, as in a table: no name can have it.
_BETWEEN = ":"


class UnknownNameError(Exception):
    """A name that is neither a group nor a tag; the text is fit for a person."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What somebody means.

    Attributes:
        entries: the group and the tag of each, in the order of the table.
        notes: what to tell whoever asked.
    """

    entries: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """Every entry that there is.

    Attributes:
        entries: each group and tag once: those of the table on disk, then those that only a daemon has applied.
        new: the group and the tag of each that the table has, and no daemon has applied.
    """

    entries: tuple[Entry, ...]
    new: frozenset[tuple[str, str]]


def known(locations: Locations) -> Known:
    """The entries of the table on disk, and those that a daemon has applied.

    tables.TableUnreadableError if neither can be read.
    """
    try:
        applied = Instance(locations).applied()
    except OSError:
        applied = {}
    try:
        files, _ = tables.read_table(locations.table)
        entries = parse_files(files)[0].entries
    except tables.TableUnreadableError:
        if not applied:
            raise
        entries = ()
    here = {_name(entry): entry for entry in entries}
    left = {_name(entry): entry for group in applied.values() for entry in group.entries}
    gone = (entry for name, entry in left.items() if name not in here)
    return Known((*here.values(), *gone), frozenset(here.keys() - left.keys()))


def _name(entry: Entry) -> tuple[str, str]:
    return entry.group, entry.tag


def chosen(words: Sequence[str], there: Iterable[Entry]) -> Chosen:
    """The entries that words name; all if there is no word.

    Args:
        words: each a group, a tag, or `GROUP:TAG`. What is both a group and a tag is the group.
        there: each entry that there is.

    Raises:
        UnknownNameError: there is no such group or tag.
    """
    entries = tuple(map(_name, there))
    groups = dict.fromkeys(group for group, _ in entries)
    tags = dict.fromkeys(tag for _, tag in entries)
    wanted: set[tuple[str, str]] = set()
    notes = []
    for word in words:
        group, between, tag = word.partition(_BETWEEN)
        found = [entry for entry in entries if (entry == (group, tag) if between else word in entry[:1])]
        of_tag = [entry for entry in entries if entry[1] == word]
        if found and of_tag and set(of_tag) - set(found):
            others = ", ".join(shortened(_BETWEEN.join(entry)) for entry in of_tag)
            notes.append(f"{shortened(word)} is a group, and also the tag of {others}; this is the group")
        if not (found := found or of_tag):
            raise UnknownNameError(_unknown(word, groups, tags))
        wanted.update(found)
    return Chosen(tuple(entry for entry in entries if not words or entry in wanted), tuple(notes))


def tagged(words: Iterable[str], there: Sequence[Entry]) -> tuple[tuple[str, str], ...]:
    """The entries that words name, each a tag or `GROUP:TAG`; the arguments and errors are as for `chosen`.

    A group is none of these: whoever stops or restarts one means a level.
    """
    entries = tuple(map(_name, there))
    groups, tags = {group for group, _ in entries}, dict.fromkeys(tag for _, tag in entries)
    wanted: set[tuple[str, str]] = set()
    for word in words:
        group, between, tag = word.partition(_BETWEEN)
        found = {entry for entry in entries if (entry == (group, tag) if between else entry[1] == word)}
        if not found and word in groups:
            move = move_command(word, levels_meant(entry for entry in there if entry.group == word))
            raise UnknownNameError(f"{shortened(word)} is a group: name its entries, or move it with {move}")
        if not found:
            like = Spellings(tags).like(word)
            hint = f"; did you mean '{shortened(like)}'?" if like is not None else ""
            raise UnknownNameError(f"no entry has the tag {shortened(word)}{hint}")
        if len(found) > 1:  # it is about to move from one to the other
            which = " or ".join(f"'{shortened(_BETWEEN.join(entry))}'" for entry in sorted(found))
            raise UnknownNameError(f"{shortened(word)} is in several groups; say {which}")
        wanted |= found
    return tuple(entry for entry in entries if entry in wanted)


def _unknown(word: str, groups: Iterable[str], tags: Iterable[str]) -> str:
    told = f"no such group or tag: {shortened(word)}"
    like = Spellings([*groups, *tags]).like(word)
    return f"{told}; did you mean '{shortened(like)}'?" if like is not None else told
