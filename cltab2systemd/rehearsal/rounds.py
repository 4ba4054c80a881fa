"""Which moves are rehearsed, and in which rounds: all groups side by side, and one table for each round. Pure.

The acts follow each other:

1. Groups whose lines differ go from the old table to the new one and back again, round by round, so that every move
   counts: those there, and those of a push that is taken back.
2. Groups that have no other lines, or had none, go from level to level of the new table.
3. All groups are taken to nothing, and from there to each level that they have not come to from there.

Entries that a table moves from one group to another would have one group stop what the other one is about to start.
Such groups do not share a cast: each is rehearsed while the others are at no level.
"""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cltab2systemd.rehearsal.walk import walk
from cltab2systemd.reports.diff import refusals
from cltab2systemd.table.declared import is_refused
from cltab2systemd.table.model import ResourceGroup, level_names, levels_meant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cltab2systemd.reports.diff import Refused


class Side(enum.StrEnum):
    """The table that is there in a round."""

    OLD = "old"
    NEW = "new"
    CLEAR = "clear"  # one without the groups that are rehearsed, so that they are stopped


@dataclass(frozen=True, slots=True)
class Place:
    """Where a group is: the table that its units were made from, and its level; None if nothing of it runs."""

    side: Side
    level: str | None


NOWHERE = Place(Side.CLEAR, None)


@dataclass(frozen=True, slots=True)
class Move:
    """One switch of one group."""

    group: str
    origin: Place
    target: Place


@dataclass(frozen=True, slots=True)
class Round:
    """Moves that are made at the same time, under one table."""

    side: Side
    moves: tuple[Move, ...]
    cast: int = 0  # which of the casts
    is_prelude: bool = False  # groups that stay as they are come to the levels at which they stand by


@dataclass(frozen=True, slots=True)
class Wish:
    """Which pairs of levels are wanted; None for all."""

    origin: str | None = None
    target: str | None = None

    def wants(self, origin: Place, target: Place) -> bool:
        """Whether a step is one of them."""
        return (self.origin is None or origin.level == self.origin) and (
            self.target is None or target.level == self.target
        )


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A group that is rehearsed; a side without entries is one that does not have it."""

    old: ResourceGroup
    new: ResourceGroup

    @property
    def name(self) -> str:
        """The group's name."""
        return self.new.name

    @property
    def changes(self) -> bool:
        """Whether both tables have it, with different lines."""
        return bool(self.old.entries) and self.old != self.new

    def lines(self, side: Side) -> ResourceGroup:
        """What a table says of it."""
        return {Side.OLD: self.old, Side.NEW: self.new, Side.CLEAR: ResourceGroup(self.name)}[side]

    def places(self, side: Side, *also: str | None) -> tuple[Place, ...]:
        """Where it can be under a table: at the levels that people ask for, those that it declares, and some more.

        Of these only those that one of the tables gives it. Under the other one, such a level stops everything.
        """
        group = self.lines(side)
        if not group.entries:
            return (Place(side, None),)
        known = {*self.old.levels, *self.new.levels}
        asked = (level for level in also if level in known and not is_refused(group, level))
        names = dict.fromkeys((*levels_meant(group.entries), *group.declared, *asked))
        return tuple(Place(side, name) for name in names)


@dataclass(frozen=True, slots=True)
class Program:
    """What is rehearsed.

    Args:
        groups: the groups that are.
        standing_by: groups that are not, each with the level at which it stands by, to see that nothing touches it.
        rounds: in their order.
        lines_of_others: what the table says of groups that stand by.
        wish: which pairs of levels are wanted.
    """

    groups: Mapping[str, Rehearsed]
    standing_by: Mapping[str, str]
    rounds: tuple[Round, ...]
    lines_of_others: Mapping[str, ResourceGroup] = field(default_factory=dict)
    wish: Wish = field(default_factory=Wish)

    @property
    def moves(self) -> int:
        """How many moves are made."""
        return sum(len(each.moves) for each in self.rounds if not each.is_prelude)

    def runs(self, tag: str) -> bool:
        """Whether a move leads to where an entry runs."""
        return any(
            move.target.level in entry.levels and entry.runnable and entry.tag == tag
            for each in self.rounds
            for move in each.moves
            if move.group in self.groups
            for entry in self.groups[move.group].lines(move.target.side).entries
        )

    def refused(self, name: str) -> tuple[Refused, ...]:
        """The levels under the old table at which a group does not take its new lines unless somebody asks for one."""
        group = self.groups[name]
        levels = dict.fromkeys((*level_names(group.old.entries), *group.old.declared)) if group.changes else ()
        owners = {entry.tag: each.name for each in self.groups.values() for entry in each.new.entries}
        return refusals(group.old, group.new, (each for each in levels if self.wish.origin in {None, each}), owners)


