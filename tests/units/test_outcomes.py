"""What comes of a switch, whatever its entries come to: no start waits for ever, and none is left out without a reason.

By the model of `tests/transactions.py`, for all tables that there could be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import tables
from transactions import NAMES, Units

from cltab2systemd.table.model import level_names
from cltab2systemd.units.compiler import compile_preflight
from cltab2systemd.units.surroundings import Surroundings
from fuzz.unitrules import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from cltab2systemd.table.model import Entry, ResourceGroup, Table

_PASSED = "/passed/"
FOR_EVER = "infinity"


class Switch:
    """A transaction that starts a level, carried out job by job.

    Args:
        group: the group.
        running: the tags of entries that run, or did well and remain.
        passed: the services of required entries whose files are there from before.
        fails: the tags of entries that fail when they are started, or whose time is up before they did well.
    """

    def __init__(
        self, group: ResourceGroup, running: AbstractSet[str], passed: AbstractSet[str], fails: AbstractSet[str]
    ) -> None:
        self._units = Units(group)
        self._unit_of = {entry.tag: NAMES.entry(group.name, entry.tag) for entry in group.entries}
        self._entries = {self._unit_of[entry.tag]: entry for entry in group.entries}
        self._running = {self._unit_of[tag] for tag in running}
        self._up = {unit for unit in self._running if self._entries[unit].holds_back}
        self._passed = {*passed}
        self._fails = {self._unit_of[tag] for tag in fails}
        self._group = group
        self.started: list[str] = []
        self.kept_back: list[str] = []

    def perform(self, level: str) -> None:
        """Carry out all jobs, each when those are done that it waits for; fails for a cycle."""
        jobs = self._units.transaction(NAMES.level(self._group.name, level), self._running)
        before = self._units.before(jobs)
        for unit in sorted(jobs, key=lambda unit: len(before[unit])):
            if jobs[unit] == "stop":
                self._up.discard(unit)
            elif unit == NAMES.barrier(self._group.name, level):
                self._set_right(unit)
            elif unit in self._entries:
                self._start(unit)

    def _set_right(self, barrier: str) -> None:
        [command] = [line for line in self._units.lines.get(barrier, ()) if line.startswith("ExecStart=")] or [""]
        for word in unquote(command.partition("=")[2])[5:] if _PASSED[1:-1] in command else ():
            unit = word.decode()
            if not unit.startswith("-") or unit[1:] in self._up:
                self._passed.add(unit.removeprefix("-"))
            else:
                self._passed.discard(unit[1:])

    def _start(self, unit: str) -> None:
        conditions = [line for line in self._units.lines[unit] if line.startswith("ConditionPathExists=/")]
        entry = self._entries[unit]
        if not {line.rpartition(_PASSED)[2] for line in conditions} <= self._passed:
            self.kept_back.append(entry.tag)
            return
        self.started.append(entry.tag)
        if entry.holds_back and unit not in self._fails:
            self._passed.add(unit)
            self._up.add(unit)


def expected(
    group: ResourceGroup, level: str, running: AbstractSet[str], fails: AbstractSet[str]
) -> tuple[list[str], list[str]]:
    """Which entries are started, and which are kept back, as cltab(5) has it."""
    started: list[str] = []
    kept_back: list[str] = []
    has_failed = False
    for entry in group.entries:
        if entry.runnable and level in entry.levels and entry.tag not in running:
            (kept_back if has_failed else started).append(entry.tag)
            has_failed = has_failed or (entry.holds_back and entry.tag in fails)
    return started, kept_back


@settings(deadline=None, max_examples=80)
@given(tables(most_required=3, most_notifying=3), st.data())
def test_what_is_behind_a_failed_required_entry_is_kept_back_and_nothing_else(
    table: Table, data: st.DataObject
) -> None:
    """From any state, towards any level, with any outcome: all else is started, in file order."""
    for group in table.groups.values():
        tags = [entry.tag for entry in group.entries]
        running = {tag for tag in data.draw(st.sets(st.sampled_from(tags))) if _can_run(group, tag)}
        fails = data.draw(st.sets(st.sampled_from(tags)))
        required = [NAMES.entry(group.name, entry.tag) for entry in group.entries if entry.holds_back]
        passed = data.draw(st.sets(st.sampled_from(required))) if required else set()
        for level in level_names(group.entries):
            switch = Switch(group, running, passed, fails)
            switch.perform(level)
            assert (switch.started, switch.kept_back) == expected(group, level, running, fails)


def _can_run(group: ResourceGroup, tag: str) -> bool:
    return next(entry for entry in group.entries if entry.tag == tag).runnable


def _values(lines: list[str]) -> Mapping[str, str]:
    """The last value of each directive."""
    return {key: value for key, equals, value in (line.partition("=") for line in lines) if equals}


def _is_bounded(values: Mapping[str, str], *directives: str) -> bool:
    return all(values.get(directive, FOR_EVER) not in {FOR_EVER, "0", ""} for directive in directives)


def check_bounds(group: ResourceGroup, entry: Entry, units: Units) -> None:
    """Check what the start and the stop of an entry, or of its readiness, may take."""
    values = _values(units.lines[NAMES.entry(group.name, entry.tag)])
    has_always_waited = entry.mode.is_waited_for and not entry.ready_of
    assert values.get("Type") == "simple" or has_always_waited or _is_bounded(values, "TimeoutStartSec")
    assert _is_bounded(values, "TimeoutStopSec")
    # SIGKILL at once, or after two stages, each of which has its time.
    assert values["KillSignal"] == "SIGKILL" or _is_bounded(values, "TimeoutAbortSec")
    assert (values["KillSignal"] == "SIGKILL") == bool(entry.ready_of)


@settings(deadline=None, max_examples=60)
@given(tables(most_required=3, most_notifying=3))
def test_each_job_of_a_switch_has_a_time(table: Table) -> None:
    """All that a switch waits for has a stated time, but for the command of a wait or test. So the sum bounds it."""
    for group in table.groups.values():
        units = Units(group)
        for entry in filter(lambda entry: entry.runnable, group.entries):
            check_bounds(group, entry, units)
            if entry.preflight is not None:
                content = compile_preflight(NAMES, table.path, "clinitpreflight-1.service", entry, Surroundings())
                values = _values(content.decode().split("\n"))
                assert _is_bounded(values, "TimeoutStartSec", "TimeoutStopSec")
        for level in level_names(group.entries):
            jobs = units.transaction(NAMES.level(group.name, level), set())
            entries = {NAMES.entry(group.name, entry.tag) for entry in group.entries}
            for unit in {*jobs} - entries:
                _check_point(units, unit)


def _check_point(units: Units, unit: str) -> None:
    """Check what is no entry: a target, a gate that never runs, a barrier with a limit, or what nothing waits for."""
    values = _values(units.lines[unit])
    if unit.endswith(".service"):
        assert values["ConditionPathExists"] == "!/" or _is_bounded(values, "TimeoutStartSec")
    elif unit.endswith(".timer"):
        assert not any(unit in units.named(other, "After") for other in units.lines)
        assert "Before" not in values
