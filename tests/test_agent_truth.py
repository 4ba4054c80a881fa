"""What the resource agent says is so: a stop that failed, what was stopped by hand, a clstat that is not true."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from ocf import DEGRADED, GENERIC, NOT_RUNNING, SUCCESS, Resource, agents_of_debian, no_daemon
from shipped import RUN, SERVICE, Shipped

from lab.node import Node
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUSY, TRIED = "/run/busy", "/run/tried"
TABLE = f"""\
web:init:3:wait:true
web:db:3:respawn:{RUN}
web:app:3:respawn:{RUN}
done:one:3:wait:true
done:two:3:once:true
data:server:prod:respawn:{RUN}
data:wait:stop,:wait:true; exit 3
data:umount:stop,:test:echo again >>{TRIED}; test ! -e {BUSY}
hang:other:prod:respawn:{RUN}
hang:slow:stop,:test:sleep 60
odd-name:a-b:3:respawn:{RUN}
odd-name:c/d:3,rest:respawn:{RUN}
"""


@pytest.fixture(scope="module")
def module_node(project_layer: Path) -> Iterator[Node]:
    """A node with the package and the project."""
    with Node("agent-truth", layers=[project_layer, agents_of_debian()]) as node:
        yield node


@pytest.fixture(scope="module")
def shared(module_node: Node) -> Shipped:
    """The shipped units, started."""
    shipped = Shipped(module_node)
    shipped.write_table(TABLE)
    return shipped.start()


@pytest.fixture
def shipped(shared: Shipped) -> Iterator[Shipped]:
    """The daemon, and all groups at level `nothing`, for each test."""
    shared.node.shell(f"rm -f {BUSY} {TRIED}; touch {TRIED}")
    yield shared
    shared.node.run("systemctl", "start", SERVICE)
    for group in shared.clstat():
        shared.clinit("-w", group, "nothing")


def tries(shipped: Shipped) -> int:
    return len(shipped.node.read(TRIED).splitlines())


def test_a_stop_that_failed(shipped: Shipped) -> None:
    """FAILED at the stop level is a failed stop and nothing that is stopped, each time; it is tried again each time."""
    resource = Resource(shipped, "data", "prod")
    assert resource.act("start") == SUCCESS
    shipped.node.write(BUSY, "")
    for number in (1, 2):
        assert resource.act("stop") == GENERIC
        assert resource.reason.startswith("data is not stopped: stop FAILED: ")
        assert number == tries(shipped)
        assert (GENERIC, GENERIC) == (resource.monitor(), resource.probe())
        assert resource.reason.startswith("data stop FAILED: ")
    shipped.node.path(BUSY).unlink()

    assert resource.act("stop") == SUCCESS
    assert (NOT_RUNNING, NOT_RUNNING) == (resource.monitor(), resource.probe())


def without(group: str) -> str:
    """The table, when somebody has lost a group of it."""
    return "".join(line for line in TABLE.splitlines(keepends=True) if not line.startswith(f"{group}:"))


def test_a_group_that_leaves_the_table(shipped: Shipped) -> None:
    """What a cluster has started runs on, also under a daemon that comes later; a stop runs the level that it had."""
    resource = Resource(shipped, "data", "prod")
    assert resource.act("start") == SUCCESS
    pid = shipped.main_pid("clinit-data@server.service")
    shipped.write_table(without("data"))
    assert "clinit: data has left the table, and goes on until the cluster that started it stops it\n" in (
        shipped.clinit("-w", "web", "3").stderr
    )
    assert (SUCCESS, SUCCESS) == (resource.monitor(), resource.probe())
    shipped.node.run("systemctl", "restart", SERVICE)
    assert "data has left" not in shipped.clinit("-w", "web", "3").stderr
    assert (SUCCESS, pid) == (resource.monitor(), shipped.main_pid("clinit-data@server.service"))

    assert resource.act("stop") == SUCCESS
    assert (NOT_RUNNING, 1) == (resource.monitor(), tries(shipped))
    # And nobody else is to stop it any more.
    assert shipped.clinit("-w", "web", "nothing").returncode == 0
    wait_until(lambda: "data" not in shipped.clstat(), what="it is forgotten")
    assert (NOT_RUNNING, SUCCESS) == (resource.monitor(), resource.act("stop"))
    assert resource.act("start") == GENERIC
    assert "no such group: data" in resource.reason
    assert resource.act("stop") == SUCCESS
    shipped.write_table(TABLE)
    assert resource.act("start") == SUCCESS


def test_a_group_that_leaves_the_table_after_a_stop_that_failed(shipped: Shipped) -> None:
    """It has not been stopped until a stop succeeds, table or no table."""
    resource = Resource(shipped, "data", "prod")
    assert resource.act("start") == SUCCESS
    shipped.node.write(BUSY, "")
    assert resource.act("stop") == GENERIC
    shipped.write_table(without("data"))
    assert shipped.clinit().returncode == 0
    assert (GENERIC, GENERIC, GENERIC) == (resource.monitor(), resource.act("stop"), resource.probe())
    assert resource.reason.startswith("data stop FAILED: ")
    shipped.node.path(BUSY).unlink()

    assert (SUCCESS, NOT_RUNNING) == (resource.act("stop"), resource.monitor())
    assert tries(shipped) == 3
    shipped.write_table(TABLE)


def test_a_stop_that_failed_without_the_daemon(shipped: Shipped) -> None:
    """So it is if systemd has to do it alone: an entry that exits with an error is one only if it is a test."""
    resource = Resource(shipped, "data", "prod")
    assert resource.act("start") == SUCCESS
    no_daemon(shipped)
    shipped.node.write(BUSY, "")
    for number in (1, 2):
        assert resource.act("stop") == GENERIC
        assert resource.reason == "data is not stopped: stop FAILED: clinit-data@umount.service exited with 1"
        assert number == tries(shipped)
        assert (GENERIC, GENERIC) == (resource.monitor(), resource.probe())
    shipped.node.path(BUSY).unlink()

    assert resource.act("stop") == SUCCESS
    assert (NOT_RUNNING, NOT_RUNNING) == (resource.monitor(), resource.probe())


@pytest.mark.parametrize("daemon", [True, False])
def test_a_stop_level_that_does_not_end(shipped: Shipped, daemon: bool) -> None:
    """A stop that does not come to its end in time has failed, though nothing of the level for started runs."""
    resource = Resource(shipped, "hang", "prod")
    assert resource.act("start") == SUCCESS
    if not daemon:
        no_daemon(shipped)

    assert resource.act("stop", timeout=6) == GENERIC
    assert "clinit-hang@slow.service" in resource.reason
    assert resource.act("monitor", timeout=4) == GENERIC


def test_what_was_stopped_by_hand(shipped: Shipped) -> None:
    """The slice of a group that is DONE is stopped: nothing of it runs, and that is what the cluster is told."""
    resource = Resource(shipped)
    assert resource.act("start") == SUCCESS
    shipped.node.run("systemctl", "stop", "clinit-web.slice")

    assert resource.monitor() != SUCCESS
    assert resource.act("start") == SUCCESS
    assert resource.monitor() == SUCCESS


def test_a_level_of_which_nothing_goes_on(shipped: Shipped) -> None:
    """A level whose entries have all ended is running as long as its target is active: what they did still stands."""
    resource = Resource(shipped, "done")
    assert (SUCCESS, SUCCESS) == (resource.act("start"), resource.monitor())
    shipped.node.run("systemctl", "stop", "clinit-done@one.service", "clinit-done@two.service")

    assert (SUCCESS, SUCCESS, SUCCESS) == (resource.monitor(), resource.act("start"), resource.monitor())
    assert (SUCCESS, NOT_RUNNING) == (resource.act("stop"), resource.monitor())


def test_a_clstat_that_outlived_its_truth(shipped: Shipped) -> None:
    """Fresh, it says DONE at the level of a group that systemd has stopped since, as after a soft-reboot."""
    resource = Resource(shipped)
    assert resource.act("start") == SUCCESS
    no_daemon(shipped, stale=False)
    shipped.node.run("systemctl", "start", "clinit-web@stop.target")

    assert shipped.clstat()["web"] == "3 DONE"
    assert (NOT_RUNNING, NOT_RUNNING) == (resource.monitor(), resource.probe())


def test_a_clstat_from_the_future(shipped: Shipped) -> None:
    """When the clock was set back, an old clstat is not a fresh one."""
    resource = Resource(shipped)
    assert resource.act("start") == SUCCESS
    no_daemon(shipped, stale=False)
    assert resource.monitor() == SUCCESS
    shipped.node.run("touch", "--date=10 minutes", "/run/clinit/clstat")

    assert resource.monitor() == DEGRADED
    assert "from the future" in resource.reason


def test_names_in_the_level_for_stopped(shipped: Shipped) -> None:
    """What the level for stopped leaves running does not count, whatever its name is."""
    resource = Resource(shipped, "odd-name", stop_level="rest")
    assert (SUCCESS, SUCCESS) == (resource.act("start"), resource.monitor())
    assert resource.act("stop") == SUCCESS
    assert resource.monitor() == NOT_RUNNING
    no_daemon(shipped)
    assert resource.act("stop") == SUCCESS
    assert resource.monitor() == NOT_RUNNING


def test_systemd_is_asked_again(shipped: Shipped) -> None:
    """While systemd and dbus are restarted again and again, nothing is called stopped that runs, nor failed."""
    resource = Resource(shipped)
    assert resource.act("start") == SUCCESS
    script = "while :; do systemctl daemon-reexec; systemctl restart dbus; sleep 0.5; done"
    with shipped.node.popen("sh", "-c", script, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as restarts:
        try:
            until = time.monotonic() + 10
            while time.monotonic() < until:
                assert resource.monitor() == SUCCESS, resource.reason
            no_daemon(shipped)
            assert resource.monitor() == DEGRADED, resource.reason
            assert resource.act("stop") == SUCCESS, resource.reason
            assert resource.monitor() == NOT_RUNNING, resource.reason
        finally:
            shipped.node.run("pkill", "-f", "while :; do systemctl")
            restarts.wait(20)
            wait_until(lambda: shipped.node.run("systemctl", "start", SERVICE, check=False).returncode == 0)


def test_what_a_monitor_costs(shipped: Shipped) -> None:
    """A monitor of what runs makes at most eight processes."""
    resource = Resource(shipped)
    assert resource.act("start") == SUCCESS
    count = "set -- $(cat /proc/loadavg); echo ${5}"
    environment = "".join(f"export {name}='{value}'; " for name, value in resource.environment().items())
    agent = "/usr/lib/ocf/resource.d/clinit/group"
    shown = shipped.node.shell(
        f"{environment} for i in 1 2 3; do {count}; {agent} monitor; {count}; done; {count}; {count}"
    ).stdout.split()
    numbers = [int(number) for number in shown]
    own = numbers[-1] - numbers[-2]
    cost = min(after - before - own for before, after in zip(numbers[0:6:2], numbers[1:6:2], strict=True))

    assert cost <= 8
