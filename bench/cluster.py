"""How long a group takes to another node of a cluster, against a trivial agent and Pacemaker's ``systemd:`` resources.

What happens happens to all three on one node at once, but for the planned move.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bench import alike
from bench.stopwatch import Event, Stopwatch, Times, measure, other
from lab.node import Node

ROUNDS = 10
# Seconds until the group's program runs elsewhere, in the median.
AIMS = {"planned move": {"group": 0.5}, "node killed": {"group": 4.5}}


def run(rounds: int | None = None) -> None:
    """Measure and print."""
    measure("cluster", EVENTS, rounds or ROUNDS, AIMS)


def move(watch: Stopwatch, node: str) -> Mapping[str, Times]:
    """Each resource by itself to another node, by request."""
    watch.gather(node)
    found: dict[str, Times] = {}
    for name in alike.KINDS:
        command = f"crm_resource --resource {name} --move --node {other(node)}"
        found |= watch.time([name], partial(watch.cluster.run, command), seen_from=other(node, 2))
        watch.clear(name)
    return found


def standby(watch: Stopwatch, node: str) -> Mapping[str, Times]:
    """A node may have no resources any more."""
    attribute = f"crm_attribute --type nodes --node {node} --name standby --update"
    found = _time(watch, node, lambda: watch.cluster.run(f"{attribute} on"))
    watch.cluster.run(f"{attribute} off")
    return found


def reboot(watch: Stopwatch, node: str) -> Mapping[str, Times]:
    """A node is rebooted in order."""
    return _time(watch, node, watch.cluster.nodes[node].reboot)


def kill(watch: Stopwatch, node: str) -> Mapping[str, Times]:
    """A node loses its power."""
    return _time(watch, node, watch.cluster.nodes[node].crash)


def part(watch: Stopwatch, node: str) -> Mapping[str, Times]:
    """A node loses its network."""
    return _time(watch, node, lambda: watch.cluster.network.cut(node))


def kill_corosync(watch: Stopwatch, node: str) -> Mapping[str, Times]:
    """Corosync dies on a node."""
    machine = watch.cluster.nodes[node]
    return _time(watch, node, lambda: machine.run("systemctl", "kill", "--signal=KILL", "corosync.service"))


def boot_all(watch: Stopwatch, node: str) -> Mapping[str, Times]:
    """All nodes have lost their power, and get it back at once."""
    watch.gather(node)
    machines = watch.cluster.nodes.values()
    for machine in machines:
        machine.crash()

    def boot() -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(Node.start, machines))

    return watch.time(alike.KINDS, boot, seen_from=node)


EVENTS: Mapping[str, Event] = {
    "planned move": move,
    "standby": standby,
    "orderly reboot": reboot,
    "node killed": kill,
    "partition": part,
    "corosync killed": kill_corosync,
    "all from cold": boot_all,
}


def _time(watch: Stopwatch, node: str, act: Callable[[], object]) -> Mapping[str, Times]:
    """Take all resources off a node on which they are."""
    watch.gather(node)
    return watch.time(alike.KINDS, act, seen_from=other(node))
