"""The requests of the past, from the daemon's lines in the journal: who asked for what, and what came of it. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from cltab2systemd.exportformat import number
from cltab2systemd.text import decoded
from cltab2systemd.units.names import HALT_LEVEL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


class Purpose(enum.StrEnum):
    """What was asked for."""

    LEVEL = "level"  # the group was to go to a level
    HALT = "halt"  # it was to be stopped for good
    RESTART = "restart"  # entries of it were to be restarted
    STOP = "stop"  # entries of it were to be stopped


class Outcome(enum.StrEnum):
    """What came of a request. `groups.tally.Counted` tells DONE and PASSED apart, which are both `done` here."""

    DONE = "done"  # it has done what was asked for. A level that was asked for is DONE or PASSED
    FAILED = "failed"  # the level was reached, or its entries were restarted, and it is FAILED
    STOPPED = "stopped"  # the group was stopped for good
    SUPERSEDED = "superseded"  # something else took the group elsewhere
    REFUSED = "refused"  # it could not be carried out
    GIVEN_UP = "given-up"  # its daemon has ended before
    UNKNOWN = "unknown"  # lines of the journal are lost, and perhaps the one that told
    OPEN = "open"  # there is no line on its end, and nothing tells that it is over


# The fields that tell of requests.
FIELDS = (
    "MESSAGE_ID", "MESSAGE", "_HOSTNAME", "_PID", "_BOOT_ID", "CLINIT_REQUEST", "CLINIT_GROUP", "CLINIT_LEVEL",
    "CLINIT_FROM", "CLINIT_STATE", "CLINIT_ENTRY", "CLINIT_REASON", "CLINIT_ACTION", "CLINIT_DURATION_USEC",
    "CLINIT_INSTANCE", "CLINIT_ASKED_BY", "CLINIT_ASKED_UID", "CLINIT_ASKED_PID", "CLINIT_ASKED_COMMAND",
)  # fmt: skip
_BEGINNINGS = frozenset(
    {"REQUESTED", "RESUMED", "RETIRED", "HALTING", "TAKEN_BACK", "RESTARTED_BY_HAND", "STOPPED_BY_HAND"}
)
_ENDINGS = {
    "DONE": Outcome.DONE,
    "FAILED": Outcome.FAILED,
    "STOPPED": Outcome.STOPPED,
    "SUPERSEDED": Outcome.SUPERSEDED,
    "REFUSED": Outcome.REFUSED,
    "REJECTED": Outcome.REFUSED,
    "ACTION_ENDED": Outcome.DONE,
    "ACTION_SUPERSEDED": Outcome.SUPERSEDED,
    "ACTION_REFUSED": Outcome.REFUSED,
}
# Of requests that perhaps have this line only.
_ALONE = frozenset({"REJECTED", "ACTION_REFUSED"})
# An entry had to be killed.
_KILLED = "KILLED"
# Lines of the daemon that are of no request: it has started, and it could not write some lines.
_SERVING, _LOST = "SERVING", "LINES_LOST"


class Daemon(NamedTuple):
    """A daemon: the boot of the machine that it is of, and its process."""

    boot: str
    pid: int


_NO_DAEMON = Daemon("", 0)  # not known


@dataclass(frozen=True, slots=True)
class PastRequest:
    """One request. What the journal does not tell is None, or empty.

    `level` is the one that was asked for, and empty if entries were to be restarted or stopped. `origin` is the level
    that the group was at before. `began_at` is in µs since 1970, as journald received the line that tells of it first;
    `duration` is in µs. `state` is that of clstat, and `reason` a code: of what refused it or took the group elsewhere.
    `killed` are the tags of entries of which it had to kill processes, for they did not end in time.
    `daemon` is the one that was asked, and `told_at` when it told of the request first (CLOCK_MONOTONIC, in µs).
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
    purpose: Purpose = Purpose.LEVEL
    entries: tuple[str, ...] = ()
    killed: tuple[str, ...] = ()
    daemon: Daemon = _NO_DAEMON
    told_at: int = 0


