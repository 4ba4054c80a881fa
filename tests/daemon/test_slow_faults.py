"""Faults that take long by themselves: what ignores all signals but SIGKILL, and a PID 1 that gives no answer."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from altered import alter
from answers import answered
from instance import Group
from programs import RUN, deaf
from survivor import Survivor

from lab.node import Node
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

# Seconds after the end of a fault in which all has to be as it should.
PROMPT = 2.0
# Seconds between two heartbeats of the daemon whose systemd gives no answer.
HEARTBEAT = 5.0


@pytest.fixture(scope="module")
def stop_of_a_deaf_one(project_layer: Path) -> Iterator[tuple[Survivor, Future[float]]]:
    """Give a daemon that stops what ignores SIGINT and SIGTERM, and how many seconds a client waits for that."""
    with Node("deaf", layers=[project_layer]) as node, ThreadPoolExecutor() as pool:
        instance = Survivor(node, f"deaf:d:1:respawn:{deaf('INT', 'TERM')}\n").start()
        answered(instance.clinit("--wait", "deaf", "1"), code=0)
        instance.await_deaf("clinit-deaf@d.service", "INT", "TERM")

        def stop() -> float:
            began = time.monotonic()
            answered(instance.clinit("--wait", "deaf", "0"), code=0)
            return time.monotonic() - began

        yield instance, pool.submit(stop)


@pytest.mark.usefixtures("stop_of_a_deaf_one")  # which lasts as long
def test_systemd_gives_no_answer(fresh_node: Node) -> None:
    """Heartbeat and watchdog go on while PID 1 is away for 10 s; it costs a request that time, and no more."""
    alter(fresh_node, "cltab2systemd.daemon.statusfile", "\nHEARTBEAT = 30.0\n", f"\nHEARTBEAT = {HEARTBEAT}\n")
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
    time.sleep(max(0.0, before + HEARTBEAT - 1 - time.time()))  # as late as no heartbeat can have been
    os.kill(fresh_node.pid, signal.SIGSTOP)
    away = time.monotonic()
    client = fresh_node.popen("clinit", "--wait", "web", "2")
    gap = wait_until(lambda: clstat.stat().st_mtime - before)
    time.sleep(away + 10 - time.monotonic())  # the fault itself
    os.kill(fresh_node.pid, signal.SIGCONT)
    end = time.monotonic()
    wait_until(lambda: instance.clstat()["web"] == "2 FAILED")
    assert client.wait(20) == 4

    # The backlog of PID 1 may take as long again.
    assert time.monotonic() - end < 2 * usual + PROMPT / 2
    assert gap < HEARTBEAT + 9  # a heartbeat comes up to 4 s later
    assert instance.restarts == 0


def test_an_entry_that_ignores_signals(stop_of_a_deaf_one: tuple[Survivor, Future[float]]) -> None:
    """What ignores SIGINT and SIGTERM is killed after 15 s, `--wait` says that it is done, and no unit has failed."""
    instance, stop = stop_of_a_deaf_one
    took = stop.result()

    assert 15 <= took
    assert 15 <= Group(instance, "deaf").took("0") < 15 + PROMPT
    assert instance.node.run("systemctl", "--failed", "--plain", "--no-legend").stdout == ""
