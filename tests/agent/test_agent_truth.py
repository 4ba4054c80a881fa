"""What the resource agent says is so: a stop that failed, what was stopped by hand, a clstat that is not true."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from ocf import DEGRADED, GENERIC, NOT_RUNNING, SUCCESS, Resource, no_daemon, node_with_agent
from programs import RUN
from shipped import SERVICE, Shipped

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
def shared(project_layer: Path) -> Iterator[Shipped]:
    """The shipped units, started."""
    with node_with_agent("agent-truth", project_layer, TABLE) as shipped:
        yield shipped


@pytest.fixture
def shipped(shared: Shipped) -> Iterator[Shipped]:
    """The daemon, and all groups at level `nothing`, for each test."""
    shared.node.shell(f"rm -f {BUSY} {TRIED}; touch {TRIED}")
    yield shared
    shared.go_back_to("nothing")


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
        assert GENERIC == resource.monitor()
        assert GENERIC == resource.probe()
        assert resource.reason.startswith("data stop FAILED: ")
    shipped.node.path(BUSY).unlink()

    assert resource.act("stop") == SUCCESS
    assert NOT_RUNNING == resource.monitor()
    assert NOT_RUNNING == resource.probe()


def without(group: str) -> str:
    """The table, when somebody has lost a group of it."""
    return "".join(line for line in TABLE.splitlines(keepends=True) if not line.startswith(f"{group}:"))


@pytest.mark.parametrize("daemon", [True, False])
def test_a_level_for_stopped_that_was_not_run(shipped: Shipped, daemon: bool) -> None:
    """Where nothing runs, but that level has something to do, the group is not stopped: that may be an umount."""
    resource = Resource(shipped, "data", "prod")
    assert shipped.clinit("-w", "data", "prod").returncode == 0
    # Whoever started it: the cluster has seen it run.
    assert resource.probe() == SUCCESS
    if daemon:
        assert shipped.clinit("-w", "data", "nothing").returncode == 0
        seen = "nothing DONE"
    else:
        no_daemon(shipped)
        shipped.node.run("systemctl", "stop", "clinit-data@server.service")
        seen = "without its daemon (clstat is older than 60 s, or from the future)"
    assert GENERIC == resource.monitor()
    assert GENERIC == resource.probe()
    owed = "nothing of it runs, but it was not stopped by its level stop, which has clinit-data@wait.service"
    assert resource.reason == f"data is {seen}; {owed}"

    assert SUCCESS == resource.act("stop")
    assert 1 == tries(shipped)
    assert NOT_RUNNING == resource.monitor()
    assert NOT_RUNNING == resource.probe()


def test_a_group_that_was_halted_and_left_the_table(shipped: Shipped) -> None:
    """Its lines stay until the cluster has stopped it with them, under a later daemon too."""
    resource = Resource(shipped, "data", "prod")
    assert resource.act("start") == SUCCESS
    assert shipped.clinit("-k", "-w").returncode == 0
    shipped.write_table(without("data"))
    shipped.node.run("systemctl", "start", SERVICE)
    assert GENERIC == resource.monitor()
    assert GENERIC == resource.probe()

    assert SUCCESS == resource.act("stop")
    assert 1 == tries(shipped)
    assert resource.monitor() == NOT_RUNNING
    shipped.write_table(TABLE)


def test_a_group_that_is_halted_while_the_table_is_read(shipped: Shipped) -> None:
    """Whoever has the table read while all groups are halting does not make the daemon forget the lines."""
    resource = Resource(shipped, "data", "prod")
    assert resource.act("start") == SUCCESS
    slow = "slow:loop:3:respawn:trap 'trap \"\" INT; sleep 1; exit' INT; while :; do sleep 0.1; done\n"
    shipped.write_table(TABLE + slow)
    assert shipped.clinit("-w", "slow", "3").returncode == 0
    shipped.write_table(without("data") + slow)
    assert shipped.clinit("-k").returncode == 0
    shipped.clinit()
    wait_until(lambda: shipped.states()[1] == "inactive", what="all are halted")
    assert resource.monitor() == GENERIC
    shipped.node.run("systemctl", "start", SERVICE)

    assert SUCCESS == resource.act("stop")
    assert 1 == tries(shipped)
    assert NOT_RUNNING == resource.monitor()
    shipped.write_table(TABLE)


def test_a_group_that_somebody_has_stopped_is_not_the_clusters(shipped: Shipped) -> None:
    """When a monitor has seen that it was stopped in order, it goes with the table as any other group."""
    resource = Resource(shipped, "data", "prod")
    assert resource.act("start") == SUCCESS
    assert shipped.clinit("-w", "data", "stop").returncode == 0
    assert resource.probe() == NOT_RUNNING
    assert shipped.clinit("-w", "data", "nothing").returncode == 0
    assert resource.probe() == NOT_RUNNING
    shipped.write_table(without("data"))
    assert "data has left the table, and is being stopped" in shipped.clinit().stderr
    shipped.write_table(TABLE)


def test_new_lines_on_trial(shipped: Shipped) -> None:
    """A monitor is content with them as long as they do well; what a cluster does if not ends the trial."""
    resource = Resource(shipped)
    assert resource.act("start") == SUCCESS
    shipped.write_table(f"{TABLE}web:more:3:respawn:{RUN}\n")
    assert shipped.clinit("-w", "--try", "600", "web", "3").returncode == 0
    assert resource.monitor() == SUCCESS
    shipped.write_table(f"{TABLE}web:check:3:test:false\n")
    assert shipped.clinit("-w", "--try", "600", "web", "3").returncode == 4
    assert resource.monitor() == GENERIC

    assert resource.act("stop") == SUCCESS
    assert "not on trial: a later request for level stop took over" in shipped.clinit("--keep", "web").stdout
    assert resource.act("start") == GENERIC  # with the table's lines
    assert "check" in resource.reason
    shipped.write_table(TABLE)
    assert resource.act("start") == SUCCESS


def test_a_level_on_trial(shipped: Shipped) -> None:
    """If the cluster's level becomes the one on trial, the group stays there; a trial of lines goes on."""
    assert Resource(shipped, "odd-name").act("start") == SUCCESS
    assert shipped.clinit("-w", "--try", "600", "odd-name", "rest").returncode == 0
    assert Resource(shipped, "odd-name").monitor() == GENERIC

    assert Resource(shipped, "odd-name", "rest").act("reload-agent") == SUCCESS
    assert "a later request for level rest took over" in shipped.clinit("--keep", "odd-name").stdout
    assert shipped.clstat()["odd-name"] == "rest DONE"
    # Of the lines alone.
    assert shipped.clinit("-w", "--try", "600", "odd-name", "rest").returncode == 0
    assert Resource(shipped, "odd-name", "rest", on_degraded="fail").act("reload-agent") == SUCCESS
    assert shipped.clinit("--keep", "odd-name").stdout == "odd-name stays at level rest, which is DONE\n"


