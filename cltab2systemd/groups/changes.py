"""What a request does to the entries of a group, also when the group gets new lines with it. Pure.

The switcher decides in which order it is done. The commands that foretell it, `diff` and `explain`, ask here too.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cltab2systemd.groups.reasons import Remedy

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
    """A group as it stands: the lines that its units were made from, and its level (None if it is at none)."""

    group: ResourceGroup
    level: str | None = None
    state: State | None = None  # as clstat has it; None if it has none
    seen: Seen | None = None  # None if nobody has looked at the units
    of_cluster: bool = False  # a cluster has started it; so the cluster is to stop it, even if it leaves the table


class Effect(enum.StrEnum):
    """What a request does to an entry."""

    START = "start"  # it does not run, and is started
    STOP = "stop"  # it runs, and is stopped
    RERUN = "rerun"  # it has ended badly, and is run again
    RESTART = "restart"  # it runs, is stopped with all that goes, and is started again under its new definition
    LEAVE = "leave"  # it runs, or has run, and is left alone
    NONE = "none"  # it does not run, and is not started


def is_member(entry: Entry, level: str) -> bool:
    """Whether an entry belongs to a level: it names the level, and it is not `off`."""
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
        seen: what the units say. Without it, the entries of the present level are taken to run.

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

    found = {entry.tag: effect(entry.tag) for entry in (*applied, *wanted)}
    # What is run again is stopped first, and its readiness with it.
    again = (entry.tag for entry in wanted if entry.ready_of and found.get(entry.ready_of) is Effect.RERUN)
    found.update({tag: Effect.RESTART for tag in again if found[tag] is Effect.LEAVE})
    return found


def checked_first(found: Mapping[str, Effect], wanted: tuple[Entry, ...], level: str) -> tuple[Entry, ...]:
    """The entries whose preflights have to pass before a request does anything: those that it starts, and are checked.

    Args:
        found: what the request does to each entry, as `effects` has it.
        wanted: the lines that the table has for the group now.
        level: the level that is asked for. The one that halts a group starts nothing, so nothing is checked.
    """
    starts = {Effect.START, Effect.RERUN, Effect.RESTART}
    members = (entry for entry in wanted if is_member(entry, level))
    return tuple(entry for entry in members if entry.preflight is not None and found[entry.tag] in starts)


# The effect on an entry that both levels have, with the same definition.
_EFFECT_OF = {Remedy.START: Effect.START, Remedy.RERUN: Effect.RERUN}


def tags_to_stop(applied: tuple[Entry, ...], wanted: tuple[Entry, ...], level: str) -> frozenset[str]:
    """The entries of a group that must stop when it gets new lines and goes to a level.

    An entry must stop if it was deleted, if it is outside of the level, or if its mode, command or directives changed:
    no process may outlive its definition. A change of its levels alone restarts nothing. The readiness of an entry
    stops with it, and is asked anew.

    Args:
        applied: the lines that the present units were made from.
        wanted: the new lines.
        level: the level that the group goes to.
    """
    staying = {definition(entry) for entry in wanted if is_member(entry, level)}
    going = {entry.tag for entry in applied if definition(entry) not in staying}
    return frozenset(entry.tag for entry in applied if entry.tag in going or entry.ready_of in going)


def definition(entry: Entry) -> tuple[object, ...]:
    """All of an entry but its levels. When this changes, its process must stop."""
    limits = entry.ready if entry.ready_of else None
    return entry.tag, entry.mode, entry.command, entry.directives, entry.required, limits


def pending_tags(applied: tuple[Entry, ...], wanted: tuple[Entry, ...]) -> tuple[str, ...]:
    """The tags of entries that are new, gone, or another way in the wanted lines, in the order of both."""
    if applied == wanted:  # as nearly always, and there may be a thousand
        return ()
    before, after = ([(definition(e), e.levels.text) for e in entries] for entries in (applied, wanted))
    changed = {*before} ^ {*after}
    both = zip((*applied, *wanted), (*before, *after), strict=True)
    return tuple(dict.fromkeys(entry.tag for entry, line in both if line in changed))


def tags_moved_here(other: tuple[Entry, ...], wanted: tuple[Entry, ...]) -> frozenset[str]:
    """The entries of another group's applied lines that the table now has in this group. A tag is unique in a table."""
    return frozenset(entry.tag for entry in other) & {entry.tag for entry in wanted}
