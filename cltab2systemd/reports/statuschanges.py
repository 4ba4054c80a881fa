"""Changes of groups, told one by one: what `clinitctl watch` writes where it cannot draw. Pure.

What comes in are objects of type GroupStatus, as the daemon sends them (`cltab2systemd.varlink`).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cltab2systemd import clstat
from cltab2systemd.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Object = dict[str, Any]


class Kind(enum.StrEnum):
    """What a change is about."""

    GROUP = "group"  # its level, its state, or what is wrong with it
    LEFT = "left"  # the group is at no level any more, and not in the table
    DAEMON = "daemon"  # whether the daemon answers


@dataclass(frozen=True, slots=True)
class Change:
    """One change: of a group as it is now, or of the daemon, whose state is one of `operators.present.Daemon`."""

    kind: Kind
    state: str | None
    group: str | None = None
    level: str | None = None
    reasons: tuple[Object, ...] = ()


def changes(before: Mapping[str, Object], now: Mapping[str, Object]) -> Iterator[Change]:
    """What has changed between two looks at groups, by name: those that are there in their order, then those that left.

    A reason is another if its text is: how often it was tried does not count.
    """
    for name, status in now.items():
        if name not in before or _essence(before[name]) != _essence(status):
            level = None if status["state"] == clstat.STOPPED else status["level"]  # else clstat has the last one
            yield Change(Kind.GROUP, status["state"], name, level, tuple(status.get("reasons", ())))
    for name in before:
        if name not in now:
            yield Change(Kind.LEFT, None, name)


def _essence(status: Object) -> tuple[Any, ...]:
    return status["level"], status["state"], [reason["text"] for reason in status.get("reasons", ())]


def line(change: Change, when: str) -> str:
    """A change as a line, such as `2026-11-26T12:03:22+00:00 web 3 FAILED: config (test) exited with 1`."""
    if change.kind is Kind.DAEMON:
        return f"{when} {_DAEMON.get(change.state or '', 'the daemon cannot be asked')}"
    if change.kind is Kind.LEFT:
        return printable(f"{when} {change.group} is gone")
    if change.level is None:
        return printable(f"{when} {change.group} is at no level")
    reasons = "; ".join(map(_reason, change.reasons))
    return printable(f"{when} {change.group} {change.level} {change.state}{': ' if reasons else ''}{reasons}")


_DAEMON = {
    "answers": "the daemon is back",
    "gone": "the daemon is gone; what runs goes on, and is watched again when it is back",
    "silent": "the daemon gives no answer; this is what systemd says",
    "busy": "this user has too many connections to the daemon; some have to be closed",
    "closed": "only root and members of group clinit may ask the daemon; this is what clstat and systemd say",
}


def _reason(reason: Object) -> str:
    # An older daemon tells the whole text only.
    name = f"{reason['tag']} ({reason['mode']})" if reason.get("tag") else reason.get("unit", "")
    return f"{name} {reason['words']}" if reason.get("words") else str(reason["text"])


def as_object(change: Change, when: int) -> Object:
    """A change as a value for JSON; `when` is µs since 1970."""
    return {
        "time_usec": when,
        "event": str(change.kind),
        "group": change.group,
        "level": change.level,
        "state": change.state,
        "reasons": [*change.reasons],
    }


def by_name(statuses: Sequence[Object], names: Sequence[str]) -> dict[str, Object]:
    """Statuses by the names of their groups; all, or those that are named."""
    return {status["group"]: status for status in statuses if not names or status["group"] in names}