def test_a_group_of_another_name_takes_nothing(shipped: Shipped) -> None:
    """Who calls a group otherwise while the cluster has it started cannot stop its entries by starting the new one."""
    resource = Resource(shipped, "data", "prod")
    assert resource.act("start") == SUCCESS
    pid = shipped.main_pid("clinit-data@server.service")
    shipped.write_table(TABLE.replace("data:", "files:"))
    refused = shipped.clinit("-w", "files", "prod")
    assert refused.returncode == 1
    assert "is still an entry of data, which has left the table, and which the cluster" in refused.stdout
    assert SUCCESS == resource.monitor()
    assert pid == shipped.main_pid("clinit-data@server.service")
    # A level without them takes nothing away.
    assert shipped.clinit("-w", "files", "nothing").returncode == 0
    assert SUCCESS == resource.monitor()
    assert pid == shipped.main_pid("clinit-data@server.service")
    assert SUCCESS == resource.act("stop")
    assert 1 == tries(shipped)

    assert shipped.clinit("-w", "files", "prod").returncode == 0
    assert shipped.main_pid("clinit-files@server.service")
    shipped.write_table(TABLE)


def test_a_start_that_comes_too_late(shipped: Shipped) -> None:
    """A group that is stopped, or was never started, when it leaves the table is not started with its old lines."""
    stopped, never = Resource(shipped, "data", "prod"), Resource(shipped, "done")
    assert SUCCESS == stopped.act("start")
    assert SUCCESS == stopped.act("stop")
    shipped.write_table(without("data").replace("done:", "over:"))
    assert GENERIC == stopped.act("start")
    assert GENERIC == never.act("start")
    assert never.reason == "clinit done 3: no such group: done"
    assert shipped.main_pid("clinit-data@server.service") == 0
    shipped.write_table(TABLE)


