"""The daemon's lines in the real journal: their fields, what explains them, and that none is lost."""

from __future__ import annotations

import json
import logging
import socket
from typing import TYPE_CHECKING, Any

import pytest
from answers import answered
from programs import RUN
from shipped import SERVICE, Shipped
from underway import held

from cltab2systemd import events
from cltab2systemd.daemon import journal
from lab.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from lab.node import Node

TABLE = f"web:config:3:test:test -d /srv/www\nweb:server:34:respawn:{RUN}\nmail:m:1:wait:sleep 100\nmail:o:2:off:\n"
BAD = TABLE.replace("respawn", "respwan")


@pytest.fixture(scope="module")
def shipped(node: Node) -> Shipped:
    """The daemon as it is shipped; the catalog as systemd's own trigger makes it."""
    shipped = Shipped(node)
    shipped.write_table(TABLE)
    node.run("journalctl", "--update-catalog")
    return shipped.start()


def lines(node: Node, *matches: str) -> list[dict[str, Any]]:
    """The entries of the journal that match, the oldest first."""
    node.run("journalctl", "--sync")
    shown = node.run("journalctl", "--quiet", "--output=json", "--all", *matches).stdout
    return [json.loads(line) for line in shown.splitlines()]


def requests(node: Node, group: str) -> dict[str, list[dict[str, Any]]]:
    """The lines of each request for a group, by its id, in order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in lines(node, f"CLINIT_GROUP={group}"):
        if "CLINIT_REQUEST" in line:
            found.setdefault(line["CLINIT_REQUEST"], []).append(line)
    return found


def last(node: Node, group: str) -> list[dict[str, Any]]:
    """The lines of the latest request for a group."""
    return list(requests(node, group).values())[-1]


def fields(line: dict[str, Any]) -> dict[str, Any]:
    """Our fields of a line that are always the same."""
    unsure = ("CLINIT_REQUEST", "CLINIT_DURATION_USEC", "CLINIT_ASKED_PID", "CLINIT_ASKED_COMMAND")
    return {name: value for name, value in line.items() if name.startswith("CLINIT_") and name not in unsure}


def test_a_request_that_fails(shipped: Shipped) -> None:
    """It has a line when it begins, one when it ends, and one for each reason; all have its id."""
    node = shipped.node
    shipped.clinit("--wait", "web", "4")
    assert shipped.clinit("--wait", "web", "3").returncode == 4
    begin, end, reason = last(node, "web")
    asked = {
        "CLINIT_INSTANCE": "system", "CLINIT_GROUP": "web", "CLINIT_LEVEL": "3", "CLINIT_FROM": "4",
        "CLINIT_UNIT": "clinit-web@3.target", "CLINIT_ASKED_BY": "client", "CLINIT_ASKED_UID": "0",
    }  # fmt: skip

    assert begin["MESSAGE"] == "web: going to level 3"
    assert (begin["MESSAGE_ID"], begin["PRIORITY"]) == (events.REQUESTED.message_id, "6")
    assert fields(begin) == asked
    assert begin["CLINIT_ASKED_COMMAND"] == "clinit --wait web 3"
    assert int(begin["CLINIT_ASKED_PID"]) > 1
    assert "CLINIT_DURATION_USEC" not in begin
    assert end["MESSAGE"] == "web: level 3 FAILED"
    assert (end["MESSAGE_ID"], end["PRIORITY"]) == (events.FAILED.message_id, "3")
    assert fields(end) == {**asked, "CLINIT_STATE": "FAILED"}
    assert 0 < int(end["CLINIT_DURATION_USEC"]) < 60_000_000
    assert reason["MESSAGE"] == "web: config (test) exited with 1: test -d /srv/www"
    assert (reason["MESSAGE_ID"], reason["PRIORITY"]) == (events.NOT_WELL.message_id, "3")
    assert fields(reason) == {
        "CLINIT_INSTANCE": "system", "CLINIT_GROUP": "web", "CLINIT_LEVEL": "3", "CLINIT_STATE": "FAILED",
        "CLINIT_ENTRY": "config", "CLINIT_MODE": "test", "CLINIT_UNIT": "clinit-web@config.service",
        "CLINIT_REASON": "test-failed",
    }  # fmt: skip
    for line in (begin, end, reason):
        assert line["_SYSTEMD_UNIT"] == SERVICE
        assert line["SYSLOG_IDENTIFIER"] == "clinit"
        assert line["_HOSTNAME"]


def test_a_unit_shows_what_we_say_of_it(shipped: Shipped) -> None:
    """The reason is among the lines of the entry's unit, and the request among those of its level's target."""
    node = shipped.node
    shipped.clinit("--wait", "web", "3")
    node.run("journalctl", "--sync")
    shown = node.run("systemctl", "status", "--full", "clinit-web@config", check=False).stdout

    assert "web: config (test) exited with 1: test -d /srv/www" in shown
    assert "web: config (test) exited with 1" in node.journal("clinit-web@config.service")
    assert "web: going to level 3" in node.journal("clinit-web@3.target")
    assert "web: going to level 3" in node.journal(SERVICE)


def test_requests_that_are_refused_and_superseded(shipped: Shipped) -> None:
    """Each has one line at its end, with the code; one that is not begun with has that line only."""
    node = shipped.node
    answered(shipped.clinit("mail", "1"), code=0)
    answered(shipped.clinit("--wait", "mail", "2"), code=0)
    begin, end = list(requests(node, "mail").values())[-2]
    assert (begin["CLINIT_LEVEL"], begin["MESSAGE_ID"]) == ("1", events.REQUESTED.message_id)
    assert (end["CLINIT_REASON"], end["MESSAGE_ID"]) == ("later-request", events.SUPERSEDED.message_id)

    assert shipped.clinit("--strict", "mail", "nowhere").returncode == 1
    (rejected,) = last(node, "mail")
    assert (rejected["CLINIT_REASON"], rejected["PRIORITY"]) == ("unnamed-level", "4")
    assert rejected["CLINIT_ASKED_COMMAND"] == "clinit --strict mail nowhere"
    assert shipped.clinit("nobody", "1").returncode == 1
    assert [line["CLINIT_REASON"] for line in last(node, "nobody")] == ["no-such-group"]
    shipped.write_table(BAD)
    assert shipped.clinit("mail", "1").returncode == 1
    assert [line["CLINIT_REASON"] for line in last(node, "mail")] == ["table-refused"]
    shipped.write_table(TABLE)

    node.run("systemctl", "mask", "clinitgate-mail@m.service")
    assert shipped.clinit("mail", "1").returncode == 1
    begin, end, *others = last(node, "mail")
    node.run("systemctl", "unmask", "clinitgate-mail@m.service")
    assert (end["CLINIT_REASON"], end["MESSAGE_ID"]) == ("bad-unit", events.REFUSED.message_id)
    assert others == []


def test_who_else_moves_a_group(shipped: Shipped) -> None:
    """A table without the group, a halt, and a daemon that goes on are told as such."""
    node = shipped.node
    shipped.clinit("--wait", "web", "4")
    shipped.write_table("".join(line for line in TABLE.splitlines(keepends=True) if line.startswith("mail")))
    shipped.clinit()
    wait_until(lambda: "web" not in shipped.clstat())
    begin, end = last(node, "web")
    assert (begin["CLINIT_ASKED_BY"], begin["MESSAGE"]) == ("table", "web: left the table, stopping")
    assert begin["CLINIT_ASKED_UID"] == "0"
    assert (end["MESSAGE"], end["MESSAGE_ID"]) == ("web: stopped", events.STOPPED.message_id)

    shipped.write_table(TABLE)
    shipped.clinit("--wait", "web", "4")
    answered(shipped.clinit("-k", "--wait"), code=0)
    begin, end = last(node, "web")
    assert (begin["CLINIT_ASKED_BY"], begin["MESSAGE_ID"]) == ("halt", events.HALTING.message_id)
    assert begin["CLINIT_ASKED_COMMAND"] == "clinit -k --wait"
    (began,) = lines(node, f"MESSAGE_ID={events.HALT_BEGINS.message_id}")
    (ended,) = lines(node, f"MESSAGE_ID={events.HALT_ENDED.message_id}")
    assert began["CLINIT_REQUEST"] == ended["CLINIT_REQUEST"]
    assert int(ended["CLINIT_DURATION_USEC"]) > 0
    assert ended["_SYSTEMD_UNIT"] == SERVICE, "the last line before the daemon ends"
    shipped.start()


def test_the_journal_explains_each_line(shipped: Shipped) -> None:
    """`journalctl -x` has our text, with the values of the line; the catalog has each kind."""
    node = shipped.node
    shipped.clinit("--wait", "web", "3")
    node.run("journalctl", "--sync")
    shown = node.run("journalctl", "-x", "--quiet", f"MESSAGE_ID={events.FAILED.message_id}").stdout
    listed = node.run("journalctl", "--list-catalog").stdout

    assert "Subject: Group web is FAILED at level 3" in shown
    assert "clinit --wait web 3" in shown
    assert "man:clinit(8)" in shown
    assert {event.message_id for event in events.EVENTS.values()} <= {line.split()[0] for line in listed.splitlines()}


def test_the_end_while_journald_is_stuck(fresh_node: Node) -> None:
    """Lines that journald reads after the daemon has ended are still found as the daemon's."""
    shipped = Shipped(fresh_node)
    shipped.write_table(TABLE)
    shipped.start()
    shipped.clinit("--wait", "web", "4")
    with held(fresh_node, "systemd-journald.service"):
        answered(shipped.clinit("-k", "--wait", timeout=30), code=0)

    wait_until(lambda: "all groups are halted" in fresh_node.journal(SERVICE), timeout=20)