def program(
    groups: Sequence[Rehearsed], others: Mapping[str, tuple[ResourceGroup, str]], wish: Wish | None = None
) -> Program:
    """The rounds in which groups are rehearsed.

    Args:
        groups: those that are.
        others: those that both tables have as they are, with their lines and a level each.
        wish: which pairs of levels are wanted.
    """
    prelude = tuple(Move(name, NOWHERE, Place(Side.NEW, level)) for name, (_, level) in others.items())
    rounds = [Round(Side.NEW, prelude, is_prelude=True)] if prelude else []
    before: list[Rehearsed] = []
    for number, cast in enumerate(_casts(groups)):
        rounds += _cleared([group.name for group in before], rounds, number)
        rounds += _rounds_of(cast, wish or Wish(), number)
        before = cast
    levels = {name: level for name, (_, level) in others.items()}
    lines = {name: lines for name, (lines, _) in others.items()}
    return Program({group.name: group for group in groups}, levels, tuple(rounds), lines, wish or Wish())


def _casts(groups: Sequence[Rehearsed]) -> list[list[Rehearsed]]:
    """The groups in as few casts as it takes for none to have two groups of which one gets an entry of the other."""
    casts: list[list[Rehearsed]] = []
    for group in groups:
        fitting = next((cast for cast in casts if not any(_exchange(group, other) for other in cast)), None)
        if fitting is None:
            casts.append([group])
        else:
            fitting.append(group)
    return casts


def _exchange(one: Rehearsed, other: Rehearsed) -> bool:
    def tags(group: ResourceGroup) -> set[str]:
        return {entry.tag for entry in group.entries}

    return bool(tags(one.old) & tags(other.new) or tags(other.old) & tags(one.new))


def _rounds_of(cast: Sequence[Rehearsed], wish: Wish, number: int) -> list[Round]:
    """The rounds of a cast, all three acts."""
    here = dict.fromkeys((group.name for group in cast), NOWHERE)
    from_nothing: dict[str, list[Place]] = {}
    acts: list[dict[str, list[Place]]] = [{}, {}]
    for group in cast:
        places = group.places(Side.NEW, wish.origin, wish.target) if group.new.entries else ()
        from_nothing[group.name] = [place for place in places if wish.wants(NOWHERE, place)]
        acts[0 if group.changes else 1][group.name] = _way(group, wish, from_nothing[group.name])
    rounds = _in_step(acts[0], (Side.NEW, Side.OLD), here, number) + _in_step(acts[1], (Side.NEW,), here, number)
    for places in itertools.zip_longest(*from_nothing.values()):
        due = {name: place for name, place in zip(from_nothing, places, strict=True) if place is not None}
        due = {name: place for name, place in due.items() if not _made(rounds, name, NOWHERE, place)}
        if due:
            rounds += _cleared([group.name for group in cast], rounds, number)
            moves = tuple(Move(name, NOWHERE, place) for name, place in due.items())
            rounds.append(Round(Side.NEW, moves, number))
    return rounds


def _made(rounds: Iterable[Round], group: str, origin: Place, target: Place) -> bool:
    return any(Move(group, origin, target) == move for each in rounds for move in each.moves)


def _way(group: Rehearsed, wish: Wish, from_nothing: Sequence[Place]) -> list[Place]:
    """The places that a group comes to in the first two acts, one in each round; it begins under the new table.

    A group that the new table does not have is nowhere there.
    """
    new = group.places(Side.NEW, wish.origin, wish.target)
    old = group.places(Side.OLD, wish.origin, wish.target) if group.changes else ()
    if group.changes:
        steps = {**dict.fromkeys(new, old), **dict.fromkeys(old, new)}
    else:
        steps = {place: tuple(other for other in new if other != place) for place in new}
    wanted = [(place, other) for place, others in steps.items() for other in others if wish.wants(place, other)]
    start = from_nothing[0] if from_nothing else new[0]
    way = walk(steps, wanted, start)
    return [start, *way] if way or from_nothing else []


def _in_step(
    ways: Mapping[str, Sequence[Place]], sides: Sequence[Side], here: dict[str, Place], cast: int
) -> list[Round]:
    """The rounds in which groups go their ways side by side; `here` is where they are, before and behind that."""
    rounds = []
    for index, places in enumerate(itertools.zip_longest(*ways.values())):
        moves = []
        for name, place in zip(ways, places, strict=True):
            if place is not None and place != here[name]:
                if not (here[name].level is None and place.level is None):
                    moves.append(Move(name, here[name], place))
                here[name] = place
        if moves:
            rounds.append(Round(sides[index % len(sides)], tuple(moves), cast))
    return rounds


def _cleared(names: Sequence[str], rounds: Sequence[Round], cast: int) -> list[Round]:
    """A round in which those of some groups that are at a level are taken to nothing."""
    here: dict[str, Place] = {}
    for each in rounds:
        here |= {move.group: move.target for move in each.moves}
    moves = tuple(Move(name, here[name], NOWHERE) for name in names if name in here and here[name].level is not None)
    return [Round(Side.CLEAR, moves, cast)] if moves else []
