"""Faults that take long by themselves: what ignores all signals but SIGKILL, and a PID 1 that gives no answer."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from answers import answered
from instance import Group
from programs import RUN, deaf
from survivor import Survivor

from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

# Seconds after the end of a fault in which all has to be as it should.
PROMPT = 2.0


def test_an_entry_that_ignores_signals(fresh_node: Node) -> None:
    """What ignores SIGINT and SIGTERM is killed after 15 s, `--wait` says that it is done, and no unit has failed."""
    instance = Survivor(fresh_node, f"deaf:d:1:respawn:{deaf('INT', 'TERM')}\n").start()
    answered(instance.clinit("--wait", "deaf", "1"), code=0)
    began = time.monotonic()
    answered(instance.clinit("--wait", "deaf", "0"), code=0)
    took = time.monotonic() - began

    assert 15 <= took
    assert 15 <= Group(instance, "deaf").took("0") < 15 + PROMPT
    assert fresh_node.run("systemctl", "--failed", "--plain", "--no-legend").stdout == ""


def test_systemd_gives_no_answer(fresh_node: Node) -> None:
    """Heartbeat and watchdog go on while PID 1 is away for 10 s; it costs a request that time, and no more."""
    table = f"web:a:1:respawn:{RUN}\n"
    instance = Survivor(fresh_node, table + "web:b:2:test:false\n").start()
    answered(instance.clinit("--wait", "web", "1"), code=0)
    instance.write_table(table + "web:b:2:test:sleep 0.10; false\n")
    began = time.monotonic()
    answered(instance.clinit("--wait", "web", "2"), code=4)
    usual = time.monotonic() - began
    answered(instance.clinit("--wait", "web", "1"), code=0)
    instance.write_table(table + "web:b:2:test:sleep 0.1; false\n")
    clstat = fresh_node.path("/run/clinit/clstat")
    before = clstat.stat().st_mtime
    time.sleep(max(0.0, before + 29 - time.time()))  # as late as no heartbeat can have been
    os.kill(fresh_node.pid, signal.SIGSTOP)
    client = fresh_node.popen("clinit", "--wait", "web", "2")
    time.sleep(10)  # the fault itself
    os.kill(fresh_node.pid, signal.SIGCONT)
    end = time.monotonic()
    gap = wait_until(lambda: clstat.stat().st_mtime - before)
    wait_until(lambda: instance.clstat()["web"] == "2 FAILED")
    assert client.wait(20) == 4

    # The backlog of PID 1 may take as long again.
    assert time.monotonic() - end < 2 * usual + PROMPT / 2
    assert gap < 39  # a heartbeat comes after 30 to 34 s
    assert instance.restarts == 0
