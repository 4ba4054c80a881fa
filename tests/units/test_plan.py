"""The plan: gates in file order, barriers that stop what a level does not have, targets that want what it has."""

from dataclasses import replace
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import tables

from cltab2systemd.check.loading import MOST_DEPENDENCIES, load
from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.table.grammar import parse
from cltab2systemd.table.model import Mode, Table, level_names
from cltab2systemd.text import encoded
from cltab2systemd.units.kinds import BarrierUnit, EntryUnit, GateUnit, LevelUnit, MarkerUnit, SliceUnit, Unit
from cltab2systemd.units.names import HALT_LEVEL, LONGEST_UNIT_NAME, Names
from cltab2systemd.units.plan import GroupPlan, plan_group

NAMES = Names()
U = TypeVar("U", bound=Unit)

WEB = """\
web:init:12:wait:init
web:chk:13:test:chk
mail:queue:1:once:queue
web:old:13:off:old
web:db:long,3:respawn:db
"""


def plan(text: str, group: str = "web") -> GroupPlan:
    table, findings = load(text.encode(), "/etc/cltab")
    assert findings == ()
    return plan_group(NAMES, table.groups[group])


def of_kind(found: GroupPlan, kind: type[U]) -> dict[str, U]:
    return {unit.name: unit for unit in found.units if isinstance(unit, kind)}


def chain(found: GroupPlan) -> list[str]:
    """The gates in the order in which they open, followed back from the last."""
    gates = of_kind(found, GateUnit)
    (last,) = {level.last_gate for level in of_kind(found, LevelUnit).values()}
    names = [last]
    while gates[names[0]].gate_before:
        names.insert(0, gates[names[0]].gate_before)
    return names


def findings_of(text: str) -> list[tuple[str, int, int, int]]:
    return [(f.code, f.place.line, f.place.column, f.place.width) for f in _findings(text)]


def _findings(text: str) -> tuple[Diagnostic, ...]:
    return load(encoded(text), "/etc/cltab")[1]


def test_the_units_of_a_group() -> None:
    """A slice, the gates with their entries, a barrier and a target per level, and both templates and the marker."""
    expected = [
        ("clinit-web.slice", SliceUnit),
        ("clinitgate-web.service", GateUnit),
        ("clinit-web@init.service", EntryUnit),
        ("clinitgate-web@init.service", GateUnit),
        ("clinit-web@old.service", EntryUnit),
        *(
            pair
            for level in ("12", "1", "2")
            for pair in (
                (f"clinitbarrier-web@{level}.service", BarrierUnit),
                (f"clinit-web@{level}.target", LevelUnit),
            )
        ),
        ("clinitbarrier-web@.service", BarrierUnit),
        ("clinit-web@.target", LevelUnit),
        ("clinit-web-unnamed.target", MarkerUnit),
    ]
    units = plan("web:init:12:wait:init\nweb:old:1:off:old\n").units
    assert expected == [(unit.name, type(unit)) for unit in units]
    assert {unit.group_slice for unit in units} == {"clinit-web.slice"}


def test_gates_are_a_chain_in_file_order() -> None:
    """One gate behind each entry that can run, from the first gate on, in the order of the file."""
    found = plan(WEB)
    tags = ["init", "chk", "db"]
    gates = of_kind(found, GateUnit)
    assert chain(found) == [NAMES.first_gate("web"), *(NAMES.gate("web", tag) for tag in tags)]
    assert len(gates) == len(tags) + 1
    assert [gate.entry for gate in gates.values()] == ["", *(NAMES.entry("web", tag) for tag in tags)]


def test_an_entry_starts_after_the_gate_before_it() -> None:
    """An entry waits for all before it, and for nothing behind it."""
    found = plan(WEB)
    before = {unit.name: unit.after_gate for unit in of_kind(found, EntryUnit).values()}
    assert before == {
        "clinit-web@init.service": "clinitgate-web.service",
        "clinit-web@chk.service": "clinitgate-web@init.service",
        "clinit-web@old.service": "clinitgate-web@chk.service",
        "clinit-web@db.service": "clinitgate-web@chk.service",
    }


