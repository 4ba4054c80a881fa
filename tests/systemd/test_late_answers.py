"""A question to systemd that is under way when a daemon-reload begins: it holds up nobody for long, and is not lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from answers import answered
from underway import GENERATOR

from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

# Seconds that a daemon-reload takes.
LONG = 3.0
COUNTED = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo ran >>/run/ran'\n"
# The question is on its way, in dbus' hands, when the reload begins: systemctl has a connection of its own. Over the
# private socket the signal of the reload is there, and not heard.
SCRIPT = """
import asyncio, json, os, signal, subprocess, time
from cltab2systemd.systemd.bus import Bus
from cltab2systemd.systemd.buserrors import BusError, BusUnansweredError

async def tick(ticks):
    while True:
        ticks.append(time.monotonic())
        await asyncio.sleep(0.01)

def longest(ticks):
    return max(after - before for before, after in zip(ticks, ticks[1:]))

async def main():
    bus, opened, ticks = Bus(), [], []
    bus.follow(lambda unit: None, lambda: None, lambda: opened.append(os.path.exists("/run/reloading")))
    if {is_private}:
        bus._gate.somebody_begins = lambda: None
        subprocess.run(["systemctl", "stop", "dbus.socket", "dbus.service"], check=True)
    await bus.connect()
    if not {is_private}:
        dbus = int(subprocess.check_output(["systemctl", "show", "--property=MainPID", "--value", "dbus.service"]))
        os.kill(dbus, signal.SIGSTOP)
    open("/run/slow", "w").write("3\\n")
    reload = subprocess.Popen(["systemctl", "daemon-reload"])
    while not os.path.exists("/run/reloading"):
        time.sleep(0.01)  # signals are not taken meanwhile
    ticker = asyncio.create_task(tick(ticks))
    await asyncio.sleep(0)
    asked = time.monotonic()
    if not {is_private}:
        asyncio.get_running_loop().call_later(0.1, os.kill, dbus, signal.SIGCONT)
    told, late = "", []
    bus._gate.answer_is_late = lambda close=bus._gate.answer_is_late: (late.append(1), close())
    try:
        {step}
    except BusError as error:
        told = str(error)
    took = time.monotonic() - asked
    os.unlink("/run/slow")
    subprocess.run(["systemctl", "start", "dbus.socket"], check=True)
    bus.restarts("counted.service")
    print(json.dumps([longest(ticks), took, told, len(late), opened]))
    bus.close()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def prepared(node: Node) -> Node:
    """Daemon-reloads can be slow; and there is a service that notes each of its runs."""
    node.write("/run/systemd/system-generators/slow", GENERATOR, mode=0o755)
    node.write("/run/systemd/system/counted.service", COUNTED)
    node.run("systemctl", "daemon-reload")
    return node


def performed(node: Node, step: str, *, is_private: bool) -> Any:
    """Perform a step whose first question is under way during a reload.

    Returns:
        How long other tasks of the loop had to wait, and the step, in seconds; what it raised; and whether systemd was
        reloading, for each time that it was said that it answers again.
    """
    blocked, took, told, late, opened = json.loads(
        node.run("python3", "-c", SCRIPT.format(step=step, is_private=is_private)).stdout
    )
    assert 1 == late
    return blocked, took, told, opened


@pytest.mark.parametrize("is_private", [False, True], ids=["over dbus", "over the private socket"])
def test_a_question_that_a_signal_interrupts(prepared: Node, *, is_private: bool) -> None:
    """It has been asked, so its answer comes late; systemd has refused nothing."""
    alarm = "signal.signal(signal.SIGALRM, lambda *_: None); signal.setitimer(signal.ITIMER_REAL, 0.05)"
    question = 'await bus.persist(lambda: bus.list_units(["counted.service"]))'
    _, took, told, _ = performed(prepared, f"{alarm}; {question}", is_private=is_private)

    assert took > LONG / 2
    assert not told


@pytest.mark.parametrize("is_private", [False, True], ids=["over dbus", "over the private socket"])
@pytest.mark.parametrize(
    "question",
    ['list_units(["counted.service"])', 'reset_failed("-.mount")'],
    ids=["answered", "answered without content"],
)
def test_a_question(prepared: Node, question: str, *, is_private: bool) -> None:
    """It is asked again behind the reload; meanwhile the loop turns. An empty answer is told from no message at all."""
    blocked, took, told, opened = performed(
        prepared, f"await bus.persist(lambda: bus.{question})", is_private=is_private
    )

    assert blocked < LONG / 2
    assert took > LONG / 2
    assert not told
    assert opened
    assert not any(opened)


@pytest.mark.parametrize("is_private", [False, True], ids=["over dbus", "over the private socket"])
def test_a_job(prepared: Node, *, is_private: bool) -> None:
    """It is asked for once, though the answer is late: what it starts may have ended by then, and would run again."""
    prepared.write("/run/ran", "")
    blocked, took, told, _ = performed(
        prepared, 'await bus.order(lambda: bus.start("counted.service"))', is_private=is_private
    )
    wait_until(lambda: prepared.read("/run/ran"))
    prepared.run("systemctl", "start", "other.target", check=False)  # whatever is queued before it has been looked at

    assert blocked < LONG / 2
    assert took > LONG / 2
    assert not told
    assert "ran\n" == prepared.read("/run/ran")


@pytest.mark.parametrize("is_private", [False, True], ids=["over dbus", "over the private socket"])
def test_a_job_that_is_refused(prepared: Node, *, is_private: bool) -> None:
    """The late answer may be an error, in systemd's words."""
    blocked, _, told, _ = performed(
        prepared, 'await bus.order(lambda: bus.start("missing.service"))', is_private=is_private
    )

    assert blocked < LONG / 2
    assert "Unit missing.service not found." == told


def test_a_question_that_takes_long_each_time(prepared: Node) -> None:
    """It is not asked in vain for ever: the limit grows for it."""
    script = """
import asyncio
from cltab2systemd.systemd.bus import Bus

async def main():
    bus = Bus(answer_time=0.05)
    await bus.connect()
    names = await bus.persist(lambda: bus.list_units([*["*a*a*b"] * 10_000, "-.mount"]))
    print([unit.name for unit in names])
    bus.close()

asyncio.run(main())
"""
    prepared.run("systemd-run", f"--unit={'a' * 100}", "sleep", "1000")  # it takes long to see that no glob matches
    answered(prepared.run("python3", "-c", script), code=0, out="['-.mount']\n")
