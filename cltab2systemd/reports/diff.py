"""The difference between two tables, or between what is applied and a table: what requests would do. Pure.

What a request does to an entry is asked of `changes`, as the daemon does.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.groups import advice, changes
from cltab2systemd.groups.changes import Effect, Standing
from cltab2systemd.reports import asjson
from cltab2systemd.table.model import ResourceGroup, level_names

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from cltab2systemd.groups.changes import Seen
    from cltab2systemd.groups.refusals import Refusal
    from cltab2systemd.table.model import Entry, Table

# What can change of an entry that stays in its group, in the order in which it is told.
FIELDS = ("mode", "command", "levels", "directives", "ready", "health", "preflight", "required")


class Change(enum.StrEnum):
    """What became of a group or an entry."""

    ADDED = "added"
    DELETED = "deleted"
    CHANGED = "changed"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class EntryDifference:
    """An entry of a group, before and after; None where the group does not have it."""

    tag: str
    old: Entry | None
    new: Entry | None
    # Of an update at the level at which the group is, for each level in question; none if it is not active.
    effects: tuple[tuple[str, Effect], ...]
    moved_from: str | None = None  # the group that had it before
    moved_to: str | None = None  # the group that has it now

    @property
    def change(self) -> Change:
        """What became of the entry in this group."""
        if self.old is None:
            return Change.ADDED
        if self.new is None:
            return Change.DELETED
        return Change.SAME if self.old == self.new else Change.CHANGED

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields that differ, if the group has the entry before and after."""
        if self.old is None or self.new is None:
            return ()
        names = (name for name in FIELDS if name != "command" or not self.new.ready_of)  # which is in `ready`
        return tuple(name for name in names if getattr(self.old, name) != getattr(self.new, name))

    def levels_with(self, effect: Effect) -> tuple[str, ...]:
        """The levels at which a request has an effect on the entry."""
        return tuple(level for level, found in self.effects if found is effect)


@dataclass(frozen=True, slots=True)
class Refused:
    """A level at which a group does not take its new lines, as `advice.on_update` has it."""

    level: str
    code: Refusal
    why: str

    def as_json(self) -> asjson.Json:
        """It as a JSON value."""
        return {"level": asjson.text(self.level), "code": str(self.code), "error": asjson.text(self.why)}


@dataclass(frozen=True, slots=True)
class GroupDifference:
    """A group before and after; one without entries where it is not there. All its entries, also the same ones."""

    old: ResourceGroup
    new: ResourceGroup
    entries: tuple[EntryDifference, ...]  # in the new order, then those that the group does not have any more
    standing: Standing | None = None  # how it stands here; None if that is not known
    refused: tuple[Refused, ...] = ()  # the levels in question at which it does not take the new lines

    @property
    def name(self) -> str:
        """The group's name."""
        return self.new.name

    @property
    def change(self) -> Change:
        """What became of the group."""
        if not self.old.entries:
            return Change.ADDED
        if not self.new.entries:
            return Change.DELETED
        return Change.SAME if self.old == self.new else Change.CHANGED

    @property
    def is_left_to_cluster(self) -> bool:
        """Whether the group leaves the table and stays as it is, for the cluster that started it is to stop it."""
        return _is_left_to_cluster(self.standing, self.new)

    @property
    def is_by_request_only(self) -> bool:
        """Whether a request for its level would do something to entries, for one was stopped, say, or has failed.

        An update does nothing to it, for no line has changed.
        """
        return (
            self.change is Change.SAME
            and self.standing is not None
            and any(effect not in {Effect.LEAVE, Effect.NONE} for entry in self.entries for _, effect in entry.effects)
        )

    @property
    def is_reordered(self) -> bool:
        """Whether entries that stay are started in another order: that restarts nothing."""
        old, new = ({entry.tag: None for entry in group.entries} for group in (self.old, self.new))
        return [tag for tag in old if tag in new] != [tag for tag in new if tag in old]


@dataclass(frozen=True, slots=True)
class SettingDifference:
    """A setting that is neither a group's nor an entry's, before and after; None where the table does not have it."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """All groups of either side, also the same ones, in the new order, and the settings that differ."""

    groups: tuple[GroupDifference, ...]
    settings: tuple[SettingDifference, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether both sides say the same: then an update does nothing, however the groups are."""
        return not self.settings and all(group.change is Change.SAME for group in self.groups)


