"""A node with a cluster goes down: its groups are stopped by the cluster, in its order, and at once."""

from __future__ import annotations

import fcntl
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from instance import in_order
from ocf import AGENT, GENERIC, SUCCESS, Resource, agents_of_debian, no_daemon
from programs import RUN, polite, saying
from shipped import Shipped

from lab.node import Node
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# On the root file system, which stays to the end, and is there again after the reboot.
LOG = "/var/log/shutdown"
SAY = saying(LOG)
# Seconds that an entry takes to stop, and by which a loaded machine may be late.
POLITE, SLACK = 0.5, 6.0
# What the cluster grants for a stop, and for one whose entries do not come to their end. Seconds.
PATIENCE, LITTLE_PATIENCE = 60, 6

TABLE = f"""\
web:a:3:respawn:{polite(LOG, "a", POLITE)}
web:b:3:respawn:{polite(LOG, "b", POLITE)}
web:always:3,stop:respawn:{RUN}
web:mountpoint:3:wait:true
web:umount:stop,:test:{SAY} say umounted
mail:c:3:respawn:{polite(LOG, "c", POLITE)}
mail:a-last:3:respawn:{polite(LOG, "last", POLITE)}
:::stop.mail:ordered
mail:failing:fails,:test:{SAY} say tried; false
""" + "".join(f"mail:slow-{number}:hangs,:test:sleep 100\n" for number in range(6))
# A stand-in for Pacemaker: it runs, and when it is stopped it stops its resources, one after the other. Its name for
# systemd, and how it is ordered, are those of the real one.
PACEMAKER = f"""\
[Unit]
After=network.target dbus.service resource-agents-deps.target
Wants=dbus.service resource-agents-deps.target
[Service]
Environment=EVENTS={LOG}
ExecStart=/usr/local/bin/pacemaker
ExecStop=/usr/local/bin/pacemaker stop
KillMode=process
TimeoutStopSec=80
SendSIGKILL=no
"""
SCRIPT = """\
#!/bin/sh
. event
resource() {
	say $1 stop asked
	env $2 %s stop >>/run/said 2>&1
	say $1 stop $? $(grep -o 'ocf-exit-reason:.*' /run/said | tail -n 1)
}
stop() {
	%s
}
if [ "$1" = stop ]; then
	[ -e /run/early ] || stop
	: >/run/over
	exit
fi
trap : TERM
until [ -e /run/over ]; do
	# As a cluster that has begun to stop something before the machine goes down.
	[ ! -e /run/early ] || { stop && exit; }
	sleep 0.1
done
"""


class Machine:
    """A node with a stand-in for Pacemaker that has started groups."""

    def __init__(self, name: str, layer: Path, resources: tuple[str, ...]) -> None:
        self.node = Node(f"going-{name}", layers=[layer, agents_of_debian()])
        self.node.boot()
        self.shipped = Shipped(self.node)
        self.shipped.write_table(TABLE)
        self.shipped.start()
        stops = []
        for resource in resources:
            group, stop_level = resource.split("=")
            patience = LITTLE_PATIENCE if stop_level == "hangs" else PATIENCE
            of_cluster = Resource(self.shipped, group, stop_level=stop_level)
            assert of_cluster.act("start") == SUCCESS
            variables = " ".join(f"{name}={value}" for name, value in of_cluster.environment(patience).items())
            stops.append(f'resource {group} "{variables}"')
        self.node.write("/usr/local/bin/pacemaker", SCRIPT % (AGENT, "; ".join(stops)), mode=0o755)
        self.node.write("/etc/systemd/system/pacemaker.service", PACEMAKER)
        self.node.shell("systemctl daemon-reload; systemctl start pacemaker.service")

    def said(self) -> list[str]:
        """All that was said."""
        return self.node.read(LOG).splitlines() if self.node.exists(LOG) else []

    def shut_down(self) -> dict[str, float]:
        """Reboot the node."""
        begin = float(self.node.read("/proc/uptime").split()[0])
        self.node.reboot()
        said = [line.split(" ", 1) for line in self.said()]
        return {what: float(when) - begin for when, what in said}


@pytest.fixture(scope="module")
def seen(project_layer: Path) -> dict[str, dict[str, float]]:
    """Shut down nodes, two at a time; what was said of each, and when, in seconds from its begin."""

    def go(name: str, resources: tuple[str, ...], prepare: Callable[[Machine], None]) -> dict[str, float]:
        machine = Machine(name, project_layer, resources)
        try:
            prepare(machine)
            return machine.shut_down()
        finally:
            machine.node.stop()

    def nothing(machine: Machine) -> None:
        pass

    def without_daemon(machine: Machine) -> None:
        no_daemon(machine.shipped)

    def in_a_stop(machine: Machine) -> None:
        machine.node.write("/run/early", "")
        wait_until(lambda: any(line.endswith("c stopping") for line in machine.said()))

    both = ("mail=stop", "web=stop")
    with ThreadPoolExecutor(2) as executor:
        runs = {
            "daemon": executor.submit(go, "daemon", both, nothing),
            "no-daemon": executor.submit(go, "no-daemon", both, without_daemon),
            "early": executor.submit(go, "early", both, in_a_stop),
            "fails": executor.submit(go, "fails", ("mail=fails",), nothing),
            "hangs": executor.submit(go, "hangs", ("mail=hangs",), nothing),
        }
        return {name: run.result() for name, run in runs.items()}


ALL = pytest.mark.parametrize("name", ["daemon", "no-daemon", "early"])


