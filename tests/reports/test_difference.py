"""The difference of two tables, or of what is applied and a table; what requests do is test_changes'."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import tables

from cltab2systemd.groups.changes import Effect, Standing
from cltab2systemd.reports.diff import Change, Difference, against_applied, between
from cltab2systemd.table.grammar import parse
from cltab2systemd.table.model import level_names

if TYPE_CHECKING:
    from cltab2systemd.table.model import Table

OLD = "web:db:12:respawn:x\nweb:init:1:wait:y\nweb:job:2:once:z\n"


def table(text: str) -> Table:
    found, findings = parse(text.encode(), "cltab")
    assert findings == ()
    return found


def entry_of(found: Difference, tag: str, group: str = "web") -> str:
    """What became of an entry, in short."""
    (entry,) = (e for g in found.groups if g.name == group for e in g.entries if e.tag == tag)
    effects = (f"{effect}@{level}" for level, effect in entry.effects if effect not in {Effect.NONE, Effect.LEAVE})
    came = f"from {entry.moved_from}" if entry.moved_from else ""
    went = f"to {entry.moved_to}" if entry.moved_to else ""
    return " ".join(word for word in (entry.change, *entry.fields, came, went, *effects) if word)


@pytest.mark.parametrize(
    ("new", "tag", "expected"),
    [
        (OLD, "db", "same"),
        (OLD.replace("respawn:x", "respawn:xx"), "db", "changed command restart@12 restart@1 restart@2"),
        (OLD.replace("wait:y", "once:y"), "init", "changed mode restart@1"),
        (OLD.replace("wait:y", "off:yy"), "init", "changed mode command stop@1"),
        (OLD.replace("init:1:", "init:2:"), "init", "changed levels stop@1 start@2"),
        (OLD.replace("init:1:", "init:2:").replace("db:12:", "db:2:"), "init", "changed levels start@2"),
        (OLD.replace("init:1:", "init:3:"), "init", "changed levels stop@1 start@3"),
        (OLD + ":::service.init:Nice=5\n", "init", "changed directives restart@1"),
        (OLD + "web:new:3:wait:x\n", "new", "added start@3"),
        (OLD.replace("web:init:1:wait:y\n", ""), "init", "deleted stop@1"),
        (OLD.replace("web:init", "mail:init"), "init", "deleted to mail stop@1"),
    ],
)
def test_between(new: str, tag: str, expected: str) -> None:
    """What changed of an entry, and at which levels of the old or the new table that does something."""
    assert expected == entry_of(between(table(OLD), table(new)), tag)


def test_an_entry_that_comes_from_another_group() -> None:
    """The group that it moves to has it as an added one, and where it comes from."""
    found = between(table(OLD), table(OLD.replace("web:init", "mail:init")))
    assert entry_of(found, "init", "mail") == "added from web start@1"


def test_groups() -> None:
    """Groups come in the new order, then those that are gone; what changed of the group itself changes it, too."""
    old = table("a:1:1:wait:x\nb:2:1:wait:x\nc:3:1:wait:x\nd:4:1:wait:x\n")
    new = table("e:5:1:wait:x\nd:4:1:wait:x\nb:2:1:wait:x\n:::initdefault.b:1\nc:3:1:wait:x\n:::group.c:CPUWeight=9\n")
    found = between(old, new)
    assert [(group.name, group.change) for group in found.groups] == [
        ("e", Change.ADDED), ("d", Change.SAME), ("b", Change.CHANGED), ("c", Change.CHANGED), ("a", Change.DELETED)
    ]  # fmt: skip
    assert {effect for group in found.groups for entry in group.entries for _, effect in entry.effects} == {
        Effect.START, Effect.LEAVE, Effect.STOP
    }  # fmt: skip


@pytest.mark.parametrize(
    ("new", "reordered"),
    [("abc", False), ("acb", True), ("xaybzc", False), ("ac", False), ("ca", True), ("xyz", False)],
)
def test_reordered(new: str, *, reordered: bool) -> None:
    """Entries start in another order only if two that stay have changed places."""
    tables = (table("".join(f"g:{tag}:1:wait:x\n" for tag in tags)) for tags in ("abc", new))
    (group,) = between(*tables).groups
    assert reordered is group.is_reordered


def test_settings() -> None:
    """Settings that are neither a group's nor an entry's are compared by the value that counts."""
    old = table(":::log:/a\n:::log:/b\n:::socket:/s\n:::clstat:/c\n")
    new = table(
        ":::log:/b\n:::group.none:Nice\\=1=2\n".replace("Nice\\=1=2", "CPUWeight=2") + ":::socket:/t\n:::new:1\n"
    )
    assert [(s.name, s.old, s.new) for s in between(old, new).settings] == [
        ("socket", "/s", "/t"), ("new", None, "1"), ("clstat", "/c", None)
    ]  # fmt: skip


def test_against_applied() -> None:
    """Each group is seen at the level that it is at; of one that is at none, or that is new, nothing runs."""
    applied = table(OLD + "mail:spool:1:respawn:x\nidle:i:1:respawn:x\ngone:g:1:wait:x\n").groups
    new = table(
        OLD.replace("respawn:x", "respawn:xx") + "mail:spool:2:respawn:x\nidle:i:1:respawn:xx\nnew:n:1:wait:x\n"
    )
    at = {"web": "2", "mail": "2", "gone": "1"}
    found = against_applied({name: Standing(group, at.get(name)) for name, group in applied.items()}, new)
    assert entry_of(found, "db") == "changed command restart@2"
    assert entry_of(found, "init") == "same"
    assert entry_of(found, "spool", "mail") == "changed levels start@2"
    assert entry_of(found, "i", "idle") == "changed command"
    assert entry_of(found, "g", "gone") == "deleted stop@1"
    assert entry_of(found, "n", "new") == "added"
    assert [group.standing and group.standing.level for group in found.groups] == ["2", "2", None, None, "1"]


@pytest.mark.parametrize(("declared", "code"), [("", "unnamed-level"), (":::levels.web:stop\n", "undeclared-level")])
def test_a_level_that_is_lost(declared: str, code: str) -> None:
    """A group stays at it with all that it runs, but for entries that another group takes."""
    applied = table(f"{OLD}web:spool:1:once:x\nmail:queue:1:once:x\n").groups
    new = table(OLD.replace("1", "4") + f"web:more:4:once:x\nmail:queue:1:once:x\nmail:spool:1:once:x\n{declared}")
    for mail, expected in (("1", "deleted to mail stop@1"), (None, "deleted to mail")):
        at = {"web": "1", "mail": mail}
        found = against_applied({name: Standing(group, at[name]) for name, group in applied.items()}, new)
        web = found.groups[0]
        assert [(refused.level, refused.code) for refused in web.refused] == [("1", code)]
        assert entry_of(found, "spool") == expected
        assert entry_of(found, "db") == entry_of(found, "init") == "changed levels"
        assert entry_of(found, "more") == "added"
    (lost, _) = between(table(OLD), table(OLD.replace("1", "4"))).groups[0].refused
    assert lost.level == "12"


def test_a_group_that_leaves_has_lost_no_level() -> None:
    """It is stopped, and one that comes is refused nothing."""
    for pair in ((table(OLD), table("")), (table(""), table(OLD))):
        assert [group.refused for group in between(*pair).groups] == [()]


@settings(deadline=None)
@given(tables(), tables())
def test_a_table_differs_from_another_only(one: Table, other: Table) -> None:
    """A table does not differ from itself; from another it does exactly if their groups do, in whatever order."""
    for found in (between(one, one), against_applied({n: Standing(g) for n, g in one.groups.items()}, one)):
        assert found.is_empty
        assert {entry.change for group in found.groups for entry in group.entries} <= {Change.SAME}
        effects = {effect for group in found.groups for entry in group.entries for _, effect in entry.effects}
        assert effects <= {Effect.LEAVE, Effect.NONE}
    assert between(one, other).is_empty is (dict(one.groups) == dict(other.groups))


@settings(deadline=None)
@given(tables(), tables(), st.data())
def test_both_ways_agree(old: Table, new: Table, data: st.DataObject) -> None:
    """What is told for the level that a group is at is what is told offline for that level."""
    offline = between(old, new)
    at = {
        name: data.draw(st.sampled_from(level_names((*group.entries, *new.group(name).entries))))
        for name, group in old.groups.items()
    }
    live = against_applied({name: Standing(group, at[name]) for name, group in old.groups.items()}, new)
    for group, same in zip(live.groups, offline.groups, strict=True):
        assert set(group.refused) <= set(same.refused)
        for entry, twin in zip(group.entries, same.entries, strict=True):
            assert entry.tag == twin.tag
            assert set(entry.effects) <= set(twin.effects) or (group.refused and entry.moved_to)
            assert len(entry.effects) == (1 if group.name in at else 0)