def against_applied(standings: Mapping[str, Standing], table: Table) -> Difference:
    """What a table changes for the groups as they stand here, each at its level if it is at one."""
    applied = {name: standing.group for name, standing in standings.items()}
    moves = _Moves(applied, table.groups)
    at = {name: () if standing.level is None else (standing.level,) for name, standing in standings.items()}
    refused = {
        name: refusals(standing.group, table.group(name), at[name], moves.owners)
        for name, standing in standings.items()
    }
    takers = frozenset(name for name, levels in at.items() if levels and not refused[name])
    groups = []
    for name in _names(applied, table.groups):
        standing = standings.get(name) or Standing(ResourceGroup(name))
        new = table.group(name)
        kept = standing.group if _is_left_to_cluster(standing, new) else new
        asked, stays = at.get(name, ()), refused.get(name, ())
        entries = moves.compare(standing.group, new, asked, standing.seen, kept, stays=stays, takers=takers)
        groups.append(GroupDifference(standing.group, new, entries, standing, stays))
    return Difference(tuple(groups))


def refusals(
    old: ResourceGroup, new: ResourceGroup, levels: Iterable[str], owners: Mapping[str, str]
) -> tuple[Refused, ...]:
    """At which of some levels a group does not take its new lines. One that leaves the table takes none.

    Args:
        old: the group with its present lines.
        new: with the new ones.
        levels: the levels.
        owners: the group of each entry in the new table, by tag.
    """
    if not new.entries:
        return ()
    taken = {entry.tag: owners[entry.tag] for entry in old.entries if owners.get(entry.tag, new.name) != new.name}
    found = ((level, advice.on_update(old, new, level, taken)) for level in levels)
    return tuple(Refused(level, *refused) for level, refused in found if refused is not None)


def _is_left_to_cluster(standing: Standing | None, new: ResourceGroup) -> bool:
    return standing is not None and standing.of_cluster and not new.entries


def between(old: Table, new: Table) -> Difference:
    """What changes from one table to the next: a group could be at any level that either names."""
    moves = _Moves(old.groups, new.groups)
    groups = []
    for name in _names(old.groups, new.groups):
        before, after = old.group(name), new.group(name)
        levels = level_names((*before.entries, *after.entries))
        refused = refusals(before, after, levels, moves.owners)
        entries = moves.compare(before, after, levels, stays=refused, takers=new.groups)
        groups.append(GroupDifference(before, after, entries, refused=refused))
    settings = (
        SettingDifference(name, old.setting(name), new.setting(name))
        for name in dict.fromkeys(
            setting.name for table in (new, old) for setting in table.settings if not setting.kind.subject
        )
    )
    return Difference(tuple(groups), tuple(setting for setting in settings if setting.old != setting.new))


def _names(old: Mapping[str, ResourceGroup], new: Mapping[str, ResourceGroup]) -> Iterable[str]:
    """All groups: the new ones in their order, then those that are gone."""
    return {**new, **old}


# What becomes of an entry if its group stays as it is, by what would be done to it; others run, and are left alone.
_STAYING = {Effect.START: Effect.NONE, Effect.NONE: Effect.NONE}


class _Moves:
    """Which group has an entry on either side: tags are unique in a table."""

    def __init__(self, old: Mapping[str, ResourceGroup], new: Mapping[str, ResourceGroup]) -> None:
        self._old, self.owners = (
            {entry.tag: group.name for group in side.values() for entry in group.entries} for side in (old, new)
        )

    def compare(
        self,
        old: ResourceGroup,
        new: ResourceGroup,
        levels: tuple[str, ...],
        seen: Seen | None = None,
        kept: ResourceGroup | None = None,
        *,
        stays: Iterable[Refused] = (),
        takers: Container[str],
    ) -> tuple[EntryDifference, ...]:
        """The entries of a group, before and after, with the effects at some levels: those of `kept` lines, if any.

        At a level where it is refused, the group stays as it is. But groups that take new lines (`takers`) take their
        entries from it.
        """
        wanted = (kept or new).entries
        effects = {level: changes.effects(old.entries, wanted, level, level, seen) for level in levels}
        for found in (effects[refused.level] for refused in stays):
            staying = (tag for tag in found if (owner := self.owners.get(tag)) == new.name or owner not in takers)
            found.update({tag: _STAYING.get(found[tag], Effect.LEAVE) for tag in staying})
        before, after = ({entry.tag: entry for entry in group.entries} for group in (old, new))
        return tuple(
            EntryDifference(
                tag,
                before.get(tag),
                after.get(tag),
                tuple((level, found[tag]) for level, found in effects.items()),
                moved_from=None if tag in before else self._old.get(tag),
                moved_to=None if tag in after else self.owners.get(tag),
            )
            for tag in {**after, **before}
        )
