"""A switch step by step, as data; that it is what happens is seen in test_predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import tables

from cltab2systemd.groups.changes import Standing, is_member
from cltab2systemd.reports.explain import explain
from cltab2systemd.table.grammar import parse
from cltab2systemd.table.model import ResourceGroup, level_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cltab2systemd.table.model import Entry, Table

TEXT = "g:a:1:wait:x\ng:b:12:respawn:x\ng:c:2:once:x\ng:d:12:off:x\ng:e:12:test:x\n"


def group(text: str, name: str = "g") -> ResourceGroup:
    return parse(text.encode(), "cltab")[0].group(name)


def tags(entries: Iterable[Entry]) -> str:
    return "".join(entry.tag for entry in entries)


def test_a_switch_between_levels() -> None:
    """What the new level lacks stops, what it has and is not there yet starts, what both have stays."""
    found = explain(Standing(group(TEXT), "1"), group(TEXT), "2")
    assert found.group == "g"
    assert found.present == "1"
    assert found.level == "2"
    assert found.is_named
    assert "a" == tags(found.stops)
    assert "c" == tags(found.starts)
    assert "be" == tags(found.stays)
    assert "d" == tags(found.rest)
    assert found.moving == ()
    assert found.restarts == frozenset()


def test_from_nothing() -> None:
    """Everything of the level starts, in the order of the file; never what is off."""
    found = explain(Standing(group(TEXT)), group(TEXT), "1")
    assert "" == tags(found.stops)
    assert "abe" == tags(found.starts)
    assert "" == tags(found.stays)
    assert "cd" == tags(found.rest)


def test_a_level_that_no_entry_names() -> None:
    """It stops everything."""
    found = explain(Standing(group(TEXT), "1"), group(TEXT), "9")
    assert not found.is_named
    assert "abe" == tags(found.stops)
    assert "" == tags(found.starts)
    assert "" == tags(found.stays)
    assert "cd" == tags(found.rest)


def test_new_lines_at_the_same_time() -> None:
    """What changed stops as it was and starts as it is; what was deleted stops; the order is the new one."""
    new = group("g:n:2:wait:x\n" + TEXT.replace("respawn:x", "respawn:y").replace("g:a:1:wait:x\n", ""))
    found = explain(Standing(group(TEXT), "1"), new, "2")
    assert "ab" == tags(found.stops)
    assert "nbc" == tags(found.starts)
    assert "e" == tags(found.stays)
    assert "d" == tags(found.rest)
    assert found.restarts == {"b"}
    assert [entry.command for entry in (*found.stops, *found.starts) if entry.tag == "b"] == ["x", "y"]


def test_what_moves_here() -> None:
    """What still runs in a group that it has left stops there; not what the level there does not have."""
    others = [
        Standing(group("h:c:1:wait:x\nh:a:2:wait:x\nh:z:1:wait:x\n", "h"), "1"),
        Standing(group("i:b:1:wait:x\n", "i")),
    ]
    found = explain(Standing(group("")), group(TEXT), "1", others)
    assert [(entry.group, entry.tag) for entry in found.moving] == [("h", "c")]


@settings(deadline=None)
@given(tables(), tables(), st.data())
def test_steps(old: Table, new: Table, data: st.DataObject) -> None:
    """The steps hold each entry once (a restarted one twice), starts and stays are the level, in the file's order."""
    name = data.draw(st.sampled_from([*old.groups]))
    before = old.groups[name]
    after = data.draw(
        st.sampled_from([before, new.group(name), ResourceGroup(name, next(iter(new.groups.values())).entries)])
    )
    levels = st.sampled_from([*level_names((*before.entries, *after.entries)), "no entry has this"])
    present, level = data.draw(st.none() | levels), data.draw(levels)
    found = explain(Standing(before, present), after, level)

    stops, starts, stays, rest = (
        [e.tag for e in step] for step in (found.stops, found.starts, found.stays, found.rest)
    )
    assert sorted([*stops, *(tag for tag in starts if tag not in found.restarts), *stays, *rest]) == sorted(
        {entry.tag for entry in (*before.entries, *after.entries)}
    )
    assert found.restarts == set(stops) & set(starts)
    members = [entry.tag for entry in after.entries if is_member(entry, level)]
    assert starts == [tag for tag in members if tag not in stays]
    assert stays == [tag for tag in members if tag not in starts]
    running = [entry.tag for entry in before.entries if present is not None and is_member(entry, present)]
    assert stops == [tag for tag in running if tag not in stays][:: -1 if found.stops_in_order else 1]
    assert found.stops_in_order == before.stops_in_order
    assert set(stays) <= set(running)
    if before == after:
        assert not found.restarts