@ALL
def test_the_cluster_stops_them_in_its_order(seen: dict[str, dict[str, float]], name: str) -> None:
    """Nothing is stopped before Pacemaker asks for it, and all of it when the stop is said to be done."""
    times = seen[name]

    in_its_order = ("last stopping", "last gone", "c stopping", "c gone")
    assert in_order(times, "mail stop asked", *in_its_order, f"mail stop {SUCCESS}", "web stop asked")
    for tag in "ab":
        assert in_order(times, "web stop asked", f"{tag} stopping", f"{tag} gone", f"web stop {SUCCESS}")


@ALL
def test_it_takes_no_longer_than_the_entries(seen: dict[str, dict[str, float]], name: str) -> None:
    """No stop waits for a daemon that is gone, and the entries of a group are stopped at once."""
    times = seen[name]

    assert times[f"web stop {SUCCESS}"] < 3 * POLITE + SLACK
    assert abs(times["a stopping"] - times["b stopping"]) < POLITE


@ALL
def test_the_level_for_stopped_is_run(seen: dict[str, dict[str, float]], name: str) -> None:
    """What the level for stopped does, such as an umount, is done when all else of the group has ended."""
    times = seen[name]

    for tag in "ab":
        assert in_order(times, f"{tag} gone", "umounted", f"web stop {SUCCESS}")


def test_a_stop_that_fails(seen: dict[str, dict[str, float]]) -> None:
    """If that fails, the stop has failed, also while the machine goes down."""
    assert any(what.startswith(f"mail stop {GENERIC} ") and "fails FAILED" in what for what in seen["fails"])
    assert "tried" in seen["fails"]


def test_a_stop_that_hangs(seen: dict[str, dict[str, float]]) -> None:
    """However many entries do not come to their end, it says so within the time that the cluster grants."""
    times = seen["hangs"]

    said = [what for what in times if what.startswith(f"mail stop {GENERIC} ")]
    assert ["clinit-mail@slow-0.service is loaded and activating"] == [what.split(": ")[-1] for what in said]
    assert times[said[0]] - times["mail stop asked"] < LITTLE_PATIENCE


def test_pacemaker_is_stopped_and_the_machine_stays_up(project_layer: Path) -> None:
    """As before an upgrade of Pacemaker: the stops do not wait for the end of whoever waits for them."""
    machine = Machine("alone", project_layer, ("mail=stop", "web=stop"))
    try:
        machine.node.run("systemctl", "stop", "pacemaker.service")
        said = [line.split(" ", 1)[1] for line in machine.said()]
        statuses = machine.shipped.clinit("-v").stdout
    finally:
        machine.node.stop()

    assert [what for what in said if " stop " in what] == [
        "mail stop asked", f"mail stop {SUCCESS}", "web stop asked", f"web stop {SUCCESS}",
    ]  # fmt: skip
    assert statuses == "web stop DONE\nmail stop DONE\n"


@pytest.fixture(scope="module")
def module_node(project_layer: Path) -> Node:
    """A node with the package and the project."""
    return Node("agent-order", layers=[project_layer, agents_of_debian()])


def test_when_it_is_ordered(module_node: Node) -> None:
    """From its first start, a group's entries are behind Pacemaker; many starts at once cost few reloads."""
    groups = [f"g{number}" for number in range(8)]
    with module_node as node:
        shipped = Shipped(node)
        shipped.write_table("".join(f"{group}:{group}.x:3:respawn:{RUN}\n" for group in groups))
        shipped.start()
        for group in groups:  # so that systemd has their units loaded
            assert shipped.clinit("-w", group, "stop").returncode == 0
        assert "resource-agents" not in shipped.properties("clinit-g0@g0.x.service", "Before")["Before"]
        before = reloads(node)
        orders = [node.path(f"/run/systemd/system/clinit-{group}@.service.d/50-pacemaker.conf") for group in groups]
        lock = os.open(node.path("/run/systemd/system"), os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)  # so that none goes on before each has written its order
        with ThreadPoolExecutor(8) as executor:
            codes = executor.map(lambda group: Resource(shipped, group).act("start", timeout=60), groups)
            try:
                wait_until(lambda: all(order.exists() for order in orders), timeout=18, what="all orders are written")
            finally:
                os.close(lock)

        assert [SUCCESS] * 8 == list(codes)
        for group in groups:
            before_these = shipped.properties(f"clinit-{group}@{group}.x.service", "Before")["Before"].split()
            assert "resource-agents-deps.target" in before_these
        # Of a file that not everybody may read, systemd complains at each reload.
        assert {stat.S_IMODE(path.stat().st_mode) for path in orders} == {0o644}
        assert 1 <= reloads(node) - before <= 2  # of one reload, later versions of systemd have two lines
        again = reloads(node)
        resource = Resource(shipped, "g1")
        assert SUCCESS == resource.act("stop")
        assert SUCCESS == resource.act("start")
        assert SUCCESS == resource.monitor()
        assert again == reloads(node)


def test_an_order_that_cannot_be_written(module_node: Node) -> None:
    """The group is started all the same, and the log says what that means."""
    with module_node as node:
        shipped = Shipped(node)
        shipped.write_table(f"web:x:3:respawn:{RUN}\n")
        shipped.start()
        node.write("/run/systemd/system/clinit-web@.service.d", "")
        resource = Resource(shipped)

        assert resource.act("start") == SUCCESS
        assert "web will be stopped before Pacemaker asks for it" in resource.said
        assert resource.monitor() == SUCCESS


def reloads(node: Node) -> int:
    """How often systemd has reloaded its units."""
    return sum(line.startswith("Reloading.") or "Reloading requested" in line for line in node.journal().splitlines())
