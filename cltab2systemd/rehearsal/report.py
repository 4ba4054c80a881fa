"""What a rehearsal has come to, as data, as text for a person, and as JSON. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cltab2systemd.rehearsal.comparison import NO_FAULT, Finding, Kind
from cltab2systemd.rehearsal.rounds import Place, Side
from cltab2systemd.reports import asjson
from cltab2systemd.terminal import printable, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cltab2systemd.rehearsal.comparison import EntrySeen
    from cltab2systemd.rehearsal.rounds import Move, Program, Wish

_MOST_MOVES = 6
NOT_SEEN = (
    "other nodes, shared storage, virtual addresses and whatever is reached by a network",
    "what is below /run and /tmp on the machine, and users that only a directory service knows",
)
"""What no rehearsal can see."""
OF_STAND_INS = "how commands start, run and end, how long that takes, and their ports: stand-ins ran instead"


@dataclass(frozen=True, slots=True)
class MoveSeen:
    """A move that was made."""

    move: Move
    state: str
    usec: int
    entries: tuple[EntrySeen, ...]
    findings: tuple[Finding, ...]


@dataclass
class Report:
    """What a rehearsal has come to.

    Attributes:
        program: what was to be rehearsed.
        moves: those that were made, in order.
        others: findings about groups that were not to move, each with the moves meanwhile.
        unseen: what could not be seen.
        usec: how long it took.
        ended: why it ended before its end; empty if it did not.
    """

    program: Program
    moves: list[MoveSeen] = field(default_factory=list)
    others: list[tuple[Finding, tuple[Move, ...]]] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    usec: int = 0
    ended: str = ""

    @property
    def is_fine(self) -> bool:
        """Whether all moves were made, nothing was wrong, and all was as foretold."""
        return not (self.ended or self.others) and all(
            finding.kind in NO_FAULT for seen in self.moves for finding in seen.findings
        )

    def of_group(self, name: str) -> list[MoveSeen]:
        """The moves of a group."""
        return [seen for seen in self.moves if seen.move.group == name]


def merged(moves: Sequence[MoveSeen]) -> list[tuple[Finding, list[Move]]]:
    """Findings, each once, with the moves that had it: the same wrong is told once."""
    found: dict[tuple[Kind, str, str], tuple[Finding, list[Move]]] = {}
    for seen in moves:
        for finding in seen.findings:
            known, where = found.setdefault((finding.kind, finding.tag, finding.text), (finding, []))
            if finding.lines and not known.lines:
                found[finding.kind, finding.tag, finding.text] = (finding, where)
            where.append(seen.move)
    return [*found.values()]


# For a person


def as_text(report: Report) -> Iterator[str]:
    """A report as lines for a person: a line for each group if all is well, more where it is not."""
    for name in report.program.groups:
        yield from _group_lines(report, name)
    for finding, meanwhile in report.others:
        moves = ", ".join(f"{shortened(move.group)} {_way(report, move)}" for move in meanwhile[:_MOST_MOVES])
        yield f"{shortened(finding.group)}: {finding.text}"
        yield f"    in {moves}"
    if report.ended:
        left = report.program.moves - len(report.moves)
        yield printable(f"Not rehearsed: {left} of {_moves(report.program.moves)}, for {report.ended}.")
    count = len(report.program.standing_by)
    by = f"; {count} other group{'s' * (count > 1)} stood by" if count else ""
    touched = ", and nothing touched them" if count > 1 else ", and nothing touched it"
    yield f"{_moves(len(report.moves))} in {_seconds(report.usec)}{by}{touched if count and not report.others else ''}."
    yield "Not seen:"
    yield from (f"  {printable(each)}" for each in report.unseen)


def _group_lines(report: Report, name: str) -> Iterator[str]:
    moves = report.of_group(name)
    found = merged(moves)
    faults = [each for each in found if each[0].kind not in NO_FAULT]
    if not moves:
        yield f"{shortened(name)}: not rehearsed"
        return
    kinds = "from table to table" if report.program.groups[name].changes else "from level to level"
    slowest = max(moves, key=lambda seen: seen.usec)
    outcome = f"{len(faults)} fault{'s' * (len(faults) > 1)}" if faults else "as foretold"
    time = f"{_seconds(slowest.usec)} at most ({_way(report, slowest.move)})"
    yield f"{shortened(name)}: {_moves(len(moves))} {kinds}{_asked(report.program.wish, moves)}, {outcome}; {time}"
    for refused in report.program.refused(name):
        if "," not in refused.level:  # nobody means a whole list
            yield f"  'clinit --apply' is refused at {shortened(refused.level)}: {refused.why}"
    for finding, where in found:
        mark = {Kind.ASKED: "as asked: ", Kind.UNSEEN: "cannot be seen: "}.get(finding.kind, "")
        yield f"  {mark}{finding.text}"
        yield from (f"    {printable(line)}" for line in finding.lines)
        shown = [_way(report, move) for move in where[:_MOST_MOVES]]
        more = f" and {len(where) - _MOST_MOVES} more" if len(where) > _MOST_MOVES else ""
        yield f"    in {len(where)} of {_moves(len(moves))}: {', '.join(shown)}{more}"


def _moves(count: int) -> str:
    return f"{count} move{'s' * (count != 1)}"


def _asked(wish: Wish, moves: Sequence[MoveSeen]) -> str:
    """How many moves are those that were asked for, if some only lead there."""
    count = sum(wish.wants(seen.move.origin, seen.move.target) for seen in moves)
    ways = (("from", wish.origin), ("to", wish.target))
    way = " ".join(f"{word} {shortened(level)}" for word, level in ways if level is not None)
    return f", {count} of them {way}" if count < len(moves) else ""


def _way(report: Report, move: Move) -> str:
    group = report.program.groups.get(move.group)
    changes = group is not None and group.changes
    return f"{_place(move.origin, changes=changes)} → {_place(move.target, changes=changes)}"


def _place(place: Place, *, changes: bool) -> str:
    if place.level is None:
        return "nothing" if place.side is not Side.NEW else "out of the table"
    return f"{place.side} {shortened(place.level)}" if changes else shortened(place.level)


def _seconds(usec: int) -> str:
    return f"{usec / 1e6:.1f} s"


# For a program


def as_json(report: Report) -> asjson.Json:
    """A report as a JSON value."""
    return {
        "fine": report.is_fine,
        "ended_early": report.ended or None,
        "duration_usec": report.usec,
        "moves_planned": report.program.moves,
        "moves_made": len(report.moves),
        "groups": [_group_object(report, name) for name in report.program.groups],
        "standing_by": asjson.texts(report.program.standing_by),
        "touched": [
            {**_finding_object(finding), "moves": [_move_object(move) for move in meanwhile]}
            for finding, meanwhile in report.others
        ],
        "not_seen": asjson.texts(report.unseen),
    }


def _group_object(report: Report, name: str) -> asjson.Json:
    group = report.program.groups[name]
    changed = "changed" if group.changes else "same"
    change = "deleted" if not group.new.entries else "added" if not group.old.entries else changed
    return {
        "group": asjson.text(name),
        "change": change,
        "refused": [refused.as_json() for refused in report.program.refused(name)],
        "findings": [
            {**_finding_object(finding), "moves": [_move_object(move) for move in where]}
            for finding, where in merged(report.of_group(name))
        ],
        "moves": [
            {
                **_move_object(seen.move),
                "state": seen.state,
                "duration_usec": seen.usec,
                "entries": [
                    {"tag": asjson.text(entry.tag), "foretold": str(entry.foretold), "seen": str(entry.seen)}
                    for entry in seen.entries
                ],
            }
            for seen in report.of_group(name)
        ],
    }


def _finding_object(finding: Finding) -> dict[str, asjson.Json]:
    return {
        "kind": str(finding.kind),
        "fault": finding.kind not in NO_FAULT,
        "group": asjson.text(finding.group),
        "tag": asjson.text(finding.tag) if finding.tag else None,
        "text": finding.text,
        "lines": [*map(printable, finding.lines)],
    }


def _move_object(move: Move) -> dict[str, asjson.Json]:
    return {
        "group": asjson.text(move.group),
        "from": None if move.origin.level is None else _place_object(move.origin),
        "to": None if move.target.level is None else _place_object(move.target),
    }


def _place_object(place: Place) -> asjson.Json:
    return {"table": str(place.side), "level": asjson.optional(place.level)}
