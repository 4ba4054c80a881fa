"""The requests of the past, from the daemon's lines in the journal: who asked for what, and what came of it. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Outcome(enum.StrEnum):
    """What came of a request."""

    DONE = "done"  # as far as is known the level is as it should be: DONE or PASSED
    FAILED = "failed"  # the level was reached, and is FAILED
    STOPPED = "stopped"  # the group was stopped for good
    SUPERSEDED = "superseded"  # something else took the group elsewhere
    REFUSED = "refused"  # it could not be carried out
    OPEN = "open"  # there is no line on its end: it is under way, or the daemon has ended meanwhile


# The fields that tell of requests.
FIELDS = (
    "MESSAGE_ID", "MESSAGE", "_HOSTNAME", "CLINIT_REQUEST", "CLINIT_GROUP", "CLINIT_LEVEL", "CLINIT_FROM",
    "CLINIT_STATE", "CLINIT_REASON", "CLINIT_DURATION_USEC", "CLINIT_INSTANCE", "CLINIT_ASKED_BY", "CLINIT_ASKED_UID",
    "CLINIT_ASKED_PID", "CLINIT_ASKED_COMMAND",
)  # fmt: skip
_BEGINNINGS = ("REQUESTED", "RESUMED", "RETIRED", "HALTING")
_ENDINGS = {
    "DONE": Outcome.DONE,
    "FAILED": Outcome.FAILED,
    "STOPPED": Outcome.STOPPED,
    "SUPERSEDED": Outcome.SUPERSEDED,
    "REFUSED": Outcome.REFUSED,
    "REJECTED": Outcome.REFUSED,
}


@dataclass(frozen=True, slots=True)
class PastRequest:
    """One request. What the journal does not tell is None, or empty.

    `began_at` is in µs since 1970, as journald received the line that tells of it first; `duration` is in µs.
    `state` is that of clstat, and `reason` a code: of what refused it or took the group elsewhere.
    """

    id: str
    group: str
    level: str
    began_at: int
    origin: str | None = None
    by: str = ""
    uid: int | None = None
    pid: int | None = None
    command: str = ""
    node: str = ""
    instance: str = ""
    outcome: Outcome = Outcome.OPEN
    state: str = ""
    reason: str = ""
    text: str = ""  # the line that tells its end
    duration: int | None = None


def matches(kinds: Mapping[str, str]) -> list[str]:
    """What journalctl is to be asked for, as arguments: the kinds of lines that `requests` makes something of.

    Anybody may write lines with these fields. Only what root has written counts.

    Args:
        kinds: the kind of each MESSAGE_ID, as `events.KINDS`.
    """
    return ["_UID=0"] + [
        f"MESSAGE_ID={each}" for each, kind in kinds.items() if kind in _BEGINNINGS or kind in _ENDINGS
    ]


def latest(records: Iterable[Mapping[bytes, bytes]], kinds: Mapping[str, str], number: int | None) -> list[PastRequest]:
    """The latest requests, in the order in which they began.

    Args:
        records: as for `requests`, but the last one first. Not more of them are taken than are needed.
        kinds: likewise.
        number: how many requests; None for all.
    """
    read, begun = [], 0
    for record in records:
        read.append(record)
        begun += kinds.get(decoded(record.get(b"MESSAGE_ID", b"")), "") in (*_BEGINNINGS, "REJECTED")
        if begun == number:
            break
    found = sorted(requests(reversed(read), kinds), key=lambda request: request.began_at)
    return found if number is None else found[-number:]


def requests(records: Iterable[Mapping[bytes, bytes]], kinds: Mapping[str, str]) -> list[PastRequest]:
    """The requests that lines of the journal tell of, in the order of their first lines.

    Args:
        records: lines of the journal, each as its fields, with any others between them. The line that begins a request
            may be lost; then the one that ends it tells all.
        kinds: the kind of each MESSAGE_ID, as `events.KINDS`.

    Returns:
        The requests. One without a line that ends it is open.
    """
    found: dict[str, PastRequest] = {}
    for record in records:
        fields = {decoded(name): decoded(value) for name, value in record.items()}
        request, kind = fields.get("CLINIT_REQUEST", ""), kinds.get(fields.get("MESSAGE_ID", ""), "")
        outcome = _ENDINGS.get(kind)
        if not request or not fields.get("CLINIT_GROUP") or (outcome is None and kind not in _BEGINNINGS):
            continue
        known = found.get(request) or _begun(request, fields)
        found[request] = known if outcome is None else _ended(known, outcome, fields)
    return list(found.values())


def _begun(request: str, fields: dict[str, str]) -> PastRequest:
    duration = _number(fields.get("CLINIT_DURATION_USEC")) or 0
    return PastRequest(
        id=request,
        group=fields["CLINIT_GROUP"],
        level=fields.get("CLINIT_LEVEL", ""),
        began_at=(_number(fields.get("__REALTIME_TIMESTAMP")) or 0) - duration,
        origin=fields.get("CLINIT_FROM"),
        by=fields.get("CLINIT_ASKED_BY", ""),
        uid=_number(fields.get("CLINIT_ASKED_UID")),
        pid=_number(fields.get("CLINIT_ASKED_PID")),
        command=fields.get("CLINIT_ASKED_COMMAND", ""),
        node=fields.get("_HOSTNAME", ""),
        instance=fields.get("CLINIT_INSTANCE", ""),
    )


def _ended(begun: PastRequest, outcome: Outcome, fields: dict[str, str]) -> PastRequest:
    return replace(
        begun,
        outcome=outcome,
        state=fields.get("CLINIT_STATE", ""),
        reason=fields.get("CLINIT_REASON", ""),
        text=fields.get("MESSAGE", ""),
        duration=_number(fields.get("CLINIT_DURATION_USEC")),
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None
