"""Each reason that the resource agent gives names the entry, as far as anybody knows one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from ocf import DEGRADED, GENERIC, SUCCESS, Resource, no_daemon, node_with_agent
from programs import RUN
from shipped import SERVICE, Shipped

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AWAY = "/run/systemctl.away"
# No level can be started.
REFUSAL = f"""\
case $1 in start) printf 'Failed to start it: No.\\nSee the logs.\\n' >&2; exit 1 ;; esac
exec {AWAY} "$@"
"""
BLOCK = "/run/systemd/system/block.service"
DROP_IN = "/run/systemd/system/clinit-late@late.service.d/10-block.conf"
REASONS = "/run/cltab2systemd/system/reasons"
TABLE = f"""\
web:db:3:respawn:{RUN}
web:app:3m:respawn:{RUN}
bad:good:3:wait:true
bad:wrong:3:test:false
late:late:3:respawn:{RUN}
"""


@pytest.fixture(scope="module")
def shared(project_layer: Path) -> Iterator[Shipped]:
    """The shipped units, started, and a unit that does not come to its end."""
    with node_with_agent("agent-reasons", project_layer, TABLE) as shipped:
        shipped.node.write(BLOCK, "[Service]\nType=oneshot\nExecStart=sleep 1000\n")
        shipped.node.write(DROP_IN, "[Unit]\nAfter=block.service\n")
        shipped.node.run("systemctl", "daemon-reload")
        yield shipped


@pytest.fixture
def shipped(shared: Shipped) -> Iterator[Shipped]:
    """All groups stopped, for each test."""
    yield shared
    for group in shared.clstat():
        shared.clinit("-w", group, "stop")


@contextmanager
def dumb_systemctl(shipped: Shipped, script: str = "exit 1") -> Iterator[None]:
    """Nobody can ask systemd for anything, or for what a script does not pass on."""
    systemctl = shipped.node.run("realpath", "/usr/bin/systemctl").stdout.strip()
    shipped.node.run("mv", systemctl, AWAY)
    shipped.node.write(systemctl, f"#!/bin/sh\n{script}\n", mode=0o755)
    try:
        yield
    finally:
        shipped.node.run("mv", AWAY, systemctl)


def test_an_entry_whose_turn_has_not_come(shipped: Shipped) -> None:
    """Nothing of the group is on its way, for systemd has the entry wait for somebody else."""
    shipped.node.run("systemctl", "start", "--no-block", "block.service")
    late = Resource(shipped, "late")
    try:
        assert late.act("start", timeout=4) == GENERIC
        assert late.reason == "late did not come to level 3 in time; clinit-late@late.service waits for its start"
        assert late.act("monitor", timeout=4) == GENERIC
        assert late.reason == "late is still 3 STARTING; clinit-late@late.service waits for its start"
    finally:
        shipped.node.run("systemctl", "stop", "block.service")
    wait_until(lambda: shipped.clstat()["late"] == "3 DONE")


def test_nothing_is_on_its_way(shipped: Shipped) -> None:
    """The daemon hangs: there is no entry to name, and clinit's word is told."""
    daemon = str(shipped.main_pid(SERVICE))
    shipped.node.run("kill", "-STOP", daemon)
    try:
        web = Resource(shipped)
        assert web.act("start", timeout=5) == GENERIC
        assert web.reason.startswith(
            "web did not come to level 3 in time; nothing of it is on its way: clinit: timed out; "
        )
    finally:
        shipped.node.run("kill", "-CONT", daemon)


def test_nobody_has_noted_why(shipped: Shipped) -> None:
    """Without the daemon's note, systemd says which entry has failed, and how."""
    bad = Resource(shipped, "bad")
    assert bad.act("start") == GENERIC
    assert bad.reason == "bad 3 FAILED: wrong (test) exited with 1: false"
    shipped.node.path(REASONS).unlink()

    assert bad.monitor() == GENERIC
    assert bad.reason == "bad 3 FAILED: clinit-bad@wrong.service exited with 1"


def test_systemd_does_not_say(shipped: Shipped) -> None:
    """The first entry of the level, by the files: nobody says more of it."""
    web, other = Resource(shipped), Resource(shipped, level="m")
    assert web.act("start") == SUCCESS
    with dumb_systemctl(shipped):
        assert web.act("monitor", timeout=4) == GENERIC
        assert web.reason == "systemd does not say whether web is at level 3, and clinit-web@db.service runs"
        assert other.act("monitor", timeout=4) == GENERIC
        assert other.reason == "web is 3 DONE, and systemd does not say what of it runs, as clinit-web@app.service"
    assert web.monitor() in {SUCCESS, DEGRADED}


def test_systemd_does_not_say_whether_it_is_stopped(shipped: Shipped) -> None:
    """A remark about a request that was carried out is no reason, and what has nothing to say is not named."""
    web = Resource(shipped)
    assert web.act("start") == SUCCESS
    with dumb_systemctl(shipped):
        assert web.act("stop", timeout=4) == GENERIC
    assert web.reason == "systemd does not say whether web is stopped"
    assert web.act("start") == SUCCESS
    no_daemon(shipped)
    try:
        with dumb_systemctl(shipped):
            assert web.act("stop", timeout=4) == GENERIC
    finally:
        shipped.node.run("systemctl", "start", SERVICE)
    seen = "systemd does not say whether web is stopped; clinit: no daemon at /run/clinit/clinit.s: "
    assert web.reason.startswith(seen)
    assert "systemctl: " not in web.reason


def test_what_systemctl_says(shipped: Shipped) -> None:
    """Its first line is told, for a reason is one line."""
    web = Resource(shipped)
    assert web.act("start") == SUCCESS
    no_daemon(shipped)
    try:
        with dumb_systemctl(shipped, REFUSAL):
            assert web.act("stop", timeout=4) == GENERIC
    finally:
        shipped.node.run("systemctl", "start", SERVICE)
    assert web.reason.startswith("web is not stopped: clinit-web@db.service runs; clinit: no daemon at ")
    assert web.reason.endswith("; systemctl: Failed to start it: No.")
    assert "See the logs." not in web.said
