"""The order of a switch, read off compiled units by systemd's rules: that of the file, at every level, from any state.

What a real systemd does is for tests/daemon/test_switching.py; this is for all tables that there could be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import NAME, tables
from transactions import NAMES, Units

from cltab2systemd.check.loading import load
from cltab2systemd.table.model import ResourceGroup, Table, level_names
from cltab2systemd.text import escape
from cltab2systemd.units.names import HALT_LEVEL
from fuzz.unitrules import unquote

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


def check_switch(group: ResourceGroup, units: Units, level: str, running: AbstractSet[str]) -> None:
    """Check a switch of the group to a level while the entries with these tags run."""
    target = NAMES.level(group.name, level)
    unit_of = {entry.tag: NAMES.entry(group.name, entry.tag) for entry in group.entries}
    jobs = units.transaction(target, {unit_of[tag] for tag in running})
    before = units.before(jobs)
    members = [entry.tag for entry in group.entries if entry.runnable and level in entry.levels]
    starting = [unit_of[tag] for tag in members if tag not in running]
    stopping = [unit_of[tag] for tag in unit_of if tag in running and tag not in members]

    assert [unit for unit in unit_of.values() if jobs.get(unit) == "start"] == starting
    assert [unit for unit in unit_of.values() if jobs.get(unit) == "stop"] == stopping
    for position, unit in enumerate(starting):
        assert before[unit] & {*starting} == {*starting[:position]}  # in file order, one after the other
        assert {*stopping} <= before[unit]  # when all that has to go is gone
        assert unit in before[target]
    for position, unit in enumerate(stopping):
        # All at once; or the last one first, whichever of them there are.
        assert before[unit] == ({*stopping[position + 1 :]} if group.stops_in_order else set())
        assert unit in before[target]
    barrier = NAMES.barrier(group.name, level)
    assert all(barrier in before[unit] for unit in starting)
    check_required(group, units, level)


def check_required(group: ResourceGroup, units: Units, level: str) -> None:
    """Check who waits for what is required in a level, and that its barrier says what that is."""
    required = [entry for entry in group.entries if entry.holds_back]
    lines = units.lines.get(NAMES.barrier(group.name, level))
    if not required or lines is None:
        return
    [command] = [line for line in lines if line.startswith("ExecStart=")]
    said = [word.decode() for word in unquote(command.partition("=")[2])][5:]
    inside = [entry for entry in required if level in entry.levels]
    names = {entry.tag: NAMES.entry(group.name, entry.tag) for entry in group.entries}
    assert said == [*(f"-{names[e.tag]}" for e in inside), *(names[e.tag] for e in required if e not in inside)]
    for index, entry in enumerate(group.entries):
        if entry.runnable and level in entry.levels:
            before = [names[other.tag] for other in group.entries[:index] if other in inside]
            conditions = [line for line in units.lines[names[entry.tag]] if line.startswith("ConditionPathExists=/")]
            needs = [line.rpartition("/passed/")[2] for line in conditions]
            # It may need others too, for its other levels. At this one the barrier has made their files.
            assert [name for name in needs if name in before] == before
            assert {*needs} <= {names[other.tag] for other in required if other in group.entries[:index]}


@settings(deadline=None, max_examples=60)
@given(tables(most_required=3, most_notifying=2), NAME, st.data())
def test_every_switch_is_in_the_order_of_the_file(table: Table, other_level: str, data: st.DataObject) -> None:
    """At every level, named or not, from any state: first stops as the group has them, then starts in file order."""
    for group in table.groups.values():
        units = Units(group)
        running = data.draw(st.sets(st.sampled_from([entry.tag for entry in group.entries])))
        for level in {*level_names(group.entries), other_level, HALT_LEVEL}:
            check_switch(group, units, level, running)


@settings(deadline=None, max_examples=30)
@given(tables(most_required=3, most_notifying=2), st.data())
def test_a_switch_has_no_job_for_another_group(table: Table, data: st.DataObject) -> None:
    """Whatever runs, a switch has jobs for units of its own group only; what systemd ends itself for is not one."""
    for group in table.groups.values():
        level = data.draw(st.sampled_from(level_names(group.entries)))
        jobs = Units(group).transaction(NAMES.level(group.name, level), set())
        assert {NAMES.group_of(unit) for unit in jobs} == {group.name}


def test_levels_exclude_each_other() -> None:
    """From any level to any other, named or not, the target that is left is stopped with the entries."""
    table, findings = load(b"g:a:12:wait:x\ng:b:2:wait:x\n", "/etc/cltab")
    assert not findings
    units = Units(table.groups["g"])
    levels = ("1", "2", "12", "x", "y")
    for present in levels:
        active = {NAMES.level("g", present)}
        if present in {"x", "y"}:
            active.add(NAMES.unnamed("g"))
        for level in levels:
            jobs = units.transaction(NAMES.level("g", level), active)
            gone = {unit for unit, job in jobs.items() if job == "stop"}
            # From one level that no entry names to another, the daemon stops the first: see docs/unit-scheme.md.
            assert gone == (set() if present == level or {present, level} == {"x", "y"} else active)


def test_of_barriers_that_say_what_is_required_the_latest_counts() -> None:
    """A switch stops the barriers of other levels that still run, and waits for that."""
    table, _ = load(b"g:a:1:wait:x\ng:b:2:wait:x\n:::required.a:yes\n", "/etc/cltab")
    units = Units(table.groups["g"])
    one, two = NAMES.barrier("g", "1"), NAMES.barrier("g", "2")
    jobs = units.transaction(NAMES.level("g", "2"), {one})
    assert (jobs[one], jobs[two]) == ("stop", "start")
    assert one in units.before(jobs)[two]


def test_escaped_instances() -> None:
    """The model's instances of a template are those of systemd: `%i` is the escaped text."""
    table, _ = load(b"g:a:1:wait:x\n", "/etc/cltab")
    level = NAMES.level("g", "a/b-c")
    barrier = f"clinitbarrier-g@{escape('a/b-c')}.service"
    assert barrier in Units(table.groups["g"]).named(level, "Wants")
