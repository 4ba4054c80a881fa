"""What is known of the groups while they are driven at random, and what therefore must be true of them."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drivingtables import BASE, GROUPS, STOP, Kind, Line, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivingtruth import Look, Process

SETTLED = ("DONE", "PASSED", "FAILED")


@dataclass(frozen=True, slots=True)
class Violation:
    """Something untrue: which rule, for which group (or ""), at which step, and what was seen."""

    rule: str
    group: str
    step: int
    text: str

    def __str__(self) -> str:
        """A line, or some."""
        return f"step {self.step}: [{self.rule}] {self.group}: {self.text}"


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was made, and what the driver knew then."""

    group: str
    level: str
    number: int
    table: int
    touched: int
    alone: bool


@dataclass
class Standing:
    """What is known of a group.

    `oldest` is the index of the oldest table that its units may be made of. `touched` counts what was done to it.
    `by_hand` are the entries that somebody started past the level, with the number of the step that did. `asked` is the
    level that was asked for last and accepted; None if that is not known for sure. `done` is what `touched` was when
    somebody was told that this level is reached. `accepted` are requests that were
    accepted, and whose end is not known: a daemon that is killed may forget them.
    """

    oldest: int = 0
    touched: int = 0
    in_flight: int = 0
    asked: str | None = None
    done: int = -1
    by_hand: dict[str, int] = field(default_factory=dict)
    accepted: list[Request] = field(default_factory=list)
    frozen: set[str] = field(default_factory=set)
    masked: set[str] = field(default_factory=set)

    @property
    def untouched(self) -> bool:
        """Whether it was done, as far as anybody was told, and nothing was done to it since."""
        return self.asked is not None and self.done == self.touched and not self.in_flight

    @property
    def hindered(self) -> bool:
        """Whether systemd may refuse to stop or start some of it."""
        return bool(self.frozen or self.masked)


class Model:
    """All groups, the tables since the start, and what was checked how often."""

    def __init__(self) -> None:
        self.tables: list[Table] = [BASE]
        self.groups = {group: Standing() for group in GROUPS}
        self.missing_files: set[str] = set()
        self.checked: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self._numbers = itertools.count(1)

    def number(self) -> int:
        """A number larger than all before."""
        return next(self._numbers)

    # What is done.

    def push(self, table: Table) -> None:
        """A table without errors was put in place."""
        self.tables.append(table)

    def touch(self, group: str) -> None:
        """Something was done to a group, or to all if it is ""."""
        for standing in [self.groups[group]] if group else self.groups.values():
            standing.touched += 1

    def begin(self, group: str, level: str) -> Request:
        """A request is about to be made."""
        standing = self.groups[group]
        standing.touched += 1
        standing.in_flight += 1
        alone = standing.in_flight == 1
        if not alone:
            standing.asked = None
        return Request(group, level, self.number(), len(self.tables) - 1, standing.touched, alone)

    def is_undisturbed(self, request: Request) -> bool:
        """Whether nothing else was done to the group since a request began."""
        standing = self.groups[request.group]
        return request.alone and standing.in_flight <= 1 and standing.touched == request.touched

    def accept(self, request: Request) -> None:
        """A request was accepted; its end is not known."""
        self.groups[request.group].accepted.append(request)

    def reach(self, request: Request, *, reread: bool = True) -> None:
        """A request came to its end: outsiders were stopped, and the lines are those of its table or a later one.

        If its table does not have the group, it is one that the agent started, and keeps the lines that it has.
        """
        standing = self.groups[request.group]
        if reread and self.tables[request.table].of(request.group):
            standing.oldest = max(standing.oldest, request.table)
        standing.by_hand = {tag: number for tag, number in standing.by_hand.items() if number > request.number}
        standing.asked = request.level if self.is_undisturbed(request) else None

    def end(self, request: Request) -> None:
        """Nobody waits for a request any more."""
        self.groups[request.group].in_flight -= 1

    def start_by_hand(self, group: str, tag: str) -> None:
        """Somebody started an entry past its level."""
        self.touch(group)
        self.groups[group].by_hand[tag] = self.number()

    def lose_requests(self) -> None:
        """The daemon ended: what was accepted and not yet begun may be forgotten."""
        for standing in self.groups.values():
            if standing.accepted:
                standing.accepted.clear()
                standing.asked = None

    def settle(self) -> None:
        """Nothing is under way any more: accepted requests have ended."""
        for standing in self.groups.values():
            for request in standing.accepted:
                self.reach(request)
            standing.accepted.clear()

    # What is known then.

    def stays_done(self, group: str, level: str) -> bool:
        """Whether a group has to be DONE at a level: it was, and neither it nor its lines are touched since."""
        standing = self.groups[group]
        lines = self.lines(group)
        dying = any(line.kind is Kind.DYING and level in line.levels for line in lines[0])
        return (
            standing.untouched and standing.asked == level and len(lines) == 1 and not dying and not standing.hindered
        )

    def lines(self, group: str) -> list[tuple[Line, ...]]:
        """What the lines of a group may be, oldest first."""
        return list(dict.fromkeys(table.of(group) for table in self.tables[self.groups[group].oldest :]))

    def lasting(self, group: str, level: str) -> list[Line]:
        """The lines of which a process has to live when the group is at a level, whichever its lines are.

        A line that some table lacks, or has at other levels or in another group, is none: an entry that moves is
        stopped where it was.
        """
        first, *others = self.lines(group)
        lasting = [line for line in first if line.kind.lasts and level in line.levels]
        return [line for line in lasting if all(any(_same_place(line, level, o) for o in other) for other in others)]

    def stays(self, group: str) -> set[str]:
        """The entries that may run at the level for stopped."""
        return {line.tag for lines in self.lines(group) for line in lines if STOP in line.levels}

    def missing(self, group: str, level: str, looks: Sequence[Look]) -> list[str]:
        """The entries that have to live at a level, and did not in any of the looks."""
        lived = {(process.group, process.tag) for look in looks for process in look.processes}
        paused = {pause for look in looks for pause in look.pauses}
        return [
            line.tag for line in self.lasting(group, level) if (group, line.tag) not in lived | paused
        ]  # fmt: skip

    def strangers(self, group: str, level: str | None, looks: Sequence[Look]) -> list[str]:
        """The processes that lived in all of the looks, and that no line of a level has (None: at no level)."""
        by_hand = self.groups[group].by_hand
        known = {
            (line.tag, line.version) for lines in self.lines(group) for line in lines if level in line.levels
        }  # fmt: skip
        lived = _in_all(group, looks)
        return sorted(
            f"{process.tag} (version {process.version}, pid {process.pid})"
            for process in lived
            if (process.tag, process.version) not in known and process.tag not in by_hand
        )


def _same_place(line: Line, level: str, other: Line) -> bool:
    return other.tag == line.tag and level in other.levels and other.kind.lasts


def _in_all(group: str, looks: Sequence[Look]) -> frozenset[Process]:
    if not looks:
        return frozenset()
    return frozenset.intersection(*(look.of(group) for look in looks))
