"""Tables that carry their own assertions: each file of tests/tables shows one thing and says itself what has to hold.

An assertion is a comment line `#@ VERB WORD...` of the table, its words quoted as in a shell. The verbs:

    error LINE:COLUMN CODE       the file has this error; every finding of a file has to be asserted
    warning LINE:COLUMN CODE     likewise a warning
    groups GROUP...              the groups, in their order
    levels GROUP LEVEL...        all levels that entries of the group name, in their order
    order GROUP LEVEL TAG...     what the level starts, one after the other, in this order: by the units, not the plan
    stops GROUP LEVEL TAG...     what has to be gone before that
    setting NAME VALUE           what the daemon takes for a setting
    shell UNIT COMMAND           the entry's command goes to a shell, as it is
    executes UNIT WORD...        the entry's command is executed without a shell's reading, with these arguments
    key UNIT KEY VALUE...        the values of all lines KEY=VALUE of a unit, in order
    key-contains UNIT KEY TEXT   the text is in one of them
    key-absent UNIT KEY          there is no such line
    units NUMBER                 so many files are compiled
    unit NAME                    there is a file of this name
    absent NAME                  there is none

A level that no entry names is asked for by any other name. A table with an error can only say which errors it has. An
unknown verb fails, as does a file without any assertion.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from cltab2systemd.check.loading import load
from cltab2systemd.table.diagnostics import has_errors
from cltab2systemd.table.model import Table, level_names
from cltab2systemd.text import decoded
from cltab2systemd.units.compiler import compile_table
from cltab2systemd.units.names import Names, unescape
from fuzz import unitrules
from lab.install import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

TABLES = sorted((PROJECT / "tests/tables").glob("*.cltab"))
NAMES = Names()
FINDINGS = {"error", "warning"}


class Compiled:
    """A table without errors, with its units as text."""

    def __init__(self, table: Table, files: Mapping[str, bytes]) -> None:
        self.table = table
        self.files = {name: content.decode("utf-8") for name, content in files.items()}

    def values(self, unit: str, key: str) -> list[str]:
        """The values of all lines of a unit with this key."""
        assert unit in self.files, f"no {unit}; there are {', '.join(self.files)}"
        return [line.partition("=")[2] for line in self.files[unit].split("\n") if line.startswith(f"{key}=")]

    def words(self, unit: str, key: str) -> list[str]:
        """The words of all of these lines: names of units."""
        return " ".join(self.values(unit, key)).split()

    def level(self, group: str, level: str) -> tuple[str, str]:
        """The target and the barrier of a level, or the templates if no entry names it."""
        if NAMES.level(group, level) in self.files:
            return NAMES.level(group, level), NAMES.barrier(group, level)
        return NAMES.level_template(group), NAMES.barrier_template(group)

    def tags(self, group: str, units: list[str]) -> list[str]:
        """The tags of those of the units that are entries of a group, in the order of the units."""
        prefix = f"{NAMES.slice(group).removesuffix('.slice')}@"
        return [unescape(name[len(prefix) : -len(".service")]) for name in units if name.startswith(prefix)]

    def chain(self, group: str, target: str) -> list[str]:
        """The entries of a group in the order in which its gates open, followed back from the target."""
        entries: list[str] = []
        (gate,) = self.words(target, "After")[-1:]
        while gate != NAMES.first_gate(group):
            gate, entry = self.words(gate, "After")
            assert self.words(entry, "After")[0] == gate
            entries.insert(0, entry)
        return entries

    def argument_vector(self, unit: str) -> list[str]:
        """What is executed in the end, without what pauses a respawn entry."""
        (line,) = self.values(unit, "ExecStart")
        words = [decoded(word) for word in unitrules.unquote(line)]
        return words[4:] if self.values(unit, "RuntimeDirectoryPreserve") else words


def check_groups(compiled: Compiled, *groups: str) -> None:
    assert [*compiled.table.groups] == [*groups]


def check_levels(compiled: Compiled, group: str, *levels: str) -> None:
    found = level_names(compiled.table.groups[group].entries)
    assert found == levels
    assert all(NAMES.level(group, level) in compiled.files for level in levels)


def check_order(compiled: Compiled, group: str, level: str, *tags: str) -> None:
    target, _ = compiled.level(group, level)
    started = {name for name in compiled.words(target, "Wants") if name.startswith("clinit-")}
    chain = compiled.chain(group, target)
    assert started <= {*chain}
    assert compiled.tags(group, [name for name in chain if name in started]) == [*tags]


def check_stops(compiled: Compiled, group: str, level: str, *tags: str) -> None:
    _, barrier = compiled.level(group, level)
    assert compiled.tags(group, compiled.words(barrier, "Conflicts")) == [*tags]
    assert compiled.tags(group, compiled.words(barrier, "After")) == [*tags]


def check_setting(compiled: Compiled, name: str, value: str) -> None:
    assert compiled.table.setting(name) == value


def check_shell(compiled: Compiled, unit: str, command: str) -> None:
    assert compiled.argument_vector(unit) == ["/bin/sh", "-c", command]


def check_executes(compiled: Compiled, unit: str, *words: str) -> None:
    executed = compiled.argument_vector(unit)
    if not compiled.values(unit, "RuntimeDirectoryPreserve"):  # else it is the shell that counts
        assert executed[:2] == ["/bin/sh", "-c"]
        assert executed[2] in {f"trap 'exit 203' 0; exec \"$@\"{end}" for end in ("", " 2>&1")}
        assert executed[3] == "sh"
        del executed[:4]
    assert executed == [*words]


def check_without_shell(compiled: Compiled, unit: str, *words: str) -> None:
    assert compiled.argument_vector(unit) == [*words]
    assert compiled.values(unit, "RuntimeDirectory") == []


def check_key(compiled: Compiled, unit: str, key: str, *values: str) -> None:
    assert values
    assert compiled.values(unit, key) == [*values]


def check_key_contains(compiled: Compiled, unit: str, key: str, text: str) -> None:
    assert any(text in value for value in compiled.values(unit, key)), compiled.values(unit, key)


def check_key_absent(compiled: Compiled, unit: str, key: str) -> None:
    assert compiled.values(unit, key) == []


def check_units(compiled: Compiled, number: str) -> None:
    assert len(compiled.files) == int(number)


def check_unit(compiled: Compiled, name: str) -> None:
    assert name in compiled.files


def check_absent(compiled: Compiled, name: str) -> None:
    assert name not in compiled.files


VERBS: Mapping[str, Callable[..., None]] = {
    "groups": check_groups,
    "levels": check_levels,
    "order": check_order,
    "stops": check_stops,
    "setting": check_setting,
    "shell": check_shell,
    "executes": check_executes,
    "without-shell": check_without_shell,
    "key": check_key,
    "key-contains": check_key_contains,
    "key-absent": check_key_absent,
    "units": check_units,
    "unit": check_unit,
    "absent": check_absent,
}


def assertions(data: bytes) -> list[list[str]]:
    """The words of each assertion in a file."""
    lines = [line for line in decoded(data).split("\n") if line.startswith("#@")]
    assert all(line.startswith("#@ ") for line in lines), "an assertion is '#@ ' and a verb"
    found = [shlex.split(line[len("#@ ") :].removesuffix("\r")) for line in lines]
    assert found, "a table without an assertion shows nothing"
    return found


def run(data: bytes) -> None:
    """Check all that a file says of itself; AssertionError if it does not hold."""
    claims = assertions(data)
    table, findings = load(data, "/etc/cltab")
    seen = sorted((str(f.severity), f"{f.place.line}:{f.place.column}", f.code) for f in findings)
    assert sorted(tuple(claim) for claim in claims if claim[0] in FINDINGS) == seen
    others = [claim for claim in claims if claim[0] not in FINDINGS]
    if has_errors(findings):
        assert not others, "a table with errors has no units"
        return
    files = compile_table(table)
    unitrules.check_files(table, NAMES, files)
    compiled = Compiled(table, files)
    for verb, *words in others:
        assert verb in VERBS, f"unknown verb '{verb}'"
        try:
            VERBS[verb](compiled, *words)
        except (AssertionError, TypeError) as error:
            raise AssertionError(f"#@ {shlex.join([verb, *words])}: {error}") from error


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_table(path: Path) -> None:
    """The table is what it says that it is."""
    run(path.read_bytes())


def test_every_verb_is_used() -> None:
    """There are many tables, and no verb is there for nothing."""
    used = {verb for path in TABLES for verb, *_ in assertions(path.read_bytes())}
    assert used == {*VERBS, *FINDINGS}
    assert len(TABLES) >= 40


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("g:t:1:wait:x\n", "without an assertion"),
        ("#@groups g\ng:t:1:wait:x\n", "'#@ ' and a verb"),
        ("#@ gruops g\ng:t:1:wait:x\n", "unknown verb 'gruops'"),
        ("#@ units\ng:t:1:wait:x\n", "missing 1 required"),
        ("#@ units 8 8\ng:t:1:wait:x\n", "takes 2 positional"),
        ("#@ units 8\ng:t:1:wait:x\n", "#@ units 8"),
        ("#@ key clinit-g.slice Slice\ng:t:1:wait:x\n", "#@ key clinit-g.slice Slice"),
        ("#@ key-absent clinit-h.slice Slice\ng:t:1:wait:x\n", "no clinit-h.slice"),
        ("#@ executes clinit-g@t.service x\ng:t:1:wait:x;\n", "#@ executes"),
        ("#@ shell clinit-g@t.service x\ng:t:1:wait:x\n", "#@ shell"),
        ("#@ order g 1 u t\ng:t:1:wait:x\ng:u:1:wait:x\n", "#@ order g 1 u t"),
        ("#@ units 9\n#@ error 3:7 unknown-mode\ng:t:1:wiat:x\n", "has no units"),
        ("#@ units 9\ng:t:1:wiat:x\n", "unknown-mode"),
        ("#@ error 2:1 field-count\ng:t:1:wait:x\n", "field-count"),
    ],
)
def test_what_does_not_hold_fails(text: str, message: str) -> None:
    """A wrong assertion, an unknown one, none at all, and a finding that nobody asserts: each fails and says why."""
    with pytest.raises(AssertionError, match=re.escape(message)):
        run(text.encode())
