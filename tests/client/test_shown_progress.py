"""What `clinit --wait` tells while it waits: the text, and what is seen of it on terminals and in pipes."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from altered import alter
from answers import answered
from hypothesis import given
from hypothesis import strategies as st
from instance import Group, Instance
from programs import RUN, deaf
from terminals import Terminal

from cltab2systemd.client.progress import change, details, line, plain
from cltab2systemd.terminal import columns
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

SECOND = 1_000_000
WIDTHS = (120, 80, 20)
WAYS = ("none", "plain", "tty")
INTERRUPTED = "clinit: interrupted; a switch that has begun goes on (see 'clinitctl status')\n"


def entry(tag: str = "migrate", mode: str = "wait", **other: object) -> dict[str, Any]:
    """An object of type Awaited."""
    nothing = {"elapsed_usec": None, "limit_usec": None, "signal": None, "next_signal": None, "says": None}
    return {"tag": tag, "mode": mode, "unit": f"clinit-web@{tag}.service", "doing": "starting", **nothing, **other}


def at(phase: str, done: int = 0, total: int = 0, *awaited: dict[str, Any], **other: object) -> dict[str, Any]:
    """An object of type Progress."""
    start = {"group": "web", "origin": "2", "level": "3", "phase": phase, "done": done, "total": total}
    return {**start, "waiting": len(awaited), "awaited": [*awaited], **other}


STARTING = at("starting", 3, 10, entry(elapsed_usec=12 * SECOND, limit_usec=30 * SECOND, says="half of it"))
STOPPING = at(
    "stopping", 1, 4,
    entry("db", "respawn", doing="stopping", elapsed_usec=2 * SECOND, limit_usec=5 * SECOND, signal="SIGINT",
          next_signal="SIGTERM"),
    entry("app", "respawn", doing="stopping", elapsed_usec=SECOND, signal="SIGINT"),
    entry("数据库", "once", doing="queued"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("progress", "width", "expected"),
    [
        (STARTING, 119, "web 2 -> 3: starting, 3 of 10 done: migrate (wait) 13s of 30s, says: half of it"),
        (STARTING, 70, "web 2 -> 3: starting, 3 of 10 done: migrate (wait) 13s of 30s"),
        (STARTING, 60, "web 2 -> 3: starting, 3 of 10 done: migrate 13s of 30s"),
        (STARTING, 50, "web 3: starting 3/10: migrate 13s of 30s"),
        (STARTING, 30, "web 3: 3/10 migrate 13s"),
        (STARTING, 19, "3/10 migra… 13s"),
        (STARTING, 12, "mig… 13s"),
        (STARTING, 5, "migr…"),
        (STOPPING, 119,
         "web 2 -> 3: stopping, 1 of 4 done: db (respawn) 3s after SIGINT, SIGTERM in 2s; also app, 数据库"),
        (STOPPING, 95, "web 2 -> 3: stopping, 1 of 4 done: db (respawn) 3s after SIGINT, SIGTERM in 2s, and 2 more"),
        (STOPPING, 79, "web 2 -> 3: stopping, 1 of 4 done: db 3s after SIGINT, SIGTERM in 2s"),
        (STOPPING, 40, "web 3: stopping 1/4: db SIGTERM 2s"),
        (STOPPING, 19, "1/4 db SIGTERM 2s"),
        (at("loading"), 79, "web 2 -> 3: systemd loads its new units"),
        (at("loading"), 19, "web 3: loading"),
        (at("loading"), 10, "loading"),
        (at("waiting", origin=None), 79, "web -> 3: is being prepared"),
        (at("settling", 3, 3), 79, "web 2 -> 3: all is done, and settles"),
        (at("disconnected", origin=None), 79, "web -> 3: the daemon has gone away; waiting for the next one"),
        (at("starting", 0, 2, entry(doing="queued")), 79,
         "web 2 -> 3: starting, 0 of 2 done: migrate (wait) waits for its turn"),
        (at("stopping", 0, 1, entry(doing="stopping", elapsed_usec=0, limit_usec=5 * SECOND, signal="SIGKILL")), 79,
         "web 2 -> 3: stopping, 0 of 1 done: migrate 1s after SIGKILL, given up in 4s"),
        (at("stopping", level=None), 79, "web 2 -> none: stopping"),
        (at("stopping", level=":::SHUTDOWN:::"), 79, "web 2 -> halt: stopping"),
    ],
)  # fmt: skip
def test_the_line(progress: dict[str, Any], width: int, expected: str) -> None:
    """One second after it came, each has the longest form that fits into the columns."""
    assert expected == line(progress, 1.0, width)


@given(
    name=st.text(max_size=300),
    level=st.none() | st.text(max_size=300),
    says=st.none() | st.text(max_size=300),
    width=st.integers(1, 300),
    phase=st.sampled_from(["waiting", "stopping", "loading", "starting", "settling", "of a later version"]),
    doing=st.sampled_from(["queued", "starting", "stopping", "of a later version"]),
    elapsed=st.none() | st.integers(0, 2**64),
    limit=st.none() | st.integers(0, 2**64),
)
def test_any_names_fit(**drawn: Any) -> None:
    """Whatever names there are, a line fits, is one line, and has nothing that a terminal obeys."""
    level = drawn["level"]
    told = entry(
        drawn["name"], says=drawn["says"], doing=drawn["doing"],
        elapsed_usec=drawn["elapsed"], limit_usec=drawn["limit"],
    )  # fmt: skip
    progress = at(drawn["phase"], 1, 2, told, group=drawn["name"], level=level, origin=level, waiting=20)

    text = line(progress, 0.5, drawn["width"])

    assert columns(text) <= drawn["width"]
    assert text.isprintable()
    assert plain(progress).isprintable()


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (STARTING, "web 2 -> 3: starting, 3 of 10 done: migrate (wait), at most 30s"),
        (at("starting", 0, 1, entry(elapsed_usec=0)), "web 2 -> 3: starting, 0 of 1 done: migrate (wait)"),
        (STOPPING, "web 2 -> 3: stopping, 1 of 4 done: db (respawn) has SIGINT, SIGTERM in 3s, and 2 more"),
        (at("loading"), "web 2 -> 3: systemd loads its new units"),
    ],
)
def test_the_plain_line(progress: dict[str, Any], expected: str) -> None:
    """A line that stays has no clock."""
    assert expected == plain(progress)


def test_at_length() -> None:
    """Each entry that is waited for has its clock, and there is no limit to the columns."""
    assert [
        "web 2 -> 3: stopping, 1 of 4 done: db (respawn) 2s after SIGINT, SIGTERM in 3s",
        "app (respawn) 1s after SIGINT",
        "数据库 (once) waits for its turn", "and 2 more",
    ] == details({**STOPPING, "waiting": 5})  # fmt: skip
    assert ["web 2 -> 3: systemd loads its new units"] == details(at("loading"))
    assert "web 2 -> 3: starting, 3 of 10 done: migrate (wait) 12s of 30s, says: half of it" == line(STARTING, 0.0)


def test_at_the_same_level() -> None:
    """Entries that are restarted there, or a level that is repaired, have no way; and none of a few may be counted."""
    told = entry(elapsed_usec=SECOND, limit_usec=90 * SECOND)
    found = at("restarting", 1, 2, told, origin="3")

    assert "web 3: restarting, 1 of 2 done: migrate (wait) 1s of 1min 30s" == line(found, 0.0, 79)
    uncounted = at("stopping", 0, 0, told)
    assert ["web 2 -> 3: stopping: migrate (wait) 1s of 1min 30s", "web 3: stopping: migrate 1s"] == [
        line(uncounted, 0.0, width) for width in (79, 30)
    ]


def test_what_is_a_change() -> None:
    """Time alone, and what a service says, is none; another signal, or another entry, is one."""
    later, signalled, next_one = (copy.deepcopy(STOPPING) for _ in range(3))
    later["awaited"][0] |= {"elapsed_usec": 4 * SECOND, "says": "bye"}
    signalled["awaited"][0]["signal"] = "SIGTERM"
    next_one["awaited"].pop(0)

    assert change(STOPPING) == change(later)
    assert 3 == len({change(STOPPING), change(signalled), change(next_one)})


# On a node


def slow(group: Group) -> None:
    """A group whose way from level 1 to 2 takes a stop of three stages, and a wait and a test of a second each."""
    group.define(
        f"old:1:respawn:{deaf('INT', 'TERM')}", "init:2:wait:sleep 1", f"app:2:respawn:{RUN}", "t:2:test:sleep 1"
    )
    limit = f":::service.{group.name}.init:TimeoutStartSec=30\n"
    group.instance.table += limit
    group.instance.write_table(group.instance.table)
    group.switch("1")
    group.instance.await_deaf(group.unit("old"), "INT", "TERM")


class Drawn(NamedTuple):
    """What a terminal has shown of a switch of a group, and with which exit code that ended."""

    group: str
    code: int
    left: str
    frames: list[str]


@pytest.fixture(scope="module")
def drawn(shared: Instance) -> dict[int, Drawn]:
    """What terminals of some widths have shown of a slow switch, by the width; side by side, each of its own group."""

    def draw(group: Group, width: int) -> Drawn:
        with Terminal(group.node, "clinit", "--wait", group.name, "2", columns=width) as terminal:
            return Drawn(group.name, terminal.ended(), terminal.left, terminal.frames)

    groups = [Group(shared) for _ in WIDTHS]
    for group in groups:
        slow(group)
    with ThreadPoolExecutor() as pool:
        return dict(zip(WIDTHS, pool.map(draw, groups, WIDTHS), strict=True))


@pytest.mark.parametrize("width", WIDTHS)
def test_in_place(drawn: dict[int, Drawn], width: int) -> None:
    """A terminal has one line in place: each stage with its clock, at its width; the end leaves just the outcome."""
    group, code, left, frames = drawn[width]

    assert (0, f"{group} 2 DONE\n") == (code, left)
    assert all(columns(frame) < width for frame in frames)
    assert {"SIGTERM", "SIGKILL"} <= {word for frame in frames for word in frame.split()}
    assert any("init" in frame or f"0/3 {group}" in frame for frame in frames)
    if width == 120:
        start = f"{group} 1 -> 2: "
        assert f"{start}stopping, 0 of 1 done: {group}.old (respawn) 3s after SIGINT, SIGTERM in 2s" in frames
        assert f"{start}stopping, 0 of 1 done: {group}.old (respawn) 8s after SIGTERM, SIGKILL in 2s" in frames
        assert f"{start}starting, 0 of 3 done: {group}.init (wait) 0s of 30s" in frames
        assert f"{start}starting, 2 of 3 done: {group}.t (test) 0s" in frames


def test_a_quick_switch_is_silent(group: Group) -> None:
    """What takes less than 0.5 s shows nothing, not even for a moment."""
    group.define(f"app:1:respawn:{RUN}")

    def was_quick() -> bool:
        group.switch("2")
        with Terminal(group.node, "clinit", "--wait", group.name, "1") as terminal:
            assert 0 == terminal.ended()
        assert terminal.took >= 0.5 or f"{group.name} 1 DONE\r\n" == terminal.output
        return terminal.took < 0.5

    wait_until(was_quick, timeout=120, what="the switch takes less than 0.5 s")


def test_another_width_meanwhile(group: Group) -> None:
    """When the terminal changes its width, the next line fits."""
    group.define("init:1:wait:sleep 30")
    with Terminal(group.node, "clinit", "--wait", group.name, "1", columns=120) as terminal:
        terminal.wait_for("starting, 0 of 1 done")
        terminal.resize(24)
        terminal.wait_for(" 1: 0/1 ")
        assert columns(terminal.frames[-1]) < 24
    group.switch("2")


def test_ctrl_c(group: Group) -> None:
    """Ctrl-C ends the watching, not the switch: says so, leaves no line, has exit code 130, and no traceback."""
    group.define("init:1:wait:sleep 3")
    with Terminal(group.node, "clinit", "--wait", group.name, "1") as terminal:
        terminal.wait_for("starting")
        terminal.type("\x03")
        code = terminal.ended()

    waited = rf"clinit: not there yet: {group.name} -> 1: starting, 0 of 1 done: {group.name}\.init \(wait\) \d+s\n"
    assert 130 == code
    assert re.fullmatch(waited + re.escape(INTERRUPTED), terminal.left), terminal.output
    group.wait_for("1 DONE")


class GaveUp(NamedTuple):
    """A client that gave up waiting for a group, and when it began and ended to wait, in seconds."""

    group: Group
    done: subprocess.CompletedProcess[str]
    asked: float
    ended: float


@pytest.fixture(scope="module")
def gave_up(shared: Instance) -> dict[str, GaveUp]:
    """Clients that gave up, by how they show progress; side by side, each of its own group."""

    def give_up(group: Group, how: str) -> GaveUp:
        asked = time.monotonic()
        done = group.instance.clinit("--wait", "--timeout", "3.1", "--progress", how, group.name, "1")
        return GaveUp(group, done, asked, time.monotonic())

    groups = [Group(shared) for _ in WAYS]
    for group in groups:
        group.define("init:1:wait:true", "slow:1:wait:sleep 7")
        shared.table += f":::service.{group.name}.slow:TimeoutStartSec=90\n"
        shared.write_table(shared.table)
    with ThreadPoolExecutor() as pool:
        return dict(zip(WAYS, pool.map(give_up, groups, WAYS), strict=True))


@pytest.mark.parametrize("how", WAYS)
def test_giving_up(gave_up: dict[str, GaveUp], how: str) -> None:
    """When the time is up, what is still waited for is told: the entry, since when, its limit; and that it goes on."""
    group, done, asked, ended = gave_up[how]

    answered(done, code=5, out="")
    told = "".join(done.stderr.splitlines(keepends=True)[-2:]).rpartition("\x1b[J")[2]
    waited = rf"{group.name} -> 1: starting, 1 of 2 done: {group.name}\.slow \(wait\) (\d+)s of 1min 30s"
    goes_on = re.escape("clinit: timed out; what was requested goes on (see 'clinitctl status')")
    found = re.fullmatch(rf"clinit: not there yet: {waited}\n{goes_on}\n", told)
    assert found, done.stderr
    [started] = [began for began, tag in group.starts() if tag == "slow"]
    # Less by what is not a whole second, and by what it takes to hear of the start.
    assert asked + 3.1 - started / SECOND - 2 <= int(found[1]) <= ended - started / SECOND
    group.wait_for("1 DONE")


def test_giving_up_a_slow_stop(group: Group) -> None:
    """The signal that comes next is told, too; and nothing if nothing has been heard."""
    group.define(f"old:1:respawn:{deaf('INT')}", "new:2:wait:true")
    group.switch("1")
    group.instance.await_deaf(group.unit("old"), "INT")
    done = group.instance.clinit("--wait", "--timeout", "1.5", group.name, "2")
    pid = str(group.instance.pid)
    group.node.run("kill", "-STOP", pid)
    try:
        unheard = group.instance.clinit("--wait", "--timeout", "0.3", group.name, "1")
    finally:
        group.node.run("kill", "-CONT", pid)

    stopped = (
        rf"{group.name} 1 -> 2: stopping, 0 of 1 done: {group.name}\.old \(respawn\) \ds after SIGINT, SIGTERM in \ds"
    )
    assert re.search(rf"^clinit: not there yet: {stopped}$", done.stderr, re.MULTILINE)
    doubt = "the daemon has not answered, and may yet do what was requested (see 'clinitctl status')"
    answered(unheard, code=5, out="", err=f"clinit: timed out; {doubt}\n")


def steps(group: Group, told: str) -> list[str]:
    """The plain lines of a switch to level 1, but for what lasts a moment, and is seen or not."""
    start = f"clinit: {group.name} "
    momentary = ("is being prepared", "systemd loads its new units", "waits for its turn", "all is done, and settles")
    lines = told.splitlines()
    assert all(line.startswith(start) for line in lines), told
    return [line.removeprefix(start).removeprefix("-> 1: ") for line in lines if not line.endswith(momentary)]


def test_in_a_pipe(group: Group) -> None:
    """Without a terminal there is nothing before 2 s; then where it stands, and a line for each change, no clock."""
    group.define("a:1:wait:sleep 3", "b:1:test:sleep 1")
    done = group.instance.clinit("-w", group.name, "1")

    assert [
        f"starting, 0 of 2 done: {group.name}.a (wait)", f"starting, 1 of 2 done: {group.name}.b (test)",
    ] == steps(group, done.stderr)  # fmt: skip
    answered(done, code=0, out=f"{group.name} 1 DONE\n")


def test_ten_entries_in_plain_lines(group: Group) -> None:
    """`plain` tells each entry that takes its time from the start on, and nothing twice."""
    group.define(*(f"e{number}:1:wait:sleep 0.4" for number in range(10)))
    done = group.instance.clinit("--wait", "--progress", "plain", group.name, "1")

    lines = done.stderr.splitlines()
    told = [f"starting, {number} of 10 done: {group.name}.e{number} (wait)" for number in range(10)]
    assert told == steps(group, done.stderr)
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize(
    ("arguments", "variable", "lines"),
    [
        ((), "none", 0),
        (("--progress", "none"), "plain", 0),
        ((), "plain", 1),
        (("--progress", "plain"), "none", 1),
        ((), "", 0),
    ],
)
def test_how_it_is_chosen(group: Group, arguments: tuple[str, ...], variable: str, lines: int) -> None:
    """The option counts, and else the variable; the outcome is the same."""
    group.define("a:1:wait:sleep 0.7")
    done = group.node.run("clinit", "-w", *arguments, group.name, "1", env={"CLINIT_PROGRESS": variable})

    answered(done, code=0, out=f"{group.name} 1 DONE\n")
    assert [f"starting, 0 of 1 done: {group.name}.a (wait)"] * lines == steps(group, done.stderr)
    assert bool(lines) == bool(done.stderr)


def test_a_variable_that_is_wrong(group: Group) -> None:
    """A wrong variable is told, and no reason not to switch. A wrong option is wrong usage, and so is one alone."""
    group.define("a:1:wait:true")
    done = group.node.run("clinit", "-w", group.name, "1", env={"CLINIT_PROGRESS": "loud"})
    text = "clinit: CLINIT_PROGRESS is not one of auto, tty, plain, none: 'loud'; it is taken as auto\n"

    answered(done, code=0, out=f"{group.name} 1 DONE\n", err=text)
    answered(group.instance.clinit("-w", "--progress", "loud", group.name, "1"), code=2, out="")
    answered(group.instance.clinit("--progress", "plain", group.name, "1"), code=2, out="")


def test_a_terminal_that_is_dumb(group: Group) -> None:
    """On a terminal that cannot draw in place, there are plain lines."""
    group.define("a:1:wait:sleep 3")
    with Terminal(group.node, "clinit", "--wait", group.name, "1", env={"TERM": "dumb"}) as terminal:
        assert 0 == terminal.ended()

    assert "\x1b" not in terminal.output
    told, outcome, rest = terminal.output.partition(f"{group.name} 1 DONE\r\n")
    assert [f"starting, 0 of 1 done: {group.name}.a (wait)"] == steps(group, told)
    assert (bool(outcome), rest) == (True, "")


@pytest.mark.parametrize("how", ["plain", "tty"])
def test_a_reader_that_has_gone(group: Group, how: str) -> None:
    """If nobody reads the standard error, the waiting goes on, and output and exit code tell the outcome."""
    group.define("a:1:wait:sleep 1", "t:1:test:false")
    script = (
        f"clinit --wait --progress {how} {group.name} 1 2>&1 >/tmp/out | true; echo ${{PIPESTATUS[0]}}; cat /tmp/out"
    )
    done = group.node.run("bash", "-c", script)

    answered(done, code=0, out=f"4\n{group.name} 1 FAILED\n", err="")


def test_a_reader_that_does_not_read(group: Group) -> None:
    """A pipe that nobody empties holds nothing up."""
    group.define("a:1:wait:sleep 2")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b"x" * 65536)
    except BlockingIOError:
        os.set_blocking(writing, True)
    with group.node.popen(
        "clinit", "--wait", "--progress", "plain", group.name, "1", stdout=subprocess.PIPE, stderr=writing
    ) as program:
        output, _ = program.communicate(timeout=60)
    os.close(reading)
    os.close(writing)

    assert (0, f"{group.name} 1 DONE\n") == (program.returncode, output.decode())


def test_in_the_background(group: Group) -> None:
    """In the background of a terminal it draws nothing, and is not stopped, even with `stty tostop`."""
    group.define("a:1:wait:sleep 2")
    script = f"stty tostop; clinit --wait {group.name} 1 >/tmp/background & wait; cat /tmp/background"
    with Terminal(group.node, "bash", "-mc", script) as terminal:
        assert 0 == terminal.ended()

    assert f"{group.name} 1 DONE" == terminal.output.splitlines()[-1]
    assert "\x1b" not in terminal.output
    assert "Stopped" not in terminal.output


def test_a_switch_that_fails(group: Group) -> None:
    """The reasons come on lines of their own, when the line in place is gone."""
    group.define("a:1:wait:sleep 1", "t:1:test:false")
    with Terminal(group.node, "clinit", "--wait", group.name, "1") as terminal:
        code = terminal.ended()

    assert 4 == code
    assert terminal.left.startswith(f"{group.name} 1 FAILED\n{group.name}: {group.name}.t (test) exited with 1: false")


def test_a_switch_that_is_superseded(group: Group) -> None:
    """Another request takes over: the line is gone, and the error says so."""
    group.define("a:1:wait:sleep 60")
    with Terminal(group.node, "clinit", "--wait", group.name, "1") as terminal:
        terminal.wait_for("starting")
        group.instance.clinit(group.name, "2")
        code = terminal.ended()

    assert (6, f"clinit: a later request is to take {group.name} to level 2\n") == (code, terminal.left)


def test_a_switch_that_is_refused(group: Group) -> None:
    """What is refused is refused, and nothing is drawn."""
    group.define("a:1:wait:true")
    with Terminal(group.node, "clinit", "--wait", "--strict", group.name, "9") as terminal:
        code = terminal.ended()

    assert 1 == code
    assert [] == terminal.frames


def test_odd_names(group: Group) -> None:
    """Names in Chinese are cut by their columns, and what a terminal would obey is spelt out."""
    odd = Group(group.instance, "数据库服务器集群")
    odd.define("初始化:一:wait:sleep 2")
    with Terminal(group.node, "clinit", "--wait", odd.name, "一", columns=30) as terminal:
        assert 0 == terminal.ended()

    assert terminal.frames
    assert all(columns(frame) < 30 for frame in terminal.frames)
    assert f"{odd.name} 一 DONE\n" == terminal.left


def test_a_daemon_that_is_killed(fresh_node: Node) -> None:
    """While the daemon is away, the line says so; the next one tells how far it is, and then the outcome."""
    instance = Instance(fresh_node)
    instance.write_table("web:a:1:wait:sleep 6\nweb:b:1:wait:sleep 1\n")
    instance.start()
    with Terminal(fresh_node, "clinit", "--wait", "web", "1", columns=100) as terminal:
        terminal.wait_for("a (wait)")
        instance.kill()
        terminal.wait_for("the daemon has gone away")
        instance.start()
        code = terminal.ended()

    assert (0, "web 1 DONE\n") == (code, terminal.left)
    after = terminal.output.partition("gone away")[2]
    assert "web -> 1: starting, 1 of 2 done: b (wait)" in after


def test_a_daemon_that_tells_no_progress(fresh_node: Node) -> None:
    """A daemon of an older version leaves the flag alone: there is no progress, and the outcome as ever."""
    instance = Instance(fresh_node)
    instance.write_table("web:a:1:wait:sleep 3\n")
    alter(fresh_node, "cltab2systemd.daemon.service", 'call.flag("progress")', "False")
    instance.start()
    done = instance.clinit("-w", "web", "1")

    answered(done, code=0, out="web 1 DONE\n", err="")


def test_programs_are_told(group: Group) -> None:
    """A program in Python may have a callback, and clocks of its own."""
    group.define("a:1:wait:sleep 1")
    script = (
        "import sys; from cltab2systemd.client import Client\n"
        "seen, ticks = [], []\n"
        "state = Client().wait(sys.argv[1], '1', on_progress=seen.append, on_tick=lambda: ticks.append(1))\n"
        "first = next(on for on in seen if on['awaited'])\n"
        "print(state, first['phase'], first['awaited'][0]['mode'], len(ticks) > 1)\n"
    )
    done = group.node.run("python3", "-c", script, group.name)

    answered(done, code=0, out="DONE starting wait True\n", err="")
