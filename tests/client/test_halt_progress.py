"""What `clinit -k --wait` tells while it waits: how far each group has come, and who still lives."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from answers import answered
from instance import Instance
from programs import RUN, deaf
from terminals import Terminal
from watching import replies

from cltab2systemd.client.progresstext import line, plain_lines
from cltab2systemd.terminal import columns
from lab.node import Node

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

SECOND = 1_000_000
SERVER = {
    "tag": "server", "mode": "respawn", "unit": "clinit-db@server.service", "doing": "stopping",
    "elapsed_usec": 2 * SECOND, "limit_usec": 5 * SECOND, "signal": "SIGINT", "next_signal": "SIGTERM", "says": None,
}  # fmt: skip
DB: dict[str, Any] = {
    "group": "db", "origin": "3", "level": ":::SHUTDOWN:::", "phase": "stopping", "done": 0, "total": 1, "waiting": 1,
    "awaited": [SERVER],
}  # fmt: skip
WEB = {**DB, "group": "web", "awaited": [{**SERVER, "tag": "nginx", "signal": None}]}
HALT = {"done": 1, "total": 3, "groups": [DB, WEB]}
LOST = {"action": "apply", "phase": "disconnected", "done": 0, "total": 0, "groups": []}
SLOW = "db 3 -> halt: stopping, 0 of 1 done: server (respawn) 3s after SIGINT, SIGTERM in 2s"

TABLE = f"""\
db:server:3:respawn:{deaf("INT", "TERM")}
web:slow:3:respawn:{deaf("INT")}
web:quick:3:respawn:{RUN}
"""


@pytest.mark.parametrize(
    ("halt", "width", "expected"),
    [
        (HALT, 130, f"halt: 1 of 3 groups are stopped: {SLOW}; also web"),
        (HALT, 119, f"halt: 1 of 3 groups are stopped: {SLOW}"),
        (HALT, 90, f"1/3 {SLOW}"),
        (HALT, 79, "1/3 db 3 -> halt: stopping, 0 of 1 done: server 3s after SIGINT, SIGTERM in 2s"),
        (HALT, 40, "1/3 db halt: 0/1 server SIGTERM 2s"),
        (HALT, 19, "1/3 server"),
        (HALT, 3, "se…"),
        ({**HALT, "total": 20}, 150, f"halt: 1 of 20 groups are stopped: {SLOW}; also 18 more groups"),
        ({**HALT, "total": 1, "done": 0, "groups": [DB]}, 150, SLOW),
        ({**HALT, "groups": []}, 79, "halt: 1 of 3 groups are stopped"),
        ({**HALT, "groups": []}, 20, "halt 1/3"),
        ({**HALT, "done": 3, "groups": []}, 79, "halt: all groups are stopped; the daemon ends"),
        ({**HALT, "action": "apply"}, 119, f"apply: 1 of 3 groups are done: {SLOW}"),
        ({**HALT, "action": "apply", "groups": []}, 20, "apply 1/3"),
        (LOST, 79, "apply: the daemon has gone away; waiting for the next one"),
        (LOST, 40, "apply 0/0"),
    ],
)  # fmt: skip
def test_the_line(halt: dict[str, Any], width: int, expected: str) -> None:
    """One second after it came, it has the longest form that fits: the groups, who lives, which signal comes next."""
    assert expected == line(halt, 1.0, width)
    assert columns(line(halt, 1.0, width)) <= width


def test_plain_lines() -> None:
    """What stays has a line for each group, and one for the count of the groups."""
    assert [
        ("", "halt: 1 of 3 groups are stopped"),
        ("db", "db 3 -> halt: stopping, 0 of 1 done: server (respawn) has SIGINT, SIGTERM in 3s"),
        ("web", "web 3 -> halt: stopping, 0 of 1 done: nginx (respawn), SIGTERM in 3s"),
    ] == [(subject, text) for subject, _, text in plain_lines(HALT, 0.0)]
    told = "apply: the daemon has gone away; waiting for the next one"
    assert [("", told)] == [(subject, text) for subject, _, text in plain_lines(LOST, 0.0)]


# On a node


def start(node: Node) -> Instance:
    """Start a daemon, and take two groups that are slow to stop to level 3, until their shells have set their traps."""
    instance = Instance(node)
    instance.write_table(TABLE)
    instance.start()
    for group in ("db", "web"):
        assert instance.clinit("--wait", group, "3").returncode == 0
    instance.await_deaf("clinit-db@server.service", "INT", "TERM")
    instance.await_deaf("clinit-web@slow.service", "INT")
    return instance


class Halted(NamedTuple):
    """What a client on a terminal and one in a pipe have told of a halt."""

    code: int
    left: str
    frames: list[str]
    piped: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def halt(project_layer: Path) -> Iterator[Future[Halted]]:
    """A halt that takes its time, on a node of its own."""
    with Node("halt", layers=[project_layer]) as node, ThreadPoolExecutor() as pool:
        instance = start(node)

        def follow() -> Halted:
            with Terminal(node, "clinit", "-k", "--wait", columns=160) as terminal:
                piped = instance.clinit("-k", "--wait")
                return Halted(terminal.ended(), terminal.left, terminal.frames, piped)

        yield pool.submit(follow)


@pytest.mark.usefixtures("halt")  # which lasts as long
def test_giving_up(node: Node) -> None:
    """When the time is up, or at Ctrl-C, what was still waited for is told; the halt goes on, as varlink tells."""
    instance = start(node)
    late = instance.clinit("-k", "--wait", "--timeout", "1.5", "--progress", "none")
    with Terminal(node, "clinit", "-k", "--wait", columns=160) as terminal:
        terminal.wait_for("db 3 -> halt: stopping")
        terminal.type("\x03")
        assert 130 == terminal.ended()
    found = [reply["parameters"] for reply in replies(node, "Halt", progress=True)]

    waited = "clinit: not there yet: halt: 0 of 2 groups are stopped: db 3 -> halt: .* after SIGINT, SIGTERM in .*\n"
    assert 5 == late.returncode
    assert re.fullmatch(f"{waited}clinit: timed out; .*\n", late.stderr)
    assert re.fullmatch(f"{waited}clinit: interrupted; .*\n", terminal.left)
    assert ("all groups halting", "all groups halted") == (found[0]["message"], found[-1]["message"])
    halts = [reply["halt"] for reply in found[1:-1]]
    assert [(0, 2), (1, 2)] == [*dict.fromkeys((halt["done"], halt["total"]) for halt in halts)]
    assert ["db", "web"] == [group["group"] for group in halts[0]["groups"]]
    assert ["db"] == [group["group"] for group in halts[-1]["groups"]]


def test_on_a_terminal_and_in_a_pipe(halt: Future[Halted]) -> None:
    """A terminal has one line in place, and nothing is left of it. Else there is a line for each change."""
    code, left, frames, piped = halt.result()

    assert (0, "") == (code, left)
    server = "db 3 -> halt: stopping, 0 of 1 done: server (respawn)"
    assert f"halt: 0 of 2 groups are stopped: {server} 3s after SIGINT, SIGTERM in 2s; also web" in frames
    assert f"halt: 1 of 2 groups are stopped: {server} 8s after SIGTERM, SIGKILL in 2s" in frames
    answered(piped, code=0, out="")
    told = [text.removeprefix("clinit: ") for text in piped.stderr.splitlines()]
    assert "halt: 0 of 2 groups are stopped" == told[0]
    stages = [re.sub(", (SIG|given up ).*", "", text) for text in told if "server" in text]
    all_stages = [f"{server} has {signal}" for signal in ("SIGINT", "SIGTERM", "SIGKILL")]
    assert stages in (all_stages, all_stages[:-1])  # the last one lasts a moment
    assert "halt: 1 of 2 groups are stopped" in told
    assert len(told) == len(set(told))
