"""The requests of the past: from lines of the journal, and from the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from programs import RUN
from shipped import Shipped

from cltab2systemd import events, exportformat
from cltab2systemd.events import KINDS
from cltab2systemd.reports import history
from cltab2systemd.reports.history import Outcome, PastRequest
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from lab.node import Node

BEGIN = {
    "__REALTIME_TIMESTAMP": "1764158400000000", "_HOSTNAME": "n1", "MESSAGE_ID": events.REQUESTED.message_id,
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
    "a1", "web", "3", 1764158400000000, "2", "client", 0, 77, "clinit web 3", "n1", "system"
)  # fmt: skip


def read(*lines: dict[str, str]) -> list[PastRequest]:
    return history.requests(({encoded(n): encoded(value) for n, value in line.items()} for line in lines), KINDS)


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


def test_lines_that_are_none_of_ours() -> None:
    """Reasons, and changes that nobody asked for, are passed over; odd values are no harm."""
    reason = {**END, "MESSAGE_ID": events.NOT_WELL.message_id}
    by_itself = {name: value for name, value in END.items() if name != "CLINIT_REQUEST"}
    odd = {
        **BEGIN, "CLINIT_GROUP": "caf\udce9", "CLINIT_ASKED_UID": "9" * 40, "CLINIT_ASKED_PID": "-1",
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
    exported = fresh_node.run_bytes("journalctl", *options, *history.matches(KINDS)).stdout
    found = history.requests(exportformat.records(iter([exported])), KINDS)

    assert [(each.group, each.origin, each.level, each.outcome) for each in found] == [
        ("web", None, "2", Outcome.DONE),
        ("web", "2", "1", Outcome.FAILED),
        ("nobody", None, "1", Outcome.REFUSED),
    ]
    assert [each.uid for each in found] == [0, 0, 0]
    assert found[0].command.endswith("clinit --wait web 2")
    assert found[2].reason == events.NO_SUCH_GROUP