def test_off_entries() -> None:
    """An `off` entry has no gate, is wanted by no level, and is stopped by each, also by one that only it names."""
    found = plan("web:on:1:wait:x\nweb:old:19:off:x\n")
    old = NAMES.entry("web", "old")
    assert NAMES.gate("web", "old") not in of_kind(found, GateUnit)
    assert all(old in barrier.stops for barrier in of_kind(found, BarrierUnit).values())
    assert all(old not in level.starts for level in of_kind(found, LevelUnit).values())
    assert of_kind(found, LevelUnit)[NAMES.level("web", "9")].starts == ()


@pytest.mark.parametrize(
    ("level", "inside"),
    [
        ("1", ["init", "chk"]),
        ("2", ["init"]),
        ("12", ["init"]),
        ("3", ["chk", "db"]),
        ("13", ["chk"]),
        ("long", ["db"]),
        ("long,3", ["db"]),
    ],
)
def test_a_level(level: str, inside: list[str]) -> None:
    """A level named by the whole field, a part or a character starts exactly its entries and stops all others."""
    found = plan(WEB)
    target = of_kind(found, LevelUnit)[NAMES.level("web", level)]
    barrier = of_kind(found, BarrierUnit)[NAMES.barrier("web", level)]
    assert [NAMES.entry("web", tag) for tag in inside] == list(target.starts)
    outside = [tag for tag in ("init", "chk", "old", "db") if tag not in inside]
    assert [NAMES.entry("web", tag) for tag in outside] == list(barrier.stops)
    assert target.barrier == barrier.name
    assert barrier.first_gate == NAMES.first_gate("web")


def test_levels_exclude_each_other() -> None:
    """A level's target conflicts with those of all others and with the marker, but not with itself."""
    found = plan(WEB)
    levels = {name: unit for name, unit in of_kind(found, LevelUnit).items() if name != NAMES.level_template("web")}
    for name, target in levels.items():
        assert {NAMES.unnamed("web"), *levels} - {name} == set(target.other_levels)
        assert target.marker == ""


def test_unnamed_levels() -> None:
    """A level that no entry names stops everything, through a template, and excludes all named levels."""
    found = plan(WEB)
    template = of_kind(found, LevelUnit)[NAMES.level_template("web")]
    barrier = of_kind(found, BarrierUnit)[NAMES.barrier_template("web")]
    named = {NAMES.level("web", level) for level in ("12", "1", "2", "13", "3", "long,3", "long")}
    assert named == set(template.other_levels)
    assert named == set(of_kind(found, MarkerUnit)[NAMES.unnamed("web")].levels)
    assert template.starts == ()
    assert template.marker == NAMES.unnamed("web")
    assert template.barrier == "clinitbarrier-web@%i.service"
    assert set(barrier.stops) == set(of_kind(found, EntryUnit))


def test_text_is_ready_for_a_unit_file() -> None:
    """What stands in a unit came through the syntax of unit files: no specifier, no variable, no bytes."""
    (unit,) = of_kind(plan("a%b:c%d:5%:wait:echo $A %n\n", "a%b"), EntryUnit).values()
    assert unit.description == "cltab a%%b:c%%d:5%%:wait"
    assert unit.syslog_identifier == "c%%d"
    assert unit.command_line == '/bin/sh "-c" "echo $$A %%n"'
    assert unit.line == "a%b:c%d:5%:wait:echo $A %n"