def matches(kinds: Mapping[str, str], instance: str, groups: Collection[str] = ()) -> list[str]:
    """What journalctl is to be asked for, as arguments: the lines that `requests` makes something of.

    Anybody may write lines with these fields. Only what root has written counts.

    Args:
        kinds: the kind of each MESSAGE_ID, as `events.KINDS`.
        instance: the daemon's.
        groups: which groups; all, if there are none.
    """
    of_daemon = ["_UID=0", f"CLINIT_INSTANCE={instance}"]
    told = {*_BEGINNINGS, *_ENDINGS, _KILLED}
    of_requests = [f"MESSAGE_ID={each}" for each, kind in kinds.items() if kind in told]
    others = [f"MESSAGE_ID={each}" for each, kind in kinds.items() if kind in {_SERVING, _LOST}]
    named = [f"CLINIT_GROUP={group}" for group in groups]
    return [*of_daemon, *of_requests, *named, "+", *of_daemon, *others]


def latest(
    records: Iterable[Mapping[bytes, bytes]], kinds: Mapping[str, str], number: int | None, until: int | None = None
) -> list[PastRequest]:
    """The latest requests, in the order in which they began.

    Args:
        records: as for `requests`, but the last one first. Not more of them are taken than are needed.
        kinds: likewise.
        number: how many requests; None for all.
        until: those that began later do not count, µs since 1970; None if all do.
    """
    read: list[Mapping[bytes, bytes]] = []
    begun: set[bytes] = set()
    for record in records:
        kind = kinds.get(decoded(record.get(b"MESSAGE_ID", b"")), "")
        if kind in _BEGINNINGS or kind in _ALONE:
            if until is None or _time(record.get(b"__REALTIME_TIMESTAMP", b"")) <= until:
                begun.add(record.get(b"CLINIT_REQUEST", b""))
            if number is not None and len(begun) > number:
                break  # a request may have several lines that begin it, and now those of the last one are read
        read.append(record)
    found = sorted(requests(reversed(read), kinds), key=lambda request: request.began_at)
    found = [request for request in found if until is None or request.began_at <= until]
    return found if number is None else found[-number:]


def requests(records: Iterable[Mapping[bytes, bytes]], kinds: Mapping[str, str]) -> list[PastRequest]:
    """The requests that lines of the journal tell of, in the order of their first lines.

    Args:
        records: lines of the journal, each as its fields, with any others between them. The line that begins a request
            may be lost; then the one that ends it tells all.
        kinds: the kind of each MESSAGE_ID, as `events.KINDS`.

    Returns:
        The requests. One without a line that ends it is given up if another daemon tells something later; it is unknown
        if the daemon tells later that lines were lost, or that another request for the group begins; else it is open.
    """
    story = _Story()
    for record in records:
        kind = kinds.get(decoded(record.get(b"MESSAGE_ID", b"")), "")
        if kind in _BEGINNINGS or kind in _ENDINGS or kind in {_SERVING, _LOST, _KILLED}:
            story.hear(kind, {decoded(name): decoded(value) for name, value in record.items()})
    return list(story.found.values())


