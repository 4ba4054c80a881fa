"""The requests of the past: from lines of the journal, and from the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from programs import RUN
from shipped import Shipped

from cltab2systemd import events, exportformat
from cltab2systemd.events import KINDS
from cltab2systemd.reports import history
from cltab2systemd.reports.history import Daemon, Outcome, PastRequest, Purpose
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from lab.node import Node

BEGIN = {
    "__REALTIME_TIMESTAMP": "1764158400000000", "__MONOTONIC_TIMESTAMP": "9", "_PID": "5", "_BOOT_ID": "b1",
    "_HOSTNAME": "n1", "MESSAGE_ID": events.REQUESTED.message_id,
    "CLINIT_INSTANCE": "system", "CLINIT_GROUP": "web", "CLINIT_LEVEL": "3", "CLINIT_FROM": "2", "CLINIT_REQUEST": "a1",
    "CLINIT_ASKED_BY": "client", "CLINIT_ASKED_UID": "0", "CLINIT_ASKED_PID": "77",
    "CLINIT_ASKED_COMMAND": "clinit web 3",
}  # fmt: skip
END = {
    **BEGIN, "__REALTIME_TIMESTAMP": "1764158402000000", "MESSAGE_ID": events.DONE.message_id, "CLINIT_STATE": "DONE",
    "CLINIT_DURATION_USEC": "1900000", "MESSAGE": "web: level 3 DONE",
    "OBJECT_SYSTEMD_UNIT": "clinit-web@3.target",
}  # fmt: skip
OPEN = PastRequest(
    "a1", "web", "3", 1764158400000000, "2", "client", 0, 77, "clinit web 3", "n1", "system",
    daemon=Daemon("b1", 5), told_at=9,
)  # fmt: skip
# Another daemon, and what it says when it is up.
NEXT = {"__REALTIME_TIMESTAMP": "1764158409000000", "_PID": "6", "_BOOT_ID": "b1", "CLINIT_INSTANCE": "system"}
SERVING = {**NEXT, "MESSAGE_ID": events.SERVING.message_id}
# A restart of two entries.
RESTART = {
    name: value for name, value in BEGIN.items() if name != "CLINIT_FROM"
} | {"MESSAGE_ID": events.RESTARTED_BY_HAND.message_id, "CLINIT_ACTION": "restart"}  # fmt: skip
RESTARTED = {
    **RESTART, "MESSAGE_ID": events.ACTION_ENDED.message_id, "CLINIT_STATE": "FAILED", "CLINIT_DURATION_USEC": "5",
}  # fmt: skip


def records(*lines: dict[str, str]) -> list[dict[bytes, bytes]]:
    return [{encoded(name): encoded(value) for name, value in line.items()} for line in lines]


def read(*lines: dict[str, str]) -> list[PastRequest]:
    return history.requests(records(*lines), KINDS)


def outcomes(*lines: dict[str, str]) -> list[tuple[str, Outcome]]:
    return [(request.id, request.outcome) for request in read(*lines)]


def test_a_request_is_open_until_it_ends() -> None:
    """Begin and end are one record, also with others between them; without its end it is open."""
    other = {**BEGIN, "CLINIT_REQUEST": "b2", "CLINIT_GROUP": "mail"}
    first, second = read(BEGIN, other, END)

    assert read(BEGIN) == [OPEN]
    assert first.outcome is Outcome.DONE
    assert (first.state, first.duration, first.text) == ("DONE", 1_900_000, "web: level 3 DONE")
    assert (first.began_at, first.command) == (OPEN.began_at, OPEN.command)
    assert (second.group, second.outcome) == ("mail", Outcome.OPEN)


def test_an_end_alone_tells_all() -> None:
    """The journal may have dropped the line that began it; one that is refused at once never had any."""
    refused = {**BEGIN, "MESSAGE_ID": events.REJECTED.message_id, "CLINIT_REASON": "bad-level"}
    (ended,) = read(END)
    (rejected,) = read(refused)

    assert (ended.began_at, ended.uid, ended.origin) == (1764158400100000, 0, "2")
    assert (rejected.outcome, rejected.reason, rejected.duration) == (Outcome.REFUSED, "bad-level", None)


def test_every_kind_of_end() -> None:
    """Each has its outcome."""
    kinds = {
        events.FAILED: Outcome.FAILED, events.STOPPED: Outcome.STOPPED, events.REFUSED: Outcome.REFUSED,
        events.SUPERSEDED: Outcome.SUPERSEDED,
    }  # fmt: skip
    for event, outcome in kinds.items():
        assert read({**END, "MESSAGE_ID": event.message_id})[0].outcome is outcome


def test_single_entries() -> None:
    """All entries of a request are one record, at the level that the group stays at; each end has its outcome."""
    begin = [{**RESTART, "CLINIT_ENTRY": tag} for tag in ("a", "b")]
    end = [{**RESTARTED, "CLINIT_ENTRY": tag} for tag in ("a", "b")]
    (failed,), (alone,), (still,) = read(*begin, *end), read(*end), read(*begin)

    for each in (failed, alone, still):
        assert (each.purpose, each.entries) == (Purpose.RESTART, ("a", "b"))
        assert (each.origin, each.level) == ("3", "")
    assert (failed.outcome, failed.state, failed.duration) == (Outcome.FAILED, "FAILED", 5)
    assert (alone.outcome, still.outcome) == (Outcome.FAILED, Outcome.OPEN)
    stop = {**RESTARTED, "CLINIT_ACTION": "stop"}
    assert read(stop)[0].outcome is Outcome.DONE, "that is why the group is FAILED"
    for event, outcome in ((events.ACTION_SUPERSEDED, Outcome.SUPERSEDED), (events.ACTION_REFUSED, Outcome.REFUSED)):
        assert read({**stop, "MESSAGE_ID": event.message_id})[0].outcome is outcome


def test_a_daemon_that_ends_before_its_request() -> None:
    """Any line of a later daemon of the instance tells that; its own requests go on."""
    resumed = {**BEGIN, **NEXT, "MESSAGE_ID": events.RESUMED.message_id, "CLINIT_REQUEST": "b2"}
    restart = {**RESTART, "CLINIT_ENTRY": "a", "CLINIT_REQUEST": "c3", "CLINIT_GROUP": "mail"}
    rebooted = {**SERVING, "_PID": "5", "_BOOT_ID": "b2"}
    other = {**SERVING, "CLINIT_INSTANCE": "other"}

    assert outcomes(BEGIN, restart, SERVING) == [("a1", Outcome.GIVEN_UP), ("c3", Outcome.GIVEN_UP)]
    assert outcomes(BEGIN, rebooted) == [("a1", Outcome.GIVEN_UP)]
    assert outcomes(BEGIN, other) == [("a1", Outcome.OPEN)]
    assert outcomes(BEGIN, resumed, SERVING) == [("a1", Outcome.GIVEN_UP), ("b2", Outcome.OPEN)]
    assert outcomes(BEGIN, END, SERVING) == [("a1", Outcome.DONE)]
    assert outcomes(SERVING | {"_PID": "5"}, BEGIN) == [("a1", Outcome.OPEN)]


def test_an_end_that_is_lost() -> None:
    """A later request for the group shows that it is over, and lines that are lost that it may be; its end tells."""
    later = {**BEGIN, "CLINIT_REQUEST": "b2"}
    lost = {**SERVING, "_PID": "5", "MESSAGE_ID": events.LINES_LOST.message_id}
    superseded = {**END, "MESSAGE_ID": events.SUPERSEDED.message_id}

    assert outcomes(BEGIN, later) == [("a1", Outcome.UNKNOWN), ("b2", Outcome.OPEN)]
    assert outcomes(BEGIN, later, superseded) == [("a1", Outcome.SUPERSEDED), ("b2", Outcome.OPEN)]
    assert outcomes(BEGIN, lost) == [("a1", Outcome.UNKNOWN)]
    assert outcomes(BEGIN, lost, END, SERVING) == [("a1", Outcome.DONE)]
    assert outcomes(BEGIN, {**later, "CLINIT_GROUP": "mail"})[0] == ("a1", Outcome.OPEN)


def test_the_latest() -> None:
    """So many as are wanted, each whole, and no line more is read than that takes; those up to a time."""
    lines = [
        {**RESTART, "CLINIT_REQUEST": str(number), "CLINIT_ENTRY": tag, "__REALTIME_TIMESTAMP": str(number)}
        for number in (3, 2, 1)
        for tag in ("b", "a")
    ]
    left = iter(records(*lines))
    found = history.latest(left, KINDS, 1)

    assert [(request.id, request.entries) for request in found] == [("3", ("a", "b"))]
    assert len([*left]) == 3
    assert [request.id for request in history.latest(records(*lines), KINDS, None)] == ["1", "2", "3"]
    assert [request.id for request in history.latest(records(*lines), KINDS, 1, until=2)] == ["2"]
    assert history.latest(records(*lines), KINDS, 1, until=0) == []


def test_lines_that_are_none_of_ours() -> None:
    """Reasons, and changes that nobody asked for, are passed over; odd values are no harm."""
    reason = {**END, "MESSAGE_ID": events.NOT_WELL.message_id}
    by_itself = {name: value for name, value in END.items() if name != "CLINIT_REQUEST"}
    odd = {
        **BEGIN, "CLINIT_GROUP": "caf\udce9", "_PID": "x", "CLINIT_ASKED_UID": "9" * 40, "CLINIT_ASKED_PID": "-1",
    }  # fmt: skip
    (found,) = read({}, reason, by_itself, odd)

    assert (found.group, found.uid, found.pid) == ("caf\udce9", None, None)


def test_the_real_journal(fresh_node: Node) -> None:
    """What was asked for is found in its order, by the matches that are given."""
    shipped = Shipped(fresh_node)
    shipped.write_table(f"web:a:1:test:false\nweb:b:2:respawn:{RUN}\n")
    shipped.start()
    for level in ("2", "1"):
        shipped.clinit("--wait", "web", level)
    shipped.clinit("nobody", "1")
    fresh_node.run("journalctl", "--sync")
    options = ("--quiet", "--output=export", "--all")
    exported = fresh_node.run_bytes("journalctl", *options, *history.matches(KINDS, "system")).stdout
    found = history.requests(exportformat.records(iter([exported])), KINDS)

    assert [(each.group, each.origin, each.level, each.outcome) for each in found] == [
        ("web", None, "2", Outcome.DONE),
        ("web", "2", "1", Outcome.FAILED),
        ("nobody", None, "1", Outcome.REFUSED),
    ]
    assert [each.uid for each in found] == [0, 0, 0]
    assert found[0].command.endswith("clinit --wait web 2")
    assert found[2].reason == events.NO_SUCH_GROUP