def test_names_that_are_too_long_together() -> None:
    """A group and a level that do not fit into a unit name are an error at the levels, where the longest one counts."""
    room = LONGEST_UNIT_NAME - len(NAMES.barrier("g", ""))
    assert findings_of(f"g:u:{'l' * room}:wait:x\n") == []
    text = f"g:ok:1:wait:x\ng:u:{'l' * (room + 1)}:wait:x\ng:v:1,{'+' * (room // 4 + 1)}:wait:x\n"
    assert findings_of(text) == [("long-levels", 2, 5, room + 1), ("long-levels", 3, 5, room // 4 + 3)]


def test_a_group_that_is_too_long_alone() -> None:
    """A group that leaves no room to halt it is an error at the group; in its slice, hyphens count four times."""
    room = LONGEST_UNIT_NAME - len(NAMES.barrier("", HALT_LEVEL))
    assert findings_of(f"{'g' * room}:t:1:wait:x\n") == []
    assert findings_of(f"{'g' * (room + 1)}:t:1:wait:x\n") == [("long-group", 1, 1, room + 1)]
    room = (LONGEST_UNIT_NAME - len(NAMES.slice(""))) // 4
    assert findings_of(f"{'-' * room}:t:1:wait:x\n") == []
    assert findings_of(f"{'-' * (room + 1)}:t:1:wait:x\n") == [("long-group", 1, 1, room + 1)]


def test_a_tag_may_fill_a_unit_name() -> None:
    """A tag is refused only if one of its own units, the entry and its gate, would have too long a name."""
    room = LONGEST_UNIT_NAME - len(NAMES.gate("g", ""))
    assert len(NAMES.gate("g", "t" * room)) == LONGEST_UNIT_NAME
    assert findings_of(f"g:{'t' * room}:1:wait:x\n") == []
    assert findings_of(f"g:{'t' * (room + 1)}:1:wait:x\n") == [("long-tag", 1, 3, room + 1)]


@pytest.mark.parametrize("setting", ["ready.{}:tcp:80", "health.{}:10s tcp:80"])
def test_a_tag_that_is_asked_about_has_less_room(setting: str) -> None:
    """There has to be a link of systemd's for the run of its service, and each unit beside it a file."""
    room = LONGEST_UNIT_NAME - len(f"invocation:{NAMES.entry('g', '')}")
    for length, found in ((room, []), (room + 1, [("long-tag", 1, 3, room + 1)])):
        tag = "t" * length
        assert findings_of(f"g:{tag}:1:respawn:x\n:::{setting.format(tag)}\n") == found
    units = (NAMES.gate("g", f"{'t' * room}:ready"), NAMES.health("g", "t" * room))
    assert all(len(unit) <= LONGEST_UNIT_NAME for unit in units)


def test_long_names_of_another_instance() -> None:
    """Another instance's unit names are longer, and so its names have less room."""
    tag = "t" * (LONGEST_UNIT_NAME - len("clinitbarrier-g@.service"))
    assert load(f"g:{tag}:1:wait:x\n".encode(), "/c", Names("_12345678"))[1] != ()


def test_load_finds_everything_in_one_go() -> None:
    """What the grammar and what the units cannot take comes together, in file order."""
    text = f"g:{'t' * 255}:1:wait:x\nword\ng:{'u' * 255}:1:what:x\ng:{'v' * 255}:1:wait:x\n"
    assert [(code, line) for code, line, *_ in findings_of(text)] == [
        ("long-tag", 1), ("field-count", 2), ("unknown-mode", 3), ("long-tag", 4),
    ]  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(tables())
def test_order_is_the_order_of_the_file(table: Table) -> None:
    """In every group, gates, entries and what each level starts and stops come in the order of the file."""
    for group, found in ((group, plan_group(NAMES, group)) for group in table.groups.values()):
        entries = group.entries
        order = [NAMES.entry(group.name, entry.tag) for entry in entries]
        gates = of_kind(found, GateUnit)
        opened = [gates[name].entry for name in chain(found)[1:]]
        assert order == list(of_kind(found, EntryUnit))
        assert opened == [NAMES.entry(group.name, entry.tag) for entry in entries if entry.runnable]
        for level in level_names(entries):
            starts = of_kind(found, LevelUnit)[NAMES.level(group.name, level)].starts
            stops = of_kind(found, BarrierUnit)[NAMES.barrier(group.name, level)].stops
            started = [unit for unit in starts if unit in order]  # and what asks whether they are well
            assert [NAMES.entry(group.name, e.tag) for e in entries if e.runnable and level in e.levels] == started
            assert sorted(order) == sorted((*started, *stops))
            assert sorted(stops, key=order.index) == list(stops)


@settings(deadline=None, max_examples=60)
@given(tables(), st.data())
def test_another_command_is_one_other_unit(table: Table, data: st.DataObject) -> None:
    """A change of one entry's command changes that entry's unit, and nothing else but its line as the gate shows it."""
    group = data.draw(st.sampled_from([*table.groups.values()]))
    entries = group.entries
    index = data.draw(st.integers(0, len(entries) - 1))
    changed = tuple(replace(e, command=e.command + "x") if i == index else e for i, e in enumerate(entries))
    old, new = (plan_group(NAMES, lines).units for lines in (group, replace(group, entries=changed)))
    assert [u.name for u in old] == [u.name for u in new]
    differing = [one.name for one, other in zip(old, new, strict=True) if one != other]
    tag = entries[index].tag
    assert differing == [
        NAMES.entry(group.name, tag),
        *([NAMES.gate(group.name, tag)] if entries[index].runnable and not entries[index].ready_of else []),
    ]


@settings(deadline=None, max_examples=60)
@given(tables())
def test_groups_are_planned_alone(table: Table) -> None:
    """A group's plan is the same whatever other groups the table has, and names no unit of theirs."""
    for name, group in table.groups.items():
        alone, _ = parse(encoded("".join(f"{line}\n" for line in group.lines)), table.path)
        found = plan_group(NAMES, alone.groups[name])
        assert found == plan_group(NAMES, group)
        assert {NAMES.group_of(unit.name) for unit in found.units} == {name}


def dependencies(found: GroupPlan) -> int:
    """How many names the barriers and targets of a group have."""
    levels = of_kind(found, LevelUnit).values()
    barriers = of_kind(found, BarrierUnit).values()
    return sum(len(u.starts) + len(u.other_levels) for u in levels) + sum(len(u.stops) for u in barriers)


@pytest.mark.parametrize(("entries", "levels"), [(300, 100), (300, 300), (1000, 10)])
def test_how_large_groups_are(entries: int, levels: int) -> None:
    """What is counted is what the units have: a name for each level and entry, and for each two levels."""
    lines = "".join(f"web:t{number}:{chr(0x4E00 + number % levels)}:off:x\n" for number in range(entries))
    expected = levels * (entries + levels)
    assert expected <= MOST_DEPENDENCIES
    assert expected <= dependencies(plan(lines)) <= expected + entries + levels


def test_groups_that_are_too_large() -> None:
    """They are told at the entry that is too much, once for each group, in no time and before a unit is made."""
    lines = [f"{group}:{group}{number}:{chr(0x4E00 + number)}:wait:x\n" for number in range(700) for group in "ab"]
    findings = _findings("".join(lines) + "c:c:1:wait:x\n")
    assert [(f.code, f.place.line, f.place.column, f.place.width) for f in findings] == [
        ("group-too-large", 2 * 353 + 1, 1, 1), ("group-too-large", 2 * 353 + 2, 1, 1),
    ]  # fmt: skip
    assert "354 entries and 354 levels" in findings[0].message
    assert _findings("".join(lines[: 2 * 353])) == ()


def test_ordered_groups_that_are_too_large() -> None:
    """An entry of a group that stops in order names all before it, for any of these may be the next one that runs."""
    lines = [f"web:t{number}:1:wait:x\n" for number in range(800)]
    setting = ":::stop.web:ordered\n"
    [finding] = _findings("".join([*lines, setting]))
    assert (finding.code, finding.place.line) == ("group-too-large", 707)
    assert "stopped in order" in finding.hint
    entries = of_kind(plan("".join([*lines[:706], setting])), EntryUnit).values()
    assert [len(unit.stopped_before) for unit in entries] == [*range(len(entries))]


def test_every_mode_has_an_entry_unit() -> None:
    """The mode goes into the unit as it is; its template decides what it means."""
    text = "".join(f"web:{mode}:1:{mode}:x\n" for mode in Mode)
    assert [unit.mode for unit in of_kind(plan(text), EntryUnit).values()] == list(Mode)
