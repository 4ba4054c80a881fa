"""What a request does to the entries of a group, also when the group gets new lines with it. Pure.

The order in which it is done is the switcher's; the commands that tell it beforehand ask here too.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cltab2systemd.groups.failure import Remedy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cltab2systemd.groups.state import State
    from cltab2systemd.table.model import Entry, ResourceGroup


@dataclass(frozen=True, slots=True)
class Seen:
    """What the units of a group say beyond its lines."""

    active: frozenset[str]  # the tags of the entries whose units are active, or on their way
    remedies: Mapping[str, Remedy]  # what a request does about entries that have ended, by tag
    failed: Mapping[str, str] = field(default_factory=dict)  # what is wrong with entries of the present level, by tag


@dataclass(frozen=True, slots=True)
class Standing:
    """A group as it stands: the lines that its units were made from, and the level that it is at; None if at none."""

    group: ResourceGroup
    level: str | None = None
    state: State | None = None  # as clstat has it; None if it has none
    seen: Seen | None = None  # None if nobody has looked at the units
    of_cluster: bool = False  # a cluster has started it, and is to stop it, also if it leaves the table


class Effect(enum.StrEnum):
    """What a request does to an entry."""

    START = "start"  # it does not run, and is started
    STOP = "stop"  # it runs, and is stopped
    RERUN = "rerun"  # it has ended badly, and is run again
    RESTART = "restart"  # it runs, is stopped with all that goes, and is started again under its new definition
    LEAVE = "leave"  # it runs, or has run, and is left alone
    NONE = "none"  # it does not run, and is not started


def is_member(entry: Entry, level: str) -> bool:
    """Whether a group at a level has an entry: the level is one of its levels, and it is not `off`."""
    return entry.runnable and level in entry.levels


def effects(
    applied: tuple[Entry, ...], wanted: tuple[Entry, ...], present: str | None, level: str, seen: Seen | None = None
) -> dict[str, Effect]:
    """What a request for a level does to each entry of a group, by tag.

    Args:
        applied: the lines that the present units were made from.
        wanted: the lines that the table has for the group now.
        present: the level that the group is at; None if nothing of it runs.
        level: the level that is asked for.
        seen: what the units say; without it an entry is taken to run if the present level has it.

    Returns:
        First the applied entries in their order, then the new ones in theirs.
    """
    by_lines = frozenset(entry.tag for entry in applied if present is not None and is_member(entry, present))
    running = by_lines if seen is None else seen.active
    remedies = {} if seen is None else seen.remedies
    stopped = tags_to_stop(applied, wanted, level)
    members = {entry.tag for entry in wanted if is_member(entry, level)}

    def effect(tag: str) -> Effect:
        if tag in stopped or tag not in by_lines | running:
            if tag in running:
                return Effect.RESTART if tag in members else Effect.STOP
            return Effect.START if tag in members else Effect.NONE
        return _EFFECT_OF.get(remedies.get(tag, Remedy.LEAVE), Effect.LEAVE)

    return {entry.tag: effect(entry.tag) for entry in (*applied, *wanted)}


# Of a request for a level on an entry that the present level has too, with the same definition.
_EFFECT_OF = {Remedy.START: Effect.START, Remedy.RERUN: Effect.RERUN}


def tags_to_stop(applied: tuple[Entry, ...], wanted: tuple[Entry, ...], level: str) -> frozenset[str]:
    """The entries of a group that may not run on when it gets new lines and goes to a level.

    These are the entries that were deleted, are outside of the level, or whose mode, command or directives changed:
    nothing may outlive its definition. A change of the levels alone restarts nothing.

    Args:
        applied: the lines that the present units were made from.
        wanted: the new lines.
        level: the level that the group goes to.
    """
    staying = {definition(entry) for entry in wanted if is_member(entry, level)}
    return frozenset(entry.tag for entry in applied if definition(entry) not in staying)


def definition(entry: Entry) -> tuple[object, ...]:
    """What a process of an entry may not outlive: all of the entry but its levels."""
    return entry.tag, entry.mode, entry.command, entry.directives


def tags_moved_here(other: tuple[Entry, ...], wanted: tuple[Entry, ...]) -> frozenset[str]:
    """The entries of another group's applied lines that the table now has in this group: tags are unique in it."""
    return frozenset(entry.tag for entry in other) & {entry.tag for entry in wanted}
