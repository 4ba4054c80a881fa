"""A move as it was foretold, and as it was seen; and what is to be told of the difference. Pure.

It is foretold by what `explain` and `diff` go by. So a difference is a mistake of theirs, or of the machine: a drop-in
that ties units together, say.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.groups.changes import Effect, Standing
from cltab2systemd.groups.endings import EXEC
from cltab2systemd.rehearsal import hints
from cltab2systemd.rehearsal.seen import DOWN, STOPPED, Fault, Glimpse, Outcome
from cltab2systemd.rehearsal.standin import SAYS, Choice
from cltab2systemd.reports.explain import Explanation, explain
from cltab2systemd.table.model import ResourceGroup, readiness_tag
from cltab2systemd.terminal import printable, shortened
from cltab2systemd.units.names import HALT_LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cltab2systemd.groups.changes import Seen
    from cltab2systemd.rehearsal.rounds import Move, Rehearsed

# systemd.exec(5), PROCESS EXIT CODES: what takes rights over the whole machine: real-time scheduling, priorities of
# input and output, security labels, BPF. 211 and 214 were tried: the kernel says that it is not permitted. Where it
# says something else, it would say that on the machine, too.
_OF_THE_MACHINE = frozenset({211, 214, 229, 231, 236, 244})
_NOT_PERMITTED = ("Operation not permitted", "Permission denied")
_SYSTEMD_SAYS = "Failed "  # and nobody else: the program has not run
# Standard input, output and error. There is no terminal of the machine, and no console.
_STREAMS = frozenset({208, 209, 222})
_FINE = frozenset({"DONE", "PASSED", STOPPED})


class Kind(enum.StrEnum):
    """What is told."""

    FAILED = "failed"  # the group is FAILED for that
    REMARK = "remark"  # likewise wrong, and no failure
    OTHERWISE = "otherwise"  # an entry: something else was done to it than what was foretold
    ORDER = "order"
    TOUCHED = "touched"  # an entry of a group that was to stay as it is
    REFUSED = "refused"
    UNFINISHED = "unfinished"
    ASKED = "asked"  # --fail had it fail
    UNSEEN = "unseen"  # it cannot be said whether that would happen on the machine


NO_FAULT = frozenset({Kind.ASKED, Kind.UNSEEN})


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to be told of a group. The lines do not make two findings of one."""

    kind: Kind
    group: str
    tag: str
    text: str  # printable
    lines: tuple[str, ...] = ()
    code: str = ""  # of what is wrong with an entry, if it counts


@dataclass(frozen=True, slots=True)
class EntrySeen:
    """What was foretold of an entry, and what was seen."""

    tag: str
    foretold: Effect
    seen: Effect


_DONE = {
    Effect.START: "was started",
    Effect.STOP: "was stopped",
    Effect.RESTART: "was restarted",
    Effect.RERUN: "was run again",
    Effect.LEAVE: "was left alone",
    Effect.NONE: "was not started",
}
_FORETOLD = {
    Effect.START: "start it",
    Effect.STOP: "stop it",
    Effect.RESTART: "restart it",
    Effect.RERUN: "run it again",
    Effect.LEAVE: "leave it alone",
    Effect.NONE: "not start it",
}


def foretell(move: Move, group: Rehearsed, seen: Seen | None) -> Explanation:
    """What a move does, by what `explain` says.

    Args:
        move: the move.
        group: whose it is.
        seen: what the units said before it; None if nothing ran.
    """
    wanted = group.lines(move.target.side)
    applied = group.lines(move.origin.side) if move.origin.level is not None else wanted
    level = HALT_LEVEL if move.target.level is None else move.target.level
    if move.target.level is None:
        wanted = ResourceGroup(group.name)
    return explain(
        Standing(applied, move.origin.level, None, seen if move.origin.level is not None else None), wanted, level
    )


def effects(explanation: Explanation) -> dict[str, Effect]:
    """What is foretold of each entry, by tag."""
    found = {entry.tag: Effect.NONE for entry in explanation.rest}
    found |= {entry.tag: Effect.LEAVE for entry in explanation.stays}
    found |= {entry.tag: Effect.STOP for entry in explanation.stops}
    for entry in explanation.starts:
        again = Effect.RERUN if entry.tag in explanation.reruns else Effect.START
        found[entry.tag] = Effect.RESTART if entry.tag in explanation.restarts else again
    return found


def effect_seen(before: Glimpse, after: Glimpse) -> Effect:
    """What was done to an entry, by how its unit was before and is behind that."""
    has_run = bool(after.invocation) and after.invocation != before.invocation
    if has_run:
        by_itself = after.restarts > before.restarts  # systemd has restarted it, as it does whenever it ends
        return Effect.LEAVE if before.is_up and by_itself else Effect.RESTART if before.is_up else Effect.START
    if before.is_up:
        return Effect.LEAVE if after.is_up else Effect.STOP
    return Effect.START if after.is_up else Effect.NONE


def entries_seen(
    explanation: Explanation, before: Mapping[str, Glimpse], after: Mapping[str, Glimpse]
) -> list[EntrySeen]:
    """What was foretold of the entries of a group, and what was seen."""
    found = []
    for tag, foretold in effects(explanation).items():
        was, now = before.get(tag, DOWN), after.get(tag, DOWN)
        seen = effect_seen(was, now)
        if foretold is Effect.RERUN and seen in {Effect.START, Effect.RESTART}:
            seen = Effect.RERUN
        if foretold is Effect.RESTART and seen is Effect.LEAVE and now.restarts > was.restarts:
            seen = Effect.RESTART  # and has ended since; nobody can tell that from one that only ended
        found.append(EntrySeen(tag, foretold, seen))
    return found


