"""The setting `:::publish:pacemaker`: the daemon has the unit run that tells Pacemaker how the groups are.

There is no Pacemaker on this node, so the unit runs in vain, and says so once. tests/cluster has one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from programs import RUN

from lab.waiting import wait_until

if TYPE_CHECKING:
    from instance import Instance

    from lab.node import Node

UNIT = "clinit-publish.service"
LINES = f"web:a:1:respawn:{RUN}\n"
MARK = "/run/cltab2systemd/system/publishing"
WANTED = f":::publish:pacemaker\n{LINES}"


def state(node: Node) -> str:
    return node.run("systemctl", "is-active", UNIT, check=False).stdout.strip()


def with_table(instance: Instance, table: str) -> tuple[Instance, Node]:
    """The daemon with a table in force, and its node."""
    instance.write_table(table)
    assert instance.clinit().returncode == 0
    return instance, instance.node


def await_state(node: Node, expected: str) -> None:
    wait_until(lambda: state(node) == expected, what=f"{UNIT} {expected}")


def test_the_setting(shared: Instance) -> None:
    """It starts the unit, at a push and at the daemon's start, and stops it when it leaves the table."""
    instance, node = with_table(shared, LINES)
    assert state(node) == "inactive"
    instance.write_table(WANTED)
    assert instance.clinit().returncode == 0
    await_state(node, "active")
    instance.write_table(WANTED.replace("pacemaker", "pacemakr"))
    refused = instance.clinit()
    assert refused.returncode == 1
    assert "'pacemakr' is no value of publish" in refused.stderr
    assert state(node) == "active"
    instance.write_table(LINES)
    assert instance.clinit("--wait", "web", "1").returncode == 0
    await_state(node, "inactive")
    instance.kill()
    instance.write_table(WANTED)
    instance.start()
    await_state(node, "active")
    instance.write_table(LINES)
    assert instance.clinit().returncode == 0
    await_state(node, "inactive")


@pytest.mark.parametrize("signal", ["KILL", "TERM"])
def test_a_line_that_leaves_while_no_daemon_runs(shared: Instance, signal: str) -> None:
    """The next daemon knows that one before it has started the unit, and stops it; not if its table has the line."""
    instance, node = with_table(shared, WANTED)
    await_state(node, "active")
    instance.kill(signal)
    instance.start()
    assert state(node) == "active"
    instance.kill(signal)
    instance.write_table(LINES)
    instance.start()
    await_state(node, "inactive")

    node.run("systemctl", "start", UNIT)
    instance.kill(signal)
    instance.start()
    assert instance.clinit("--wait", "web", "1").returncode == 0
    assert state(node) == "active"
    node.run("systemctl", "stop", UNIT)


def test_a_unit_that_is_enabled(shared: Instance) -> None:
    """It is not the table's to stop, whoever has started it, with a new daemon neither."""
    instance, node = with_table(shared, WANTED)
    await_state(node, "active")
    node.run("systemctl", "enable", "--quiet", UNIT)
    try:
        instance.write_table(LINES)
        assert instance.clinit().returncode == 0
        wait_until(lambda: not node.exists(MARK), what="it is the administrator's")
        assert state(node) == "active"
        with_table(shared, WANTED)
        instance.kill()
        instance.write_table(LINES)
        instance.start()
        wait_until(lambda: not node.exists(MARK), what="it is the administrator's")
        assert state(node) == "active"
    finally:
        node.run("systemctl", "disable", "--now", "--quiet", UNIT)


def test_a_unit_of_the_administrators(shared: Instance) -> None:
    """One that was started by hand goes on, whatever table takes effect without the setting."""
    instance, node = with_table(shared, LINES)
    node.run("systemctl", "start", UNIT)
    instance.write_table(f"# News.\n{LINES}")
    assert instance.clinit().returncode == 0
    instance.write_table(LINES + LINES.replace(":a:", ":b:"))
    assert instance.clinit("--wait", "web", "1").returncode == 0
    assert state(node) == "active"
    node.run("systemctl", "stop", UNIT)


def test_no_such_unit(shared: Instance) -> None:
    """That is said in the log, and changes nothing else."""
    instance, node = with_table(shared, LINES)
    node.run("systemctl", "mask", "--runtime", UNIT)
    try:
        instance.write_table(WANTED)
        assert instance.clinit("--wait", "web", "1").returncode == 0
        wait_until(lambda: f"cannot start or stop {UNIT}" in node.run("journalctl", "--no-pager").stdout)
        with_table(shared, LINES)
        wait_until(lambda: not node.exists(MARK), what="nothing is left to be stopped")
    finally:
        node.run("systemctl", "unmask", "--runtime", UNIT)