# In this process


def test_a_datagram_holds_any_text(tmp_path: Path) -> None:
    """A value of several lines, and bytes that are not UTF-8, come as they are; one that is too long is cut.

    In the message, which is for people, what a terminal would obey is spelt out; a traceback has its lines.
    """

    def fail() -> None:
        raise ValueError("a\nb\x1b" + "é" * journal.LONGEST_VALUE)

    try:
        fail()
    except ValueError:
        record = events.REFUSED.record(trace=True, group="w\udcff", level="1\n2", why="a\nb")
    record.levelno = logging.ERROR
    datagram = journal.JournalFormatter("clinit.service").datagram(record)
    name, _, rest = datagram.partition(b"\n")
    length = int.from_bytes(rest[:8], "little")
    value = rest[8 : 8 + length]

    assert name == b"MESSAGE"
    assert value.startswith(b"w\xff: a\\x0ab\n  Traceback (most recent call last):\n    File ")
    assert b"\n  ValueError: a\n  b\\x1b\xc3\xa9" in value
    assert value.endswith("é…".encode())
    assert len(value) <= journal.LONGEST_VALUE + 3
    assert rest[8 + length :].startswith(b"\nPRIORITY=3\nSYSLOG_IDENTIFIER=clinit\n")
    assert b"\nCLINIT_GROUP=w\xff\nCLINIT_LEVEL\n\x03\0\0\0\0\0\0\x001\n2\n" in rest
    assert datagram.endswith(b"\nOBJECT_SYSTEMD_UNIT=clinit.service\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "socket"))
        monkeyed = pytest.MonkeyPatch()
        monkeyed.setattr(journal, "_SOCKET", str(tmp_path / "socket"))
        assert journal.Journal()(datagram) == len(datagram)
        monkeyed.undo()
        assert listener.recv(1 << 20) == datagram
