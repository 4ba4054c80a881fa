"""Groups whose readiness waits for each other (`group:GROUP` in `:::ready.TAG:`): errors of a whole table. Pure.

A group at a level is a node: it is there only when all of its entries are ready that have the level. A probe without a
level waits for any level of a group that entries name: one of them is enough.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from cltab2systemd.probing import forms
from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.table.settings import Kind
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cltab2systemd.table.model import Entry, Table
    from cltab2systemd.table.settings import Setting

# Each takes a walk over all that waits, and mending one may mend others.
MOST_CIRCLES = 10
# So many steps of a circle are told.
_MOST_STEPS = 6


class _Node(NamedTuple):
    """A group at a level; at any if the level is empty."""

    group: str
    level: str


class Wait(NamedTuple):
    """An entry whose readiness, or health, asks for a group."""

    entry: Entry
    setting: Setting
    form: forms.Form


def waits(table: Table, *kinds: Kind) -> Iterator[Wait]:
    """The settings of these kinds that ask for a group, of entries that are started: of each entry the last one."""
    given = {(setting.kind, setting.subject): setting for setting in table.settings if setting.kind in kinds}
    asking = {key: (s, form) for key, s in given.items() if (form := s.check.probe) and form.scheme == forms.GROUP}
    entries = {entry.tag: entry for entry in table.entries if entry.runnable} if asking else {}
    for (_, tag), (setting, form) in asking.items():
        if tag in entries:
            yield Wait(entries[tag], setting, form)


def findings(table: Table) -> Iterator[Diagnostic]:
    """Circles, and entries that wait for their own group; of circles at most `MOST_CIRCLES`."""
    others = []
    for wait in waits(table, Kind.READY):
        if wait.form.where == wait.entry.group:
            yield _of_itself(wait)
        else:
            others.append(wait)
    for _ in range(MOST_CIRCLES):
        circle = _circle(table, others) if others else []
        if not circle:
            return
        yield _of_circle(circle)
        told = {wait.setting.place for _, wait in circle}
        others = [wait for wait in others if wait.setting.place not in told]


def _circle(table: Table, found: Iterable[Wait]) -> list[tuple[_Node, Wait]]:
    """A circle: each node, and what in it waits for the next one, and at the end for the first."""
    levels: dict[str, set[str]] = {}
    for entry in table.entries:
        levels.setdefault(entry.group, set()).update(_levels(entry) if entry.runnable else ())
    waited_for: dict[_Node, dict[_Node, Wait | None]] = {}
    for node, targets in _never_there(levels, found).items():
        waited_for[node] = {**targets}
        for target in targets:
            if not target.level:
                waited_for[target] = {_Node(target.group, level): None for level in levels[target.group]}
    try:
        TopologicalSorter(waited_for).prepare()
    except CycleError as error:
        return _steps(waited_for, error.args[1])
    return []


def _never_there(levels: Mapping[str, set[str]], found: Iterable[Wait]) -> dict[_Node, dict[_Node, Wait]]:
    """The nodes that can never be there, each with what it waits for in vain: what waits in a circle, or for one.

    Args:
        levels: the levels that each group has.
        found: what waits.
    """
    vain: dict[_Node, dict[_Node, Wait]] = {}
    waiting: dict[_Node, list[_Node]] = {}  # by what is waited for
    for wait in found:
        target = _Node(wait.form.where, wait.form.rest)
        for level in dict.fromkeys(_levels(wait.entry)):
            node = _Node(wait.entry.group, level)
            if target not in vain.setdefault(node, {}):
                vain[node][target] = wait
                waiting.setdefault(target, []).append(node)
    there = [target for target in waiting if _waits_for_nothing(target, levels, vain)]
    for target in there:  # which grows
        for node in waiting.pop(target, ()):
            del vain[node][target]
            if not vain[node]:
                there += [node, _Node(node.group, "")]
    return {node: targets for node, targets in vain.items() if targets}


def _waits_for_nothing(target: _Node, levels: Mapping[str, set[str]], waiting: Mapping[_Node, object]) -> bool:
    """Whether a node waits for nothing: at one of its levels, if it is at any. What there is not is told elsewhere."""
    named = levels.get(target.group, set())
    if not target.level:
        return not named or any(_Node(target.group, level) not in waiting for level in named)
    return target not in waiting


def _levels(entry: Entry) -> tuple[str, ...]:
    """All levels of an entry, those that people mean first: these are told."""
    return entry.levels.meant + entry.levels.names


def _steps(waited_for: Mapping[_Node, Mapping[_Node, Wait | None]], nodes: list[_Node]) -> list[tuple[_Node, Wait]]:
    """The steps of a circle of nodes, which `graphlib` gives from what is waited for to what waits, its first one last.

    It begins with the first line of the file.
    """
    pairs = [(waiting, waited_for[waiting][target]) for target, waiting in pairwise(nodes)]
    steps = [(waiting, wait) for waiting, wait in reversed(pairs) if wait is not None]
    first = min(range(len(steps)), key=lambda index: steps[index][1].setting.place.order)
    return steps[first:] + steps[:first]


def _of_circle(circle: list[tuple[_Node, Wait]]) -> Diagnostic:
    path = circle[0][1].setting.place.path
    told = [
        f"{_named(node)} waits for {_named(_Node(wait.form.where, wait.form.rest))} "
        f"({wait.setting.place.seen_from(path).removeprefix('on ')})"
        for node, wait in circle[:_MOST_STEPS]
    ]
    more = ", …" if len(circle) > _MOST_STEPS else ""
    ends = "neither" if len(circle) == 2 else "none of them"
    return _finding(circle[0][1], f"{', '.join(told)}{more}: {ends} would ever be ready")


def _named(node: _Node) -> str:
    return shortened(node.group) + (f" at level {shortened(node.level)}" if node.level else "")


def _of_itself(wait: Wait) -> Diagnostic:
    return _finding(wait, f"{shortened(wait.entry.group)} waits for itself: it would never be ready")


def _finding(wait: Wait, message: str) -> Diagnostic:
    hint = "one of them has to come up without the other; let it wait for something else"
    if wait.form.where == wait.entry.group:
        hint = "what stands before the entry is started already; ask a program that the entry needs"
    return Diagnostic.of("waiting-circle", wait.setting.place_of_check, message, source=wait.setting.line, hint=hint)
