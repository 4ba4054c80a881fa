"""What is seen on the stage: how entries are before and behind a round, and what came of each move. Pure.

All of it comes from a process in the node, where commands of the table run as root. So what is not of the right form is
refused, and nothing is longer than it may be.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from cltab2systemd.groups.changes import Seen
from cltab2systemd.groups.reasons import Remedy
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

T = TypeVar("T")

LONGEST_MESSAGE = 8 * 1024 * 1024
"""Bytes of what one round tells: some thousand entries, and the last lines of those that failed."""
_MOST = 100_000
_MOST_FAULTS = 1_000
_MOST_LINES = 20
_LONGEST_LINE = 1_000
# Characters of what is wrong, whose command is shortened; and of a name, or of what an error says.
_LONGEST_REASON = 4_000
_LONGEST_TEXT = 200_000
_LARGEST = 1 << 63  # times are in µs
# What becomes of a move, besides the states that settle a level.
STOPPED, REFUSED, TIMED_OUT, LOST = "STOPPED", "REFUSED", "TIMED-OUT", "LOST"
_STATES = frozenset({"DONE", "PASSED", "FAILED", STOPPED, REFUSED, TIMED_OUT, LOST})


class MessageError(Exception):
    """What the stage sends is not of the form that it has."""


@dataclass(frozen=True, slots=True)
class Glimpse:
    """How the unit of an entry is at a moment. Times are CLOCK_MONOTONIC, in µs; 0 if there was none."""

    is_up: bool  # it is active, or on its way
    invocation: str  # the id of its last run; empty if it has none, or systemd has forgotten it
    restarts: int = 0  # how often systemd has restarted it by itself
    started: int = 0  # its last main process
    ended: int = 0  # when it became inactive last
    was_killed: bool = False  # by SIGKILL, for it had not ended in time


DOWN = Glimpse(is_up=False, invocation="")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with a group: a reason as the daemon tells it, with the last words of the entry."""

    code: str
    tag: str  # empty if it is not about an entry
    text: str
    lines: tuple[str, ...] = ()  # printable: what it wrote, and what to do
    is_failure: bool = True
    status: int | None = None  # the exit status, if its process has exited


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a move."""

    group: str
    state: str
    usec: int  # from the request to the end
    message: str = ""  # why it was refused, or what it waited for
    lines: tuple[str, ...] = ()  # of what had it refused
    faults: tuple[Fault, ...] = ()
    seen: Seen | None = None  # what the units said before; None if nothing ran


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a round tells: the outcomes of its moves, and how all entries are behind it, by group and tag."""

    outcomes: tuple[Outcome, ...]
    entries: dict[str, dict[str, Glimpse]] = field(default_factory=dict)


def as_message(scene: Scene) -> dict[str, Any]:
    """A scene as a value for JSON."""
    return {
        "outcomes": [
            {
                "group": outcome.group,
                "state": outcome.state,
                "usec": outcome.usec,
                "message": outcome.message[:_LONGEST_REASON],
                "lines": _shortened(outcome.lines),
                "faults": [
                    [
                        fault.code, fault.tag, fault.text[:_LONGEST_REASON], _shortened(fault.lines), fault.is_failure,
                        fault.status,
                    ]
                    for fault in outcome.faults[:_MOST_FAULTS]
                ],
                "seen": None if outcome.seen is None else {
                    "active": sorted(outcome.seen.active),
                    "remedies": [[tag, str(remedy)] for tag, remedy in outcome.seen.remedies.items()],
                    "failed": [*map(list, outcome.seen.failed.items())],
                },
            }
            for outcome in scene.outcomes
        ],
        "entries": [
            [group, [_glimpse_parts(tag, glimpse) for tag, glimpse in entries.items()]]
            for group, entries in scene.entries.items()
        ],
    }  # fmt: skip