def test_a_group_that_leaves_the_table(shipped: Shipped) -> None:
    """What a cluster has started runs on, also under a daemon that comes later; a stop runs the level that it had."""
    resource = Resource(shipped, "data", "prod")
    assert resource.act("start") == SUCCESS
    pid = shipped.main_pid("clinit-data@server.service")
    shipped.write_table(without("data"))
    assert "clinit: data has left the table, and stays until the cluster that started it stops it\n" in (
        shipped.clinit("-w", "web", "3").stderr
    )
    assert SUCCESS == resource.monitor()
    assert SUCCESS == resource.probe()
    shipped.node.run("systemctl", "restart", SERVICE)
    assert "data has left" not in shipped.clinit("-w", "web", "3").stderr
    assert SUCCESS == resource.monitor()
    assert pid == shipped.main_pid("clinit-data@server.service")

    assert resource.act("stop") == SUCCESS
    assert NOT_RUNNING == resource.monitor()
    assert 1 == tries(shipped)
    # And nobody else is to stop it any more.
    assert shipped.clinit("-w", "web", "nothing").returncode == 0
    assert shipped.clinit().returncode == 0
    wait_until(lambda: "data" not in shipped.clstat(), what="it is forgotten")
    assert NOT_RUNNING == resource.monitor()
    assert SUCCESS == resource.act("stop")
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
    assert GENERIC == resource.monitor()
    assert GENERIC == resource.act("stop")
    assert GENERIC == resource.probe()
    assert resource.reason.startswith("data stop FAILED: ")
    shipped.node.path(BUSY).unlink()

    assert SUCCESS == resource.act("stop")
    assert NOT_RUNNING == resource.monitor()
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
        assert GENERIC == resource.monitor()
        assert GENERIC == resource.probe()
    shipped.node.path(BUSY).unlink()

    assert resource.act("stop") == SUCCESS
    assert NOT_RUNNING == resource.monitor()
    assert NOT_RUNNING == resource.probe()


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
    assert SUCCESS == resource.act("start")
    assert SUCCESS == resource.monitor()
    shipped.node.run("systemctl", "stop", "clinit-done@one.service", "clinit-done@two.service")

    assert SUCCESS == resource.monitor()
    assert SUCCESS == resource.act("start")
    assert SUCCESS == resource.monitor()
    assert SUCCESS == resource.act("stop")
    assert NOT_RUNNING == resource.monitor()


def test_a_clstat_that_outlived_its_truth(shipped: Shipped) -> None:
    """Fresh, it says DONE at the level of a group that systemd has stopped since, as after a soft-reboot."""
    resource = Resource(shipped)
    assert resource.act("start") == SUCCESS
    no_daemon(shipped, stale=False)
    shipped.node.run("systemctl", "start", "clinit-web@stop.target")

    assert shipped.clstat()["web"] == "3 DONE"
    assert NOT_RUNNING == resource.monitor()
    assert NOT_RUNNING == resource.probe()


def test_a_clstat_of_a_daemon_that_is_gone(shipped: Shipped) -> None:
    """Fresh, it says that a group is on its way, and will say so for ever: it is as systemd has it."""
    resource = Resource(shipped)
    assert resource.act("start") == SUCCESS
    no_daemon(shipped, stale=False)
    clstat = shipped.node.read("/run/clinit/clstat")
    shipped.node.write("/run/clinit/clstat", clstat.replace("web 3 DONE", "web 3 STOPPING"))
    assert resource.monitor() == DEGRADED
    seen = "by /run/clinit/clstat it is without its daemon (which said 3 STOPPING last)"
    assert resource.reason == f"web runs at level 3 for systemd, but {seen}"
    assert resource.act("stop") == SUCCESS
    shipped.node.write("/run/clinit/clstat", clstat.replace("web 3 DONE", "web 3 STOPPING"))

    assert NOT_RUNNING == resource.monitor()
    assert NOT_RUNNING == resource.probe()


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
    assert SUCCESS == resource.act("start")
    assert SUCCESS == resource.monitor()
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