def findings(
    explanation: Explanation,
    outcome: Outcome,
    before: Mapping[str, Glimpse],
    after: Mapping[str, Glimpse],
    choice: Choice | None = None,
) -> Iterator[Finding]:
    """What is to be told of a move. What an entry is wrong with explains whatever else is seen of it.

    Args:
        explanation: what was foretold.
        outcome: what came of it.
        before: how the group's entries were before, by tag.
        after: how they are now.
        choice: which entries were to fail, and which ran for real.
    """
    group = explanation.group
    if outcome.state not in {*_FINE, "FAILED"}:
        kind = Kind.REFUSED if outcome.state == "REFUSED" else Kind.UNFINISHED
        yield Finding(kind, group, "", printable(hints.here(outcome.message)), outcome.lines)
        return
    choice = choice or Choice()
    yield from _of_faults(group, outcome, choice)
    wrong = {fault.tag for fault in outcome.faults} | {*choice.failing}
    excused = wrong | {*map(readiness_tag, wrong)}
    if outcome.state != "FAILED" and any(
        choice.fails(entry.tag) and (entry.mode.is_judged or entry.holds_back) for entry in explanation.starts
    ):
        yield Finding(Kind.OTHERWISE, group, "", f"is {outcome.state}, though an entry failed that --fail names")
    for entry in entries_seen(explanation, before, after):
        if entry.foretold is not entry.seen and entry.tag not in excused:
            text = f"{shortened(entry.tag)} {_DONE[entry.seen]}; foretold was to {_FORETOLD[entry.foretold]}"
            yield Finding(Kind.OTHERWISE, group, entry.tag, text)
    yield from _of_order(explanation, after, excused)
    for stopped in explanation.stops:
        if stopped.tag in after and after[stopped.tag].was_killed and not stopped.ready_of:
            text = (
                f"{shortened(stopped.tag)} ({stopped.mode}) did not end in time when it was stopped; SIGKILL ended it"
            )
            yield Finding(Kind.REMARK, group, stopped.tag, text)


def _of_faults(group: str, outcome: Outcome, choice: Choice) -> Iterator[Finding]:
    if outcome.state == "FAILED" and not any(fault.is_failure for fault in outcome.faults):
        yield Finding(Kind.FAILED, group, "", "is FAILED, and nothing says why")
    for fault in outcome.faults:
        text = printable(hints.here(fault.text.removeprefix(f"{group}: ")))
        kind = Kind.FAILED if fault.is_failure else Kind.REMARK
        if choice.fails(fault.tag) or (choice.failing and fault.code == "kept-back"):
            kind = Kind.ASKED
        elif why := _why_unseen(fault, is_stand_in=not choice.runs(fault.tag)):
            kind, text = Kind.UNSEEN, f"{text}; {why}"
        yield Finding(kind, group, fault.tag, text, fault.lines, "" if kind in NO_FAULT else fault.code)


def _why_unseen(fault: Fault, *, is_stand_in: bool) -> str:
    """Why a fault may be one of the rehearsal only; empty if it is one of the entry."""
    if fault.code != "not-executed" or fault.status is None:
        return ""
    says = [line for line in fault.lines if _SYSTEMD_SAYS in line]
    if fault.status in _OF_THE_MACHINE and (not says or any(line.endswith(_NOT_PERMITTED) for line in says)):
        return "nobody may have that in a rehearsal, which has users of its own"
    if fault.status in _STREAMS and "=tty" in fault.text:
        return "a rehearsal has no terminal of the machine"
    if is_stand_in and fault.status == EXEC and not any(SAYS in line for line in fault.lines):
        return "so it is with its stand-in, a shell script that needs /bin/sh and sleep in the unit's sandbox"
    return ""


def _of_order(explanation: Explanation, after: Mapping[str, Glimpse], excused: set[str]) -> Iterator[Finding]:
    started = [
        (after[entry.tag].started, entry.tag)
        for entry in explanation.starts
        if entry.tag not in excused
        and entry.tag in after
        and after[entry.tag].started
        and not after[entry.tag].restarts
    ]
    if started != sorted(started, key=lambda each: each[0]):
        yield _order(explanation, "started", [tag for _, tag in sorted(started)], [tag for _, tag in started])
    ended = [
        (after[entry.tag].ended, entry.tag)
        for entry in explanation.stops
        if entry.tag not in excused and entry.tag in after and after[entry.tag].ended
    ]
    if explanation.stops_in_order and ended != sorted(ended, key=lambda each: each[0]):
        yield _order(explanation, "stopped", [tag for _, tag in sorted(ended)], [tag for _, tag in ended])
    if started and ended and min(started)[0] < max(ended)[0]:
        text = f"{shortened(min(started)[1])} was started before {shortened(max(ended)[1])} was gone"
        yield Finding(Kind.ORDER, explanation.group, "", text)


def _order(explanation: Explanation, done: str, seen: Iterable[str], foretold: Iterable[str]) -> Finding:
    orders = (", ".join(map(shortened, tags)) for tags in (seen, foretold))
    seen_text, foretold_text = orders
    text = f"{done} in the order {seen_text}; foretold: {foretold_text}"
    return Finding(Kind.ORDER, explanation.group, "", text)


def touched(group: str, before: Mapping[str, Glimpse], after: Mapping[str, Glimpse]) -> Iterator[Finding]:
    """What is to be told of a group that was not to move: nothing is to be done to its entries.

    Args:
        group: its name.
        before: how its entries were, by tag.
        after: how they are now.
    """
    for tag, was in before.items():
        effect = effect_seen(was, after.get(tag, DOWN))
        if effect not in {Effect.LEAVE, Effect.NONE}:
            text = f"{shortened(tag)} {_DONE[effect]}, though only other groups were asked for"
            yield Finding(Kind.TOUCHED, group, tag, text)
