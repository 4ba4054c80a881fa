"""What moves nothing in a cluster, how often it was so, and how long until all of a node is as it was before.

The resources are those of bench.alike, and fail at the first false answer of a monitor.
"""

import re
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

from bench import alike
from bench.stopwatch import Stopwatch, other
from lab.cluster import NAMES
from lab.packaged import PACKAGES
from lab.waiting import wait_until

ROUNDS = 10
# Two intervals of the monitors, in seconds.
_SOME_MONITORS = 4.0
_STORM = 5
_LONG = 60.0
_DAEMON = ("clinit.socket", "clinit.service")


def run(rounds: int | None = None) -> None:
    """Have all happen, and print what it has moved."""
    rounds = rounds or ROUNDS
    with alike.cluster() as cluster:
        watch = Stopwatch(cluster)
        # The host's, by which an installation in its own root starts nothing.
        for node in cluster.nodes.values():
            node.run("rm", "-f", "/usr/sbin/policy-rc.d")
        print(f"\ncluster_quiet: {rounds} times each; seconds until all is well, median and worst\n")
        for event, act in EVENTS.items():
            seen = [_see(watch, NAMES[number % len(NAMES)], act) for number in range(rounds)]
            seconds = [since for _, since in seen]
            moved = [what for what, _ in seen if what]
            print(
                f"  {event:24}  {statistics.median(seconds):6.2f}  {max(seconds):6.2f}   "
                f"{'; '.join(moved) or 'nothing moved'}",
                flush=True,
            )


def kill_daemon(watch: Stopwatch, _node: str) -> float:
    """The control daemon is killed on all nodes."""
    begin = time.monotonic()
    for machine in watch.cluster.nodes.values():
        machine.run("systemctl", "kill", "--signal=KILL", "clinit.service")
    return begin


def stop_daemon(watch: Stopwatch, _node: str) -> float:
    """The control daemon is stopped on all nodes for so long that its clstat is no longer believed."""
    for machine in watch.cluster.nodes.values():
        machine.run("systemctl", "stop", *_DAEMON)
        machine.run("touch", "--date=2 minutes ago", "/run/clinit/clstat")
    time.sleep(_SOME_MONITORS)
    begin = time.monotonic()
    for machine in watch.cluster.nodes.values():
        machine.run("systemctl", "start", *_DAEMON)
    return begin


def push_bad_table(watch: Stopwatch, node: str) -> float:
    """A table is refused on the node where the group is."""
    machine = watch.cluster.nodes[node]
    machine.write("/etc/cltab", alike.TABLE + "group:bad:3:respwan:sleep infinity\n")
    machine.run("clinit", check=False)
    time.sleep(_SOME_MONITORS)
    machine.write("/etc/cltab", alike.TABLE)
    begin = time.monotonic()
    machine.run("clinit")
    return begin


def upgrade(watch: Stopwatch, node: str) -> float:
    """The packages are installed again on a node."""
    begin = time.monotonic()
    watch.cluster.nodes[node].shell(f"dpkg --install {PACKAGES}/*.deb")
    return begin


def storm(watch: Stopwatch, _node: str) -> float:
    """Systemd is reloaded and reexecuted again and again, on all nodes."""
    begin = time.monotonic()
    for _ in range(_STORM):
        for machine in watch.cluster.nodes.values():
            machine.run("systemctl", "daemon-reload")
            machine.run("systemctl", "daemon-reexec")
    return begin


def kill_pacemakerd(watch: Stopwatch, node: str) -> float:
    """The process is killed that looks after Pacemaker's daemons."""
    begin = time.monotonic()
    watch.cluster.nodes[node].run("systemctl", "kill", "--kill-who=main", "--signal=KILL", "pacemaker.service")
    return begin


def rejoin(watch: Stopwatch, node: str) -> float:
    """A node without resources leaves the cluster in order, and comes back."""
    machine = watch.cluster.nodes[other(node)]
    machine.run("systemctl", "stop", "pacemaker.service", "corosync.service")
    begin = time.monotonic()
    machine.run("systemctl", "start", "corosync.service", "pacemaker.service")
    return begin


def by_hand(watch: Stopwatch, node: str) -> float:
    """In maintenance, somebody switches the group to another level and back; its program is in both."""
    machine = watch.cluster.nodes[node]
    machine.run("crm_attribute", "--type", "crm_config", "--name", "maintenance-mode", "--update", "true")
    # Until then, monitors go on.
    watch.cluster.settle()
    begin = time.monotonic()
    machine.run("clinit", "--wait", "group", "m")
    machine.run("clinit", "--wait", "group", "3")
    machine.run("crm_attribute", "--type", "crm_config", "--name", "maintenance-mode", "--delete")
    return begin


EVENTS: Mapping[str, Callable[[Stopwatch, str], float]] = {
    "daemons killed": kill_daemon,
    "daemons stopped for long": stop_daemon,
    "bad table": push_bad_table,
    "upgrade of the packages": upgrade,
    "reload, reexec storm": storm,
    "pacemakerd killed": kill_pacemakerd,
    "rejoin of a node": rejoin,
    "maintenance, by hand": by_hand,
}


def _see(watch: Stopwatch, node: str, act: Callable[[Stopwatch, str], float]) -> tuple[str, float]:
    """Have something happen with all resources on a node.

    Returns what has moved, and the seconds until all is as it was, from the time.monotonic() that the act returns.
    """
    watch.gather(node)
    watch.cluster.fenced.clear()
    before = {name: watch.starts(name) for name in alike.KINDS}
    begin = act(watch, node)
    wait_until(partial(_is_well, watch), what=f"{act.__name__} is over", timeout=_LONG)
    seconds = time.monotonic() - begin
    time.sleep(_SOME_MONITORS)
    watch.cluster.settle()
    moved = [f"{name} started again" for name in alike.KINDS if watch.starts(name) != before[name]]
    moved += [f"{fenced} fenced" for fenced, _ in watch.cluster.fenced]
    # What is degraded is listed as failed too, and counts as no failure.
    failures = watch.cluster.run("crm_mon --one-shot --failcounts")
    moved += [f"{name} failed" for name in alike.KINDS if re.search(rf"\* {name}: .*fail-count=", failures)]
    watch.clear()
    return ", ".join(moved), seconds


def _is_well(watch: Stopwatch) -> bool:
    """Whether Pacemaker has all resources running, as seen by each node, and clinit says so of the group."""
    seen = [watch.places(name) for name in NAMES]
    at = seen[0].get("group")
    return (
        at is not None
        and seen[0].keys() == alike.KINDS.keys()
        and all(places == seen[0] for places in seen)
        and "group 3 DONE" in watch.cluster.run("clinit -v", on=at, check=False)
    )
