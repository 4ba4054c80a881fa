"""`clinitctl watch` on real groups: what a terminal shows, lines and JSON, and daemons that go away."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest
from answers import answered
from instance import IDLE, Group, Instance
from jsondocument import Reader
from jsonschema import Draft202012Validator
from programs import RUN
from terminals import Terminal

from lab.install import PROJECT
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"
CLEAN = "\x1b[?25h\x1b[?1049l"


@pytest.fixture(scope="module")
def instance(node: Node) -> Instance:
    return Instance(node).start()


@pytest.fixture
def group(instance: Instance) -> Group:
    """A group of the test's own."""
    group = Group(instance)
    group.define(f"app:1:respawn:{RUN}", "check:2:test:true; exit 1", "slow:3:wait:sleep 1000", f"late:3:respawn:{RUN}")
    group.switch("1")
    return group


class Watching:
    """A watch of one group that writes into a file of the node."""

    def __init__(self, group: Group, *options: str, user: str | None = None, program: str = "clinitctl") -> None:
        self.node = group.node
        self.path = f"/tmp/watched-{group.name}{''.join(options)}"
        command = f"exec {program} watch {' '.join(options)} {group.name} >{self.path} 2>&1"
        self.process = self.node.popen("sh", "-c", command, user=user)
        wait_until(self.lines, what="the first line")

    def lines(self) -> list[str]:
        return self.node.read(self.path).splitlines() if self.node.exists(self.path) else []

    def wait_for(self, text: str, timeout: float = 10.0) -> None:
        wait_until(lambda: text in "\n".join(self.lines()), what=f"{text!r} in {self.lines()}", timeout=timeout)

    def values(self) -> list[Any]:
        return [json.loads(line) for line in self.lines()]

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        self.node.run("pkill", "-INT", "-x", "clinitctl")
        return self.process.wait(20)


@pytest.fixture
def watching(group: Group) -> Iterator[Watching]:
    found = Watching(group)
    yield found
    if found.process.poll() is None:
        found.interrupt()


def without_times(lines: list[str]) -> list[str]:
    """Lines without their times, which each has to have."""
    assert all(re.match(f"{TIME} ", line) for line in lines), lines
    return [line.split(" ", 1)[1] for line in lines]


def test_a_line_for_each_change(group: Group, watching: Watching) -> None:
    """How it is, then what it comes to, with the reason; nothing else; Ctrl-C ends it quietly."""
    group.switch("2", code=4)
    name = group.name
    failed = f"{name} 2 FAILED: {name}.check (test) exited with 1"
    watching.wait_for(failed)

    assert 130 == watching.interrupt()
    lines = without_times(watching.lines())
    assert (f"{name} 1 DONE", failed) == (lines[0], lines[-1])
    assert {f"{name} 1 STOPPING", f"{name} 2 STARTING", f"{name} 1 DONE", failed} >= {*lines}


def test_a_line_of_json_for_each_change(group: Group) -> None:
    """The same as values, with what varlink has of the reasons."""
    watching = Watching(group, "--json")
    group.switch("2", code=4)
    watching.wait_for("FAILED")

    assert 130 == watching.interrupt()
    first, *_, last = watching.values()
    assert ("group", group.name, "1", "DONE", []) == tuple([*first.values()][1:])
    assert ["time_usec", "event", "group", "level", "state", "reasons"] == [*last]
    assert ["test-failed"] == [reason["code"] for reason in last["reasons"]]
    hold(watching.values())