class _Story:
    """What is known of requests, line by line."""

    def __init__(self) -> None:
        self.found: dict[str, PastRequest] = {}
        self._open: dict[str, PastRequest] = {}  # those that may be under way
        self._daemons: dict[str, Daemon] = {}  # the last one of each instance

    def hear(self, kind: str, fields: dict[str, str]) -> None:
        """Take note of a line."""
        instance, daemon = fields.get("CLINIT_INSTANCE", ""), _daemon(fields)
        # An instance has one daemon at a time.
        if self._daemons.setdefault(instance, daemon) != daemon:
            self._daemons[instance] = daemon
            self._close(Outcome.GIVEN_UP, instance)
        if kind == _LOST:
            self._close(Outcome.UNKNOWN, instance)
        elif kind == _KILLED:
            self._hear_of_kill(fields)
        elif kind != _SERVING and fields.get("CLINIT_REQUEST") and fields.get("CLINIT_GROUP"):
            self._hear_of_request(kind, fields)

    def _hear_of_request(self, kind: str, fields: dict[str, str]) -> None:
        name, outcome = fields["CLINIT_REQUEST"], _ENDINGS.get(kind)
        known = self.found.get(name)
        if known is None and outcome is None:
            # A group has one request at a time. The line that ends the earlier one is to come right behind this one.
            self._close(Outcome.UNKNOWN, fields.get("CLINIT_INSTANCE", ""), fields["CLINIT_GROUP"])
        request = _with_entry(known or _begun(name, fields), fields.get("CLINIT_ENTRY"))
        if outcome is not None:
            request = _ended(request, outcome, fields)
            self._open.pop(name, None)
        elif known is None or name in self._open:
            self._open[name] = request
        self.found[name] = request

    def _hear_of_kill(self, fields: dict[str, str]) -> None:
        name, tag = fields.get("CLINIT_REQUEST", ""), fields.get("CLINIT_ENTRY", "")
        if name in self.found and tag and tag not in self.found[name].killed:
            request = replace(self.found[name], killed=(*self.found[name].killed, tag))
            self.found[name] = request
            if name in self._open:
                self._open[name] = request

    def _close(self, outcome: Outcome, instance: str, group: str | None = None) -> None:
        """Take those as over that may be under way: of an instance, or of a group in it."""
        for request in [*self._open.values()]:
            if request.instance == instance and group in {None, request.group}:
                self.found[request.id] = replace(request, outcome=outcome)
                del self._open[request.id]


def _begun(name: str, fields: dict[str, str]) -> PastRequest:
    duration = number(fields.get("CLINIT_DURATION_USEC")) or 0
    level, purpose = fields.get("CLINIT_LEVEL", ""), _purpose(fields)
    is_of_entries = purpose in {Purpose.RESTART, Purpose.STOP}
    return PastRequest(
        id=name,
        group=fields["CLINIT_GROUP"],
        level="" if is_of_entries else level,
        began_at=_time(fields.get("__REALTIME_TIMESTAMP", "").encode()) - duration,
        origin=(level or None) if is_of_entries else fields.get("CLINIT_FROM"),
        by=fields.get("CLINIT_ASKED_BY", ""),
        uid=number(fields.get("CLINIT_ASKED_UID")),
        pid=number(fields.get("CLINIT_ASKED_PID")),
        command=fields.get("CLINIT_ASKED_COMMAND", ""),
        node=fields.get("_HOSTNAME", ""),
        instance=fields.get("CLINIT_INSTANCE", ""),
        purpose=purpose,
        daemon=_daemon(fields),
        told_at=number(fields.get("__MONOTONIC_TIMESTAMP")) or 0,
    )


def _purpose(fields: dict[str, str]) -> Purpose:
    action = fields.get("CLINIT_ACTION")
    if action in {Purpose.RESTART, Purpose.STOP}:
        return Purpose(action)
    return Purpose.HALT if fields.get("CLINIT_LEVEL") == HALT_LEVEL else Purpose.LEVEL


def _with_entry(request: PastRequest, tag: str | None) -> PastRequest:
    if request.purpose not in {Purpose.RESTART, Purpose.STOP} or not tag or tag in request.entries:
        return request
    return replace(request, entries=(*request.entries, tag))


def _ended(begun: PastRequest, outcome: Outcome, fields: dict[str, str]) -> PastRequest:
    state = fields.get("CLINIT_STATE", "")
    if begun.purpose is Purpose.RESTART and state == Outcome.FAILED.upper():
        outcome = Outcome.FAILED  # while to stop an entry may well be what makes its group FAILED
    return replace(
        begun,
        outcome=outcome,
        state=state,
        reason=fields.get("CLINIT_REASON", ""),
        text=fields.get("MESSAGE", ""),
        duration=number(fields.get("CLINIT_DURATION_USEC")),
    )


def _daemon(fields: dict[str, str]) -> Daemon:
    return Daemon(fields.get("_BOOT_ID", ""), number(fields.get("_PID")) or 0)


def _time(text: bytes) -> int:
    return number(decoded(text)) or 0
