"""What a change of one line touches: `TOUCHED` says it for each kind of change, and nothing else may be another file.

A file that is touched without need costs a restart, or a reload, of something that nobody wanted to touch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import CHECK, COMMAND, DIRECTIVE, NAME, tables

from cltab2systemd.check.loading import load
from cltab2systemd.table.diagnostics import has_errors
from cltab2systemd.table.model import Levels, Mode, Table
from cltab2systemd.text import encoded
from cltab2systemd.units.compiler import compile_table
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAMES = Names()

# The kinds of files of a group, as an entry of it sees them.
OWN, OWN_GATE = "the entry", "the entry's gate"
ENTRIES, GATES, FIRST_GATE = "other entries", "other gates", "the first gate"
TARGETS, BARRIERS = "targets of levels", "barriers of levels"
TARGET_TEMPLATE, BARRIER_TEMPLATE, MARKER = "the target template", "the barrier template", "the marker"
SLICE, BOOT = "the slice", "the boot drop-in"
ALL_OF_GROUP = {
    OWN, OWN_GATE, ENTRIES, GATES, FIRST_GATE, TARGETS, BARRIERS, TARGET_TEMPLATE, BARRIER_TEMPLATE, MARKER, SLICE,
}  # fmt: skip
# An entry that comes, goes or changes its name: its neighbour is ordered after another gate, and every level either
# starts or stops it; if it was the last, all levels want another gate. If it brings a level, all others exclude it.
IN_THE_CHAIN = {OWN, OWN_GATE, ENTRIES, GATES, TARGETS, BARRIERS, TARGET_TEMPLATE}

# Kind of change: the kinds of files of the entry's group that it may touch. Another group's are never touched, unless
# the entry moves there; then both groups' are as if it had been deleted here and added there.
TOUCHED: Mapping[str, set[str]] = {
    "a comment": set(),
    "a blank line": set(),
    "another setting": set(),
    "the place of a group": set(),
    "the command": {OWN, OWN_GATE},
    "the mode": {OWN, OWN_GATE},
    "off": {*IN_THE_CHAIN, BARRIER_TEMPLATE},
    "the levels": {OWN, OWN_GATE, TARGETS, BARRIERS, TARGET_TEMPLATE, MARKER},
    "the tag": {*IN_THE_CHAIN, BARRIER_TEMPLATE},
    "an entry added": {*IN_THE_CHAIN, BARRIER_TEMPLATE, MARKER},
    "an entry deleted": {*IN_THE_CHAIN, BARRIER_TEMPLATE, MARKER},
    "the group": {*ALL_OF_GROUP, BOOT},
    "the order": {*IN_THE_CHAIN, BARRIER_TEMPLATE, MARKER},
    "a directive of a service": {OWN},
    "a directive of all services": {OWN, ENTRIES},
    "a directive of a group": {SLICE},
    "a boot level": {BOOT},
    "what is required": {OWN, ENTRIES, BARRIERS},
    "a readiness": {*IN_THE_CHAIN, BARRIER_TEMPLATE},
    "stops in order": {OWN, ENTRIES},
}

# For each kind, changes that together do touch all that is listed, so that no row says too much.
BEFORE = """\
g:a:1:wait:x
g:b:12:once:x
h:c:1:wait:x
g:d:13:respawn:x
"""
BLOCKING = "g:a:1:wait:x\ng:b:12:wait:x\nh:c:1:wait:x\ng:d:13:respawn:x\n"
TWO = "g:a:1:wait:x\ng:b:12:once:x\n"
EXAMPLES: Mapping[str, list[tuple[str, str]]] = {
    "a comment": [(BEFORE, BEFORE.replace("g:b", "# new\ng:b"))],
    "a blank line": [(BEFORE, BEFORE.replace("g:b", "\ng:b"))],
    "another setting": [(BEFORE, f"{BEFORE}:::socket:/run/x\n")],
    "the place of a group": [(BEFORE, "h:c:1:wait:x\n" + BEFORE.replace("h:c:1:wait:x\n", ""))],
    "the command": [(BEFORE, BEFORE.replace("12:once:x", "12:once:y"))],
    "the mode": [(BEFORE, BEFORE.replace("12:once", "12:wait"))],
    "off": [
        (BEFORE, BEFORE.replace("12:once", "12:off")),
        (TWO.replace("12:once", "12:off"), TWO),
        (f"{BEFORE}:::ready.b:x\n", f"{BEFORE}:::ready.b:x\n".replace("12:once", "12:off")),
    ],
    "the levels": [(BEFORE, BEFORE.replace("12:once", "23:once"))],
    "the tag": [(BEFORE, BEFORE.replace("g:b:", "g:e:")), (TWO, TWO.replace("g:b:", "g:e:"))],
    "an entry added": [(BEFORE.replace("g:b:12:once:x\n", ""), BEFORE)],
    "an entry deleted": [(BEFORE, BEFORE.replace("g:b:12:once:x\n", ""))],
    "the group": [
        (BEFORE, BEFORE.replace("g:b", "h:b")),
        (f":::initdefault.h:1\n{TWO}", f":::initdefault.h:1\n{TWO.replace('g:b', 'h:b')}"),
    ],
    "the order": [("g:b:12:once:x\ng:a:13:wait:x\ng:d:19:wait:x\n", "g:a:13:wait:x\ng:b:12:once:x\ng:d:19:wait:x\n")],
    "a directive of a service": [(BEFORE, f"{BEFORE}:::service.b:Nice=1\n")],
    "a directive of all services": [(BEFORE, f"{BEFORE}:::services.g:Nice=1\n")],
    "a directive of a group": [(BEFORE, f"{BEFORE}:::group.g:TasksMax=1\n")],
    "a boot level": [(BEFORE, f"{BEFORE}:::initdefault.g:1\n")],
    "what is required": [(BLOCKING, f"{BLOCKING}:::required.b:yes\n")],
    "a readiness": [(BEFORE, f"{BEFORE}:::ready.b:tcp:80\n"), (TWO, f"{TWO}:::ready.b:x\n")],
    "stops in order": [(BEFORE, f"{BEFORE}:::stop.g:ordered\n")],
}


def touched(before: str, after: str) -> set[str]:
    """The names of the files that are others, or there or not there, after a change of the table."""
    old, new = (compile_table(parsed(text)) for text in (before, after))
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


def parsed(text: str) -> Table:
    table, findings = load(encoded(text), "/etc/cltab")
    assert not has_errors(findings)
    return table


def kind_of(name: str, groups: set[str], tags: set[str]) -> str:
    """The kind of a file, for a change of an entry that had and has these groups and tags."""
    found: dict[str, str] = {}
    for group in groups:
        found |= {
            NAMES.slice(group): SLICE,
            NAMES.first_gate(group): FIRST_GATE,
            NAMES.unnamed(group): MARKER,
            NAMES.level_template(group): TARGET_TEMPLATE,
            NAMES.barrier_template(group): BARRIER_TEMPLATE,
            NAMES.boot(group): BOOT,
        }
        own = {*tags, *(f"{tag}:ready" for tag in tags)}
        found |= {NAMES.entry(group, tag): OWN for tag in own} | {NAMES.gate(group, tag): OWN_GATE for tag in own}
        found |= {name: OWN for tag in tags for name in (NAMES.health(group, tag), NAMES.health_timer(group, tag))}
    if NAMES.group_of(name) not in groups:
        return "another group's"
    by_name = {"clinitgate": GATES, "clinitbarrier": BARRIERS}.get(name.partition("-")[0], ENTRIES)
    return found.get(name) or (TARGETS if name.endswith(".target") else by_name)


@pytest.mark.parametrize("kind", TOUCHED)
def test_each_kind_of_change_by_example(kind: str) -> None:
    """The examples touch all that their kind of change may touch, and nothing else."""
    groups = {"g", "h"} if kind == "the group" else {"g"}
    found = {kind_of(name, groups, {"b", "e"}) for before, after in EXAMPLES[kind] for name in touched(before, after)}
    assert found == TOUCHED[kind]


class Change:
    """A table as lines, entries first, and one entry of it that is to change."""

    def __init__(self, data: st.DataObject) -> None:
        self.draw = data.draw
        table = self.draw(tables())
        self.entries = list(table.entries)
        self.settings = [f":::{setting.name}:{setting.value}" for setting in table.settings]
        self.index = self.draw(st.integers(0, len(self.entries) - 1))
        self.entry = self.entries[self.index]
        self.neighbours = [e for e in self.entries if e.group == self.entry.group and e is not self.entry]
        self.groups, self.tags = {self.entry.group}, {self.entry.tag}

    def text(self) -> str:
        """The table as it is now."""
        return "".join(f"{line}\n" for line in (*(entry.line for entry in self.entries), *self.settings))

    def replace(self, **fields: object) -> None:
        """Change fields of the entry."""
        self.entries[self.index] = replace(self.entry, **fields)  # type: ignore[arg-type]

    def new_tag(self) -> str:
        """A tag that the table does not have."""
        tag = self.draw(NAME.filter(lambda name: name not in {entry.tag for entry in self.entries}))
        self.tags.add(tag)
        return tag

    def toggle(self) -> None:
        """Turn the entry off, or on."""
        self.replace(mode=Mode.OFF if self.entry.runnable else self.draw(self.modes()))

    def modes(self) -> st.SearchStrategy[Mode]:
        """The modes that start the entry, and suit its settings."""
        runs_on = self.entry.health is not None
        return st.sampled_from([mode for mode in Mode if mode.is_started and (mode.may_run_on or not runs_on)])

    def change_mode(self) -> None:
        """Run the entry in another way."""
        assume(self.entry.runnable)
        self.replace(mode=self.draw(self.modes()))

    def add(self) -> None:
        """Add an entry before the entry, at its levels or a new one."""
        levels = self.draw(st.sampled_from([self.entry.levels, Levels("new")]))
        self.tags.clear()
        self.entries.insert(self.index, replace(self.entry, tag=self.new_tag(), levels=levels))

    def delete(self) -> None:
        """Delete the entry, if it is not the only one of its group."""
        assume(self.neighbours)
        del self.entries[self.index]

    def move(self) -> None:
        """Move the entry to another group, a new one perhaps."""
        other = self.draw(NAME | st.sampled_from([entry.group for entry in self.entries]))
        self.groups.add(other)
        self.replace(group=other)

    def swap(self) -> None:
        """Let the entry change places with another one of its group."""
        assume(self.neighbours)
        other = self.entries.index(self.draw(st.sampled_from(self.neighbours)))
        self.entries[self.index], self.entries[other] = self.entries[other], self.entry

    def require(self) -> None:
        """Require the entry."""
        assume(self.entry.mode.is_waited_for)
        self.set(f"required.{self.entry.tag}", "yes")

    def set(self, name: str, value: str) -> None:
        """Add a setting behind all others."""
        self.settings.append(f":::{name}:{value}")


CHANGES: Mapping[str, Callable[[Change], None]] = {
    "a comment": lambda change: change.settings.insert(0, "# a:b:1:wait:x"),
    "a blank line": lambda change: change.settings.insert(0, " \t"),
    "another setting": lambda change: change.set("socket", "/run/x"),
    "the place of a group": lambda change: change.entries.sort(key=lambda entry: entry.group != change.entry.group),
    "the command": lambda change: change.replace(command=change.draw(COMMAND)),
    "the mode": Change.change_mode,
    "off": Change.toggle,
    "the levels": lambda change: change.replace(levels=Levels(change.draw(NAME))),
    "the tag": lambda change: change.replace(tag=change.new_tag()),
    "an entry added": Change.add,
    "an entry deleted": Change.delete,
    "the group": Change.move,
    "the order": Change.swap,
    "a directive of a service": lambda change: change.set(f"service.{change.entry.tag}", change.draw(DIRECTIVE)),
    "a directive of all services": lambda change: change.set(f"services.{change.entry.group}", change.draw(DIRECTIVE)),
    "a directive of a group": lambda change: change.set(f"group.{change.entry.group}", change.draw(DIRECTIVE)),
    # One that an entry names, for the group may declare its levels.
    "a boot level": lambda change: change.set(
        f"initdefault.{change.entry.group}", change.draw(st.sampled_from(change.entry.levels.names))
    ),
    "what is required": Change.require,
    "a readiness": lambda change: change.set(f"ready.{change.entry.tag}", change.draw(CHECK)),
    "stops in order": lambda change: change.set(f"stop.{change.entry.group}", "ordered"),
}


@pytest.mark.parametrize("kind", TOUCHED)
def test_each_kind_of_change_touches_only_what_it_may(kind: str) -> None:
    """Whatever the table, a change of one line touches the files that `TOUCHED` has for it, and no others."""

    @settings(deadline=None, max_examples=10)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        change = Change(data)
        before = change.text()
        CHANGES[kind](change)
        found = {kind_of(name, change.groups, change.tags) for name in touched(before, change.text())}
        assert found <= TOUCHED[kind]

    check()


@settings(deadline=None, max_examples=10)
@given(st.data())
def test_one_line_less_touches_one_group(data: st.DataObject) -> None:
    """Without any one of its lines, a table has other files in one group at most."""
    change = Change(data)
    lines = change.text().removesuffix("\n").split("\n")
    del lines[change.draw(st.integers(0, len(lines) - 1))]
    assert len({NAMES.group_of(name) for name in touched(change.text(), "\n".join(lines))}) <= 1
