"""`clinitctl history`: who asked for what, what came of it, and that nobody else can write it."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from answers import answered
from click.testing import CliRunner
from programs import RUN
from shipped import Shipped

from cltab2systemd import events, journalctl
from cltab2systemd.operators import history
from lab.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from lab.node import Node

# Written by anybody who likes, as a datagram to the journal.
FORGERY = """
import socket
fields = {fields}
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(
    "".join(f"{{name}}={{value}}\\n" for name, value in fields.items()).encode(), "/run/systemd/journal/socket")
"""


# A journalctl whose journal has a hundred requests that are read at once, and more that take long.
ENDLESS = """
import sys, time
for number in range(99, -1, -1) if "--reverse" in sys.argv else range(100):
    print(f"__REALTIME_TIMESTAMP={{number + 1}}\\nMESSAGE_ID={event}\\nCLINIT_REQUEST={{number}}\\nCLINIT_GROUP=web\\n"
          f"CLINIT_LEVEL={{number}}\\n", flush=True)
time.sleep(1000)
"""


@pytest.fixture(scope="module")
def shipped(node: Node) -> Shipped:
    """A daemon that was asked by several users for good and for bad."""
    shipped = Shipped(node)
    node.shell("useradd --groups clinit alice; useradd --groups systemd-journal reader; useradd stranger")
    shipped.write_table(f"web:a:12:respawn:{RUN}\nweb:b:2:test:false\nmail:c:1:once:true\n数:d:1:once:true\n".encode())
    shipped.start()
    shipped.clinit("--wait", "web", "1")
    node.run("clinit", "--wait", "web", "2", user="alice", check=False)
    shipped.clinit("--wait", "web", "1")
    shipped.clinit("--wait", "mail", "1")
    shipped.clinit("--wait", "数", "1")
    shipped.clinit("--strict", "web", "nosuch")
    wait_until(lambda: len(requests(node)) == 6, what="the journal has all requests")
    return shipped


def requests(node: Node, *arguments: str) -> list[dict[str, Any]]:
    done = node.run("clinitctl", "history", "--json", *arguments)
    return json.loads(done.stdout)["requests"]  # type: ignore[no-any-return]


def test_who_asked_for_what_and_what_came_of_it(shipped: Shipped) -> None:
    """Each request with who asked, from where to where, its outcome and its time, the last one last."""
    found = requests(shipped.node, "web")

    assert [(each["origin"], each["level"], each["outcome"], each["state"] or each["reason"]) for each in found] == [
        (None, "1", "done", "DONE"),
        ("1", "2", "failed", "FAILED"),
        ("2", "1", "done", "DONE"),
        (None, "nosuch", "refused", "unnamed-level"),  # nothing was begun
    ]
    assert [each["user"] for each in found] == ["root", "alice", "root", "root"]
    assert found[1]["uid"] == int(shipped.node.run("id", "--user", "alice").stdout)
    assert all(each["command"].endswith(f"web {each['level']}") and each["pid"] > 1 for each in found)
    assert {each["node"] for each in found} == {shipped.node.name}
    assert all(0 < each["duration_usec"] < 60e6 for each in found[:3])
    times = [each["began_usec"] for each in found]
    assert times == sorted(times)


def test_as_text(shipped: Shipped) -> None:
    """A line for each, in columns."""
    done = shipped.node.run("clinitctl", "history", "web", "数")

    answered(done, code=0, err="")
    heading, *lines = done.stdout.splitlines()
    assert heading.split() == ["WHEN", "GROUP", "FROM", "TO", "OUTCOME", "TOOK", "BY"]
    assert [line.split()[2:6] for line in lines[:2]] == [["web", "-", "1", "DONE"], ["web", "1", "2", "FAILED"]]
    assert lines[1].split()[-3:] == ["--wait", "web", "2"]
    assert " alice[" in lines[1]
    assert any(line.split()[2:6] == ["数", "-", "1", "DONE"] for line in lines)
    assert "refused (unnamed-level)" in lines[-1]


def test_some_of_them(shipped: Shipped) -> None:
    """By their number, and by time."""
    assert [each["level"] for each in requests(shipped.node, "-n", "1", "web")] == ["nosuch"]
    assert requests(shipped.node, "--since", "2099-01-01") == []
    assert len(requests(shipped.node, "--until", "2099-01-01")) == 6


def test_nothing_is_said_to_be_nothing(shipped: Shipped) -> None:
    """With since when the journal has lines: perhaps it is too young. A program has a list without members."""
    done = shipped.node.run("clinitctl", "history", "no-such-group")
    answered(done, code=0, out="")
    told = r"clinitctl: the journal has no such request; it reaches back to (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\n"
    found = re.fullmatch(told, done.stderr)
    assert found is not None, done.stderr
    assert found[1] <= shipped.node.run("clinitctl", "history").stdout.splitlines()[1][:19]
    answered(shipped.node.run("clinitctl", "history", "--json", "no-such-group"), code=0, err="")


def test_the_last_ones_of_a_long_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are shown, not the first ones, without a look at all of it; also if journalctl takes too long for that."""
    program = tmp_path / "journalctl"
    program.write_text(f"#!{sys.executable} -IS\n{ENDLESS.format(event=events.REQUESTED.message_id)}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(journalctl, "access", lambda: None)
    monkeypatch.setattr(history, "_LONGEST", 1.0)
    found = CliRunner().invoke(history.command, ["--json", "-n", "3"])
    assert found.exit_code == 0
    assert [each["level"] for each in json.loads(found.stdout)["requests"]] == ["97", "98", "99"]

    found = CliRunner().invoke(history.command, ["--json", "-n", "2000"])
    assert found.exit_code == 1
    complaint, document = found.output.split("\n", 1)
    assert complaint == f"clinitctl: {journalctl.TIMED_OUT.text}"
    assert [each["level"] for each in json.loads(document)["requests"]][-2:] == ["98", "99"]


def test_lines_of_others_do_not_count(shipped: Shipped) -> None:
    """Anybody may write to the journal whatever he likes; only root's lines are history."""
    fields = {"MESSAGE": "forged", "MESSAGE_ID": events.DONE.message_id, "CLINIT_GROUP": "web", "CLINIT_LEVEL": "9",
              "CLINIT_REQUEST": "f0", "CLINIT_STATE": "DONE", "CLINIT_INSTANCE": "system"}  # fmt: skip
    shipped.node.run("python3", "-c", FORGERY.format(fields=fields), user="stranger")
    shipped.node.run("journalctl", "--sync")

    assert (
        "forged" in shipped.node.run("journalctl", "--output=cat", f"CLINIT_REQUEST={fields['CLINIT_REQUEST']}").stdout
    )
    assert not [each for each in requests(shipped.node) if each["level"] == "9"]


def test_who_may_read_it(shipped: Shipped) -> None:
    """Members of systemd-journal; others are told that they may not."""
    reader = shipped.node.run("clinitctl", "history", "web", user="reader")
    stranger = shipped.node.run("clinitctl", "history", "web", user="stranger", check=False)

    assert len(reader.stdout.splitlines()) == 5
    answered(stranger, code=1, out="")
    assert "not permitted to read the system's journal" in stranger.stderr
