"""Which moves are rehearsed, and in which rounds."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import tables

from cltab2systemd.rehearsal.rounds import NOWHERE, Move, Place, Program, Rehearsed, Side, Wish, program
from cltab2systemd.table.grammar import parse

if TYPE_CHECKING:
    from cltab2systemd.table.model import ResourceGroup, Table


def groups(text: str) -> dict[str, ResourceGroup]:
    return dict(parse(text.encode(), "cltab")[0].groups)


def between(old: str, new: str, wish: Wish | None = None) -> Program:
    """What is rehearsed of two tables: the groups that differ."""
    return of_tables(parse(old.encode(), "cltab")[0], parse(new.encode(), "cltab")[0], wish)


def of_tables(before: Table, after: Table, wish: Wish | None = None) -> Program:
    names = {**after.groups, **before.groups}
    changed = [Rehearsed(before.group(n), after.group(n)) for n in names if before.group(n) != after.group(n)]
    others = {n: (g, "1") for n, g in after.groups.items() if before.group(n) == g}
    return program(changed, others, wish)


def told(found: Program) -> list[str]:
    """Rounds as a person writes them: the table, and each group's move."""
    return [
        f"{each.side}: " + ", ".join(f"{move.group} {move.origin.level}>{move.target.level}" for move in each.moves)
        for each in found.rounds
    ]


def pairs(found: Program, name: str) -> set[tuple[Place, Place]]:
    return {(m.origin, m.target) for each in found.rounds for m in each.moves if m.group == name}


def test_there_and_back() -> None:
    """A group that changes goes from each level of the old table to each of the new one, back, and from nothing."""
    found = between(
        "web:a:1:wait:x\nweb:b:2:wait:x\nmail:c:1:wait:x\n", "web:a:1:wait:y\nweb:b:2:wait:x\nmail:c:1:wait:x\n"
    )
    assert told(found)[0] == "new: mail None>1"
    assert found.rounds[0].is_prelude
    old, new = ([Place(side, level) for level in "12"] for side in (Side.OLD, Side.NEW))
    both = {*itertools.product(old, new), *itertools.product(new, old)}
    assert pairs(found, "web") == both | {(NOWHERE, place) for place in new} | {(Place(Side.NEW, "1"), NOWHERE)}
    assert found.moves == len(both) + 3


def test_levels_at_which_the_new_lines_are_refused() -> None:
    """They are those of the old lines that the new ones do not have; with --from, that one alone."""
    old, new = "web:a:12:wait:x\n:::levels.web:off\n", "web:a:2:wait:x\n"

    def refused(after: str, wish: Wish | None = None) -> list[tuple[str, str]]:
        return [(each.level, str(each.code)) for each in between(old, after, wish).refused("web")]

    assert refused(new) == [("12", "unnamed-level"), ("1", "unnamed-level")]  # the whole list is a level, too
    assert refused(new, Wish(origin="2")) == []
    assert refused(f"{new}:::levels.web:rest\n", Wish(origin="off")) == [("off", "undeclared-level")]
    assert refused("mail:b:1:wait:x\n") == []  # it leaves the table


def test_added_and_unchanged() -> None:
    """A group that the old table does not have goes from level to level of the new one only."""
    found = between("", "web:a:1:wait:x\nweb:b:2:wait:x\n")
    assert told(found) == ["new: web None>1", "new: web 1>2", "new: web 2>1", "clear: web 1>None", "new: web None>2"]


def test_leaving() -> None:
    """A group that leaves the table is taken from each of its levels to nothing, and comes back if the push does."""
    found = between("web:a:1:wait:x\nweb:b:2:wait:x\n", "mail:c:1:wait:x\n")
    assert [line for line in told(found) if "web" in line] == [
        "old: web None>1", "new: web 1>None", "old: web None>2", "new: web 2>None",
    ]  # fmt: skip


def test_side_by_side() -> None:
    """Groups share rounds."""
    old = "".join(f"g{n}:t{n}:1:wait:x\n" for n in range(10))
    found = between(old, old.replace("x", "y"))
    assert [len(each.moves) for each in found.rounds] == [10] * 3


def test_an_entry_that_moves_to_another_group() -> None:
    """The two groups are not rehearsed side by side, and each has nothing of the other's while it is."""
    old = "web:a:1:wait:x\nweb:b:1:wait:x\nmail:c:1:wait:x\nlog:d:1:wait:x\n"
    found = between(old, "web:b:1:wait:x\nmail:c:1:wait:x\nmail:a:1:wait:x\nlog:d:1:wait:y\n")
    casts = {each.cast: {m.group for m in each.moves if m.target != NOWHERE} for each in found.rounds}
    assert casts == {0: {"web", "log"}, 1: {"mail"}}
    first = next(each for each in found.rounds if each.cast == 1)
    assert first.side is Side.CLEAR


def test_chosen_levels() -> None:
    """With --from and --to only that pair is rehearsed, besides the way to where it begins."""
    old = "web:a:1:wait:x\nweb:b:2:wait:x\nweb:c:3:wait:x\n"
    found = between(old, old.replace("x", "y"), Wish("3", "1"))
    assert {(Place(Side.OLD, "3"), Place(Side.NEW, "1")), (Place(Side.NEW, "3"), Place(Side.OLD, "1"))} <= pairs(
        found, "web"
    )
    assert found.moves <= 6


def test_a_level_that_one_table_names() -> None:
    """Under the other table it is one that stops everything, unless the group declares others.

    A group that neither table gives that level does not go there.
    """
    old = "web:a:1:wait:x\nweb:b:gone,:wait:x\nmail:c:1:wait:x\n"
    new = old.replace("gone", "came").replace("x", "y")
    found = between(old, new, Wish(None, "gone"))
    here = {Place(Side.OLD, "1"), Place(Side.OLD, "gone")}
    assert {(place, Place(Side.NEW, "gone")) for place in here} <= pairs(found, "web")
    assert (Place(Side.NEW, "1"), Place(Side.OLD, "gone")) in pairs(found, "web")
    assert pairs(found, "mail") == set()

    declares = f"{new}:::levels.web:stop\n"
    places = {place for pair in pairs(between(old, declares, Wish(None, "gone")), "web") for place in pair}
    assert Place(Side.OLD, "gone") in places
    assert Place(Side.NEW, "gone") not in places
    assert (Place(Side.OLD, "1"), Place(Side.NEW, "stop")) in pairs(between(old, declares, Wish(None, "stop")), "web")


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=50)
@given(st.tuples(tables(), tables()))
def test_any_tables(both: tuple[Table, Table]) -> None:
    """Each move begins where the one before has ended, under the table of its round, and all levels are come to."""
    found = of_tables(*both)
    here: dict[str, Place] = {}
    for each in found.rounds:
        assert len({move.group for move in each.moves}) == len(each.moves)
        for move in each.moves:
            assert move.origin == here.get(move.group, NOWHERE) or move.origin.level is None
            assert move.target.side is each.side
            assert move.origin != move.target
            here[move.group] = move.target
    for name, group in found.groups.items():
        for side in (Side.OLD, Side.NEW):
            if side is Side.NEW or (group.changes and group.lines(side).entries):
                missing = {*group.places(side)} - {move.target for _, move in _moves(found, name)}
                assert not missing or missing == {Place(Side.NEW, None)}


def _moves(found: Program, name: str) -> list[tuple[Side, Move]]:
    return [(each.side, move) for each in found.rounds for move in each.moves if move.group == name]