def _glimpse_parts(tag: str, seen: Glimpse) -> list[object]:
    return [tag, seen.is_up, seen.invocation, seen.restarts, seen.started, seen.ended, seen.was_killed]


def _shortened(lines: tuple[str, ...]) -> list[str]:
    return [line[:_LONGEST_LINE] for line in lines[:_MOST_LINES]]


def of_message(value: object) -> Scene:
    """A scene from a value of JSON. MessageError if it is none."""
    message = _typed(value, dict)
    outcomes = tuple(_outcome(_typed(each, dict)) for each in _list(message.get("outcomes")))
    entries: dict[str, dict[str, Glimpse]] = {}
    for each in _list(message.get("entries")):
        group, found = _parts(each, str, list)
        entries[group] = dict(map(_glimpse, _list(found)))
    return Scene(outcomes, entries)


def of_groups(scene: Scene, tags: Mapping[str, Collection[str]]) -> Scene:
    """What a scene tells of the entries that there are.

    Args:
        scene: what is told.
        tags: the tags of the entries, by group.
    """
    return replace(scene, entries={
        group: {tag: seen for tag, seen in entries.items() if tag in tags[group]}
        for group, entries in scene.entries.items() if group in tags
    })  # fmt: skip


def _glimpse(value: object) -> tuple[str, Glimpse]:
    tag, *parts = _parts(value, str, bool, str, int, int, int, bool)
    return tag, Glimpse(*parts)


def _outcome(value: dict[str, Any]) -> Outcome:
    state = _typed(value.get("state"), str)
    if state not in _STATES:
        raise MessageError("a state that there is not")
    seen = value.get("seen")
    return Outcome(
        _text(value.get("group")),
        state,
        _typed(value.get("usec"), int),
        _text(value.get("message"))[:_LONGEST_REASON],
        _lines(value.get("lines")),
        tuple(map(_fault, _list(value.get("faults"))[:_MOST_FAULTS])),
        None if seen is None else _seen(_typed(seen, dict)),
    )


def _fault(value: object) -> Fault:
    code, tag, text, lines, is_failure, status = _parts(value, str, str, str, list, bool, int | None)
    return Fault(code, tag, text[:_LONGEST_REASON], _lines(lines), is_failure, status)


def _seen(value: dict[str, Any]) -> Seen:
    remedies = dict(_parts(each, str, str) for each in _list(value.get("remedies")))
    if not {*remedies.values()} <= {*map(str, Remedy)}:
        raise MessageError("a remedy that there is not")
    return Seen(
        frozenset(map(_text, _list(value.get("active")))),
        {tag: Remedy(word) for tag, word in remedies.items()},
        dict(_parts(each, str, str) for each in _list(value.get("failed"))),
    )


def _lines(value: object) -> tuple[str, ...]:
    return tuple(_text(line)[:_LONGEST_LINE] for line in _list(value)[:_MOST_LINES])


def _text(value: object) -> str:
    return str(_typed(value, str))


def _list(value: object) -> list[Any]:
    return [*_typed(value, list)]


def _parts(value: object, *kinds: Any) -> Any:
    """The members of a list that has one of each kind, in this order."""
    parts = _list(value)
    if len(parts) != len(kinds):
        raise MessageError("a list of another length")
    return [_typed(part, kind) for part, kind in zip(parts, kinds, strict=True)]


def _typed(value: object, kind: Any) -> Any:
    is_number = kind is int or kind == int | None
    if not isinstance(value, kind) or (is_number and isinstance(value, bool)):
        raise MessageError(f"{type(value).__name__} instead of {kind}")
    if isinstance(value, str | list) and len(value) > (_LONGEST_TEXT if isinstance(value, str) else _MOST):
        raise MessageError("more than there may be")
    if isinstance(value, int) and not 0 <= value < _LARGEST:
        raise MessageError("a number that there is not")
    if isinstance(value, str):
        try:
            encoded(value)
        except UnicodeEncodeError as error:
            raise MessageError("what is no text") from error
    return value
