"""What a switch of a group to a level does, step by step. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.groups import changes
from cltab2systemd.groups.changes import Effect
from cltab2systemd.table.declared import is_refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cltab2systemd.groups.changes import Standing
    from cltab2systemd.table.model import Entry, ResourceGroup


@dataclass(frozen=True, slots=True)
class Explanation:
    """A switch.

    Every entry of the old and new lines is in one of `stops`, `starts`, `stays` and `rest`, but a restarted one is in
    both `stops`, as it was, and `starts`, as it is to be.
    """

    group: str
    present: str | None  # the level that the group comes from; None if nothing of it runs
    level: str
    is_named: bool  # whether an entry names the level
    is_declared: bool  # whether the group declares the level as one without entries
    is_refused: bool  # for the group declares such levels, and this is none of them
    preflights: tuple[Entry, ...]  # whose preflights have to pass first, or nothing is done
    moving: tuple[Entry, ...]  # still run in another group, which they have left: stopped there, before all else
    stops: tuple[Entry, ...]  # nothing is started before the last of them is gone
    stops_in_order: bool  # one after the other, in the order of `stops`; else all at once
    starts: tuple[Entry, ...]  # one after the other
    stays: tuple[Entry, ...]  # run, or have run, and are left alone
    rest: tuple[Entry, ...]  # do not run, and are not started
    restarts: frozenset[str]  # the tags in both `stops` and `starts`
    failed: Mapping[str, str]  # what is wrong with those in `stays`, by tag
    reruns: frozenset[str]  # the tags in `starts` of those that have ended badly


def explain(standing: Standing, wanted: ResourceGroup, level: str, others: Iterable[Standing] = ()) -> Explanation:
    """Explain a switch.

    Args:
        standing: how the group is.
        wanted: what the table says of it.
        level: the level that it is to go to.
        others: how the other groups are, which may still run what the table now has in this one.
    """
    applied = standing.group.entries
    effects = changes.effects(applied, wanted.entries, standing.level, level, standing.seen)
    # A restart is told of the new lines where an entry starts, and of the old ones where it stops.
    latest = {entry.tag: entry for entry in (*applied, *wanted.entries)}.values()
    moving: list[Entry] = []
    for other in others:
        if other.level is not None:
            tags = changes.tags_moved_here(other.group.entries, wanted.entries)
            moving += (e for e in other.group.entries if e.tag in tags and changes.is_member(e, other.level))

    def having(entries: Iterable[Entry], *kinds: Effect) -> tuple[Entry, ...]:
        return tuple(entry for entry in entries if effects[entry.tag] in kinds)

    stops = having(applied, Effect.STOP, Effect.RESTART)
    in_order = standing.group.stops_in_order  # under the units that there are
    return Explanation(
        standing.group.name,
        standing.level,
        level,
        is_named=any(level in entry.levels for entry in wanted.entries),
        is_declared=level in wanted.declared,
        is_refused=is_refused(wanted, level),
        preflights=changes.checked_first(effects, wanted.entries, level),
        moving=tuple(moving),
        stops=stops[::-1] if in_order else stops,
        stops_in_order=in_order,
        starts=having(wanted.entries, Effect.START, Effect.RERUN, Effect.RESTART),
        stays=having(wanted.entries, Effect.LEAVE),
        rest=having(latest, Effect.NONE),
        restarts=frozenset(tag for tag, effect in effects.items() if effect is Effect.RESTART),
        failed=dict((standing.seen.failed if standing.seen else {}).items()),
        reruns=frozenset(tag for tag, effect in effects.items() if effect is Effect.RERUN),
    )