def hold(values: list[Any]) -> None:
    """Hold values to docs/json.md, and to the schema."""
    reader = Reader("`clinitctl watch --json`")
    schema = json.loads((PROJECT / "docs/schemas/clinitctl-watch.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    for found in values:
        reader.read(found)
        Draft202012Validator(schema).validate(found)


def test_json_of_a_daemon_and_a_group_that_go(group: Group) -> None:
    """Both have a line."""
    watching = Watching(group, "--json")
    group.switch("stop")
    group.instance.kill()
    watching.wait_for('"gone"')
    group.instance.start()
    watching.wait_for('"answers"')
    group.instance.table = group.instance.table.replace(group._lines, "")
    group.instance.write_table(group.instance.table + IDLE)
    group.instance.clinit()
    watching.wait_for('"left"')
    watching.interrupt()

    told = [(value["event"], value["group"], value["state"]) for value in watching.values()]
    assert [("daemon", None, "gone"), ("daemon", None, "answers")] == [one for one in told if one[0] == "daemon"]
    assert ("left", group.name, None) == told[-1]
    hold(watching.values())


def test_a_reader_that_goes_away(group: Group) -> None:
    """It ends, though nothing changes, without a word."""
    done = group.node.shell(f"timeout 30 clinitctl watch {group.name} 2>&1 | head -1; true")

    assert [f"{group.name} 1 DONE"] == without_times(done.stdout.splitlines())
    assert not group.node.run("pgrep", "-x", "clinitctl", check=False).stdout


def test_a_daemon_that_goes_away_and_comes_back(group: Group, watching: Watching) -> None:
    """Both are said; what changed meanwhile is told then."""
    group.instance.kill()
    watching.wait_for("the daemon is gone; what runs goes on")
    group.node.run("systemctl", "stop", group.unit("app"))
    group.instance.start()
    watching.wait_for("does not run: it was stopped")
    watching.interrupt()

    name = group.name
    assert [
        f"{name} 1 DONE", "the daemon is gone; what runs goes on, and is watched again when it is back",
        "the daemon is back", f"{name} 1 FAILED: {name}.app (respawn) does not run: it was stopped",
    ] == without_times(watching.lines())  # fmt: skip


def test_a_daemon_that_hangs(group: Group, watching: Watching) -> None:
    """That is said, though it has answered before; what changes meanwhile is told as systemd says it."""
    pid = str(group.instance.pid)
    group.node.run("kill", "-STOP", pid)
    watching.wait_for("the daemon gives no answer", timeout=20)
    group.node.run("systemctl", "stop", group.unit("app"))
    watching.wait_for("does not run: it was stopped", timeout=30)
    group.node.run("kill", "-CONT", pid)
    watching.wait_for("the daemon is back", timeout=20)
    watching.interrupt()

    name = group.name
    assert [
        f"{name} 1 DONE", "the daemon gives no answer; this is what systemd says",
        f"{name} 1 FAILED: {name}.app (respawn) does not run: it was stopped", "the daemon is back",
    ] == without_times(watching.lines())[:4]  # fmt: skip


def test_no_daemon_from_the_start(fresh_node: Node) -> None:
    """It is waited for, and not started."""
    daemon = Instance(fresh_node)
    daemon.write_table(f"web:a:1:respawn:{RUN}\n")
    process = fresh_node.popen("sh", "-c", "exec clinitctl watch >/run/watched 2>&1")
    wait_until(lambda: "is gone" in fresh_node.shell("cat /run/watched", check=False).stdout, what="it is said")
    daemon.start()
    daemon.clinit("--wait", "web", "1")
    wait_until(lambda: fresh_node.read("/run/watched").endswith(" web 1 DONE\n"), what="the group is seen")
    fresh_node.run("pkill", "-INT", "-x", "clinitctl")
    assert 130 == process.wait(20)


def test_a_group_that_is_not_there(instance: Instance) -> None:
    """That is an error, as for status."""
    done = instance.node.run("clinitctl", "watch", "nobody", check=False)
    answered(done, code=1, out="")
    assert "clinitctl: no such group: nobody" in done.stderr


def test_who_may_not_ask(group: Group) -> None:
    """A user to whom the daemon's socket is closed sees what clstat and systemd say, and each change of it."""
    group.node.shell("id stranger 2>/dev/null || useradd stranger; chmod 600 /run/clinit/clinit.s")
    watching = Watching(group, user="stranger")
    watching.wait_for(f"{group.name} 1 DONE")
    group.switch("2", code=4)
    watching.wait_for(f"{group.name} 2 FAILED: {group.name}.check (test) exited with 1")
    assert 130 == watching.interrupt()
    first, *_ = without_times(watching.lines())
    assert "only root and members of group clinit may ask the daemon; this is what clstat and systemd say" == first


# `clinitctl` if each look has time for the first group only; it notes its looks.
HASTY = """\
#!/usr/bin/python3
from cltab2systemd.operators import present, standalone, watch
from cltab2systemd.operators.main import main
present.WITHIN = standalone.LEAST = 0
def noted(client, groups):
    with open("/tmp/looks", "a") as looks:
        print(*groups, file=looks)
    return present.present(client, groups)
watch.present = noted
main()
"""


def test_what_there_is_no_time_for(instance: Instance, group: Group) -> None:
    """On a busy machine a look has no time for all groups. The rest is as it was, not gone, and is asked about next."""
    other = Group(instance)
    other.define(f"app:1:respawn:{RUN}")
    other.switch("1")
    node = group.node
    node.shell("id stranger 2>/dev/null || useradd stranger; chmod 600 /run/clinit/clinit.s; rm -f /tmp/looks")
    node.write("/tmp/hasty/clinitctl", HASTY, mode=0o755)
    watching = Watching(group, other.name, user="stranger", program="/tmp/hasty/clinitctl")
    watching.wait_for(f"{other.name} 1 DONE")
    watching.wait_for(f"{group.name} 1 DONE")
    group.switch("2", code=4)  # so it is asked about first
    watching.wait_for(f"{group.name} 2 FAILED")
    other.switch("none")
    watching.wait_for(f"{other.name} none DONE")
    wait_until(lambda: node.read("/tmp/looks").splitlines()[-2:] == [f"{other.name} {group.name}", other.name])
    looks = len(node.read("/tmp/looks").splitlines())
    node.run("sleep", "5")
    now = len(node.read("/tmp/looks").splitlines())
    assert 130 == watching.interrupt()

    told = without_times(watching.lines())
    first, *_, last = [line for line in told if other.name in line]
    assert (f"{other.name} 1 DONE", f"{other.name} none DONE") == (first, last)
    assert f"{other.name} is gone" not in told
    assert now - looks <= 2  # clstat may have been written again meanwhile, which it is twice a minute


# On a terminal


def watch(group: Group, *options: str, columns: int = 80, **environment: str) -> Terminal:
    return Terminal(group.node, "clinitctl", "watch", *options, group.name, columns=columns, env=environment)


def screen(terminal: Terminal) -> str:
    """What was drawn last."""
    terminal.shows("")  # reads what there is
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", terminal.output.rpartition("\x1b[H")[2]).replace("\r", "")


def test_the_screen(group: Group) -> None:
    """The status in place, how far the group has come, then what is wrong; Ctrl-C leaves the terminal as it was."""
    with watch(group) as terminal:
        terminal.wait_for(f"{group.name}: level 1 DONE")
        assert terminal.output.startswith("\x1b[?1049h\x1b[?25l")
        group.request("3")
        terminal.wait_for(f"{group.name} 1 -> 3: starting, 0 of 2 done: {group.name}.slow (wait)")
        wait_until(lambda: "starting" in screen(terminal) and "waiting" in screen(terminal))
        group.request("2")
        terminal.wait_for("exited with 1")
        wait_until(lambda: f"{group.name}: level 2 FAILED" in screen(terminal), what="the end on the screen")
        terminal.type("\x03")
        assert 130 == terminal.ended()
    assert terminal.output.endswith(CLEAN)
    assert 1 == terminal.output.count(CLEAN)


def test_a_clock_and_another_size(group: Group) -> None:
    """It goes on counting; a narrower terminal gets narrower lines, none wider than it is."""
    with watch(group) as terminal:
        terminal.wait_for(" for 2s")
        terminal.resize(30)
        wait_until(lambda: "PID" not in screen(terminal), what="the narrower screen")
        assert max(map(len, screen(terminal).splitlines())) <= 30
        assert f"{group.name}: level 1 DONE" in screen(terminal)


def test_terminated(group: Group) -> None:
    """SIGTERM leaves the terminal as it was, too."""
    with watch(group) as terminal:
        terminal.wait_for(f"{group.name}: level 1 DONE")
        group.node.run("pkill", f"-{signal.SIGTERM.value}", "-x", "clinitctl")
        assert 128 + signal.SIGTERM == terminal.ended()
    assert terminal.output.endswith(CLEAN)


def test_cut_to_the_height(instance: Instance) -> None:
    """More groups than lines: how many are how, what is wrong, a line for each that is well, and how many more."""
    groups = [Group(instance) for _ in range(30)]
    for group in groups:
        group.define(f"app:1:respawn:{RUN}", "check:2:test:true; exit 1")
    groups[-1].switch("2", code=4)
    with Terminal(instance.node, "clinitctl", "watch", *(group.name for group in groups)) as terminal:
        terminal.wait_for(": level 2 FAILED")
        wait_until(lambda: "… and " in screen(terminal), what="a whole screen")
        lines = screen(terminal).split("\n")
    headings = [line for line in lines if re.match(r"\S+: ", line) and " groups: " not in line]
    assert " FAILED, " in lines[0]
    assert "level 2 FAILED" in lines[2]
    left = 30 - len(headings)
    assert (24, f"… and {left} more that are well or at no level") == (len(lines), lines[-1])
    assert headings[1:] == lines[-1 - len(headings[1:]) : -1]


def test_a_dumb_terminal(group: Group) -> None:
    """It gets lines."""
    with watch(group, TERM="dumb") as terminal:
        terminal.wait_for(f"{group.name} 1 DONE")
        terminal.type("\x03")
        assert 130 == terminal.ended()
    assert "\x1b" not in terminal.output


def test_the_screen_without_a_daemon(group: Group) -> None:
    """It is said that the daemon is gone, and systemd is asked."""
    with watch(group) as terminal:
        terminal.wait_for(f"{group.name}: level 1 DONE")
        group.instance.kill()
        terminal.wait_for("the daemon is gone; this is what systemd says")
        group.instance.start()
        wait_until(lambda: "is gone" not in screen(terminal), what="it is back")


def test_stopped_and_continued(group: Group) -> None:
    """Ctrl-Z gives the terminal back; fg takes it again, and draws."""
    with watch(group) as terminal:
        terminal.wait_for(f"{group.name}: level 1 DONE")
        group.node.run("pkill", "-TSTP", "-x", "clinitctl")
        wait_until(lambda: terminal.shows(CLEAN), what="the terminal is left")
        seen = len(terminal.output)
        group.node.run("pkill", "-CONT", "-x", "clinitctl")
        wait_until(lambda: f"{group.name}: level 1 DONE" in screen(terminal)[:80] and len(terminal.output) > seen)
        terminal.type("\x03")  # nsenter has stopped too, so that its end is not seen
        wait_until(lambda: screen(terminal) is not None and terminal.output.count(CLEAN) == 2, what="Ctrl-C")
    assert terminal.output[seen:].startswith("\x1b[?1049h\x1b[?25l")
