"""What `clinit --apply` tells while it waits: how many groups are done, and what is waited for."""

from __future__ import annotations

import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

import pytest
from answers import answered
from programs import deaf
from survivor import Survivor
from watching import progress_of, replies

from cltab2systemd.client.progresstext import line
from cltab2systemd.client.requests import Client
from cltab2systemd.client.updates import UnfinishedError
from lab.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from lab.node import Node

TABLE = f"""\
db:server:3:respawn:{deaf("INT")}
web:slow:3:respawn:{deaf("INT")}
"""
COUNT = "apply: 0 of 2 groups are done"
STOPPING = "db 3: stopping, 0 of 1 done: server (respawn)"


@pytest.fixture
def machine(fresh_node: Node) -> Survivor:
    """Two groups whose new lines take seconds, for their programs are slow to stop."""
    machine = Survivor(fresh_node, TABLE).start()
    for group in ("db", "web"):
        assert machine.clinit("--wait", group, "3").returncode == 0
    machine.await_deaf("clinit-db@server.service", "INT")
    machine.await_deaf("clinit-web@slow.service", "INT")
    machine.write_table(TABLE.replace("respawn:", "respawn:: new; "))
    return machine


def test_in_a_pipe(machine: Survivor) -> None:
    """There is a line for each change, of the groups together and of each."""
    done = machine.clinit("--apply", "--progress", "plain")

    answered(done, code=0, out="db 3 DONE\n  server  restarted\nweb 3 DONE\n  slow  restarted\n")
    told = [text.removeprefix("clinit: ") for text in done.stderr.splitlines()]
    assert told[0] == COUNT
    assert any(text.startswith(f"{STOPPING} has SIGINT, SIGTERM in ") for text in told)
    assert any(text.startswith("web 3: stopping, 0 of 1 done: slow (respawn) has SIGINT") for text in told)


def test_the_time_is_up(machine: Survivor) -> None:
    """What was still waited for is told; and varlink tells how far it has come to whoever asks for that as well."""
    late = machine.clinit("--apply", "--timeout", "1.5", "--progress", "none")
    found = replies(machine.node, "Apply", progress=True)

    answered(late, code=5, out="")
    waited = rf"clinit: not there yet: {COUNT}: {re.escape(STOPPING)} \ds after SIGINT, SIGTERM in \ds; also web\n"
    assert re.match(waited, late.stderr)
    assert [reply["parameters"]["message"] for reply in (found[0], found[-1])] == ["apply begun", "apply done"]
    assert all("groups" in progress and progress["total"] == 2 for progress in progress_of(found))


def test_the_daemon_is_killed(machine: Survivor) -> None:
    """That is told, and the next one is asked, and told of."""
    running = machine.node.popen("clinit", "--apply", "--progress", "plain", stdout=PIPE, stderr=PIPE)
    wait_until(lambda: "deactivating" in machine.properties("clinit-db@server.service", "ActiveState").values())
    machine.kill_and_await()
    out, err = running.communicate(timeout=60)

    assert running.returncode == 0
    assert out.decode().splitlines()[0] == "db 3 DONE"
    assert "clinit: apply: the daemon has gone away; waiting for the next one\n" in err.decode()


def begun(group: str, **more: str) -> dict[str, Any]:
    """What the daemon tells of an update that it has begun, or refused."""
    return {"group": group, "changes": [], **more}


DB, WEB, GONE = begun("db", level="3"), begun("web", level="3"), begun("gone")
REFUSED = begun("mail", level="1", error="no", code="no")


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([WEB], ["web 3: is under way"]),
        ([DB, REFUSED, GONE], ["apply: 0 of 3 groups are done: db 3: is under way; also 2 more groups"]),
        ([GONE, DB], ["apply: 0 of 2 groups are done: gone -> halt: is under way; also db"]),
        ([WEB, *(begun(f"g{number}", level="1") for number in range(9))],
         ["apply: 0 of 10 groups are done: web 3: is under way; also 9 more groups"]),
        ([REFUSED], []),
    ],
)  # fmt: skip
def test_the_time_is_up_at_once(tmp_path: Path, groups: list[dict[str, Any]], expected: list[str]) -> None:
    """Groups are named of which the daemon has told that it has begun with them, and no more yet."""
    answer = {"parameters": {"message": "apply begun", "groups": groups}, "continues": True}
    told: list[dict[str, Any]] = []
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor() as pool:
        listener.bind(path)
        listener.listen()
        client = pool.submit(Client(str(tmp_path / "cltab"), path).apply, 2.0, on_progress=told.append)
        with listener.accept()[0] as daemon:
            daemon.sendall(json.dumps(answer).encode() + b"\0")
            assert isinstance(client.exception(), UnfinishedError)
    assert expected == [line(news, 0.0) for news in told]
