"""How long a group takes to another node of a cluster, against a trivial agent and Pacemaker's ``systemd:`` resources.

The three are resources of the same cluster of three nodes, and do the same work: a program writes when and where it
runs, and sleeps. Nodes share one clock. An event happens to all three on one node at once, but for the planned move.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from xml.etree import ElementTree as ET

from lab import packaged, programs
from lab.cluster import NAMES, PACKAGES, SHARED, Cluster
from lab.waiting import wait_until

ROUNDS = 10
# Seconds until the group's program runs elsewhere, in the median.
AIMS = {("planned move", "ocf:clinit:group"): 0.5, ("node killed", "ocf:clinit:group"): 4.5}

_OPERATIONS = "op start timeout=60s op stop timeout=60s op monitor interval=10s timeout=20s"
_KINDS = {
    "group": "ocf:clinit:group",
    "unit": "systemd:bench-unit",
    "trivial": "ocf:lab:trivial",
}
_CONFIGURATION = "".join(
    [
        f"primitive group ocf:clinit:group params group=group level=3 {_OPERATIONS}\n",
        f"primitive unit systemd:bench-unit {_OPERATIONS}\n",
        f"primitive trivial ocf:lab:trivial {_OPERATIONS}\n",
        "rsc_defaults resource-stickiness=100\n",
        # All at once, also on a busy machine: otherwise one waits for another, and that is measured.
        "property load-threshold=1000% node-action-limit=16\n",
    ]
)
_TABLE = "group:work:3:respawn:exec /usr/local/bin/work group\n"
# Says who runs where, since when in seconds.
_MARK = f"""\
#!/bin/sh
echo "$(uname -n) $(date +%s.%N)" >>"{SHARED}/marks/$1"
"""
_WORK = """\
#!/bin/sh
mark "$1"
exec sleep infinity
"""
_UNIT = "[Service]\nExecStart=/usr/local/bin/work unit\n"
_TRIVIAL = """\
#!/bin/sh
# The least that an agent can do: a file says whether its resource runs.
state=/run/bench-trivial
case $1 in
start) [ -e $state ] || { : >$state && /usr/local/bin/mark trivial; } ;;
stop) rm -f $state ;;
monitor) [ -e $state ] || exit 7 ;;
meta-data)
	cat <<END
<?xml version="1.0"?>
<resource-agent name="trivial" version="1.0">
<version>1.0</version>
<longdesc lang="en">A file.</longdesc>
<shortdesc lang="en">A file</shortdesc>
<parameters/>
<actions>
<action name="start" timeout="20s"/><action name="stop" timeout="20s"/>
<action name="monitor" timeout="20s" interval="10s" depth="0"/>
<action name="meta-data" timeout="5s"/><action name="validate-all" timeout="20s"/>
</actions>
</resource-agent>
END
	;;
esac
"""
_FILES = {
    "/root/bench.crm": _CONFIGURATION,
    "/usr/local/bin/mark": _MARK,
    "/usr/local/bin/work": _WORK,
    "/etc/systemd/system/bench-unit.service": _UNIT,
    "/usr/lib/ocf/resource.d/lab/trivial": _TRIVIAL,
}
_LONG = 90.0


@dataclass(frozen=True, slots=True)
class _Times:
    """Seconds since the event: until the program ran again, and until Pacemaker said that its resource does."""

    runs: float
    said: float


def run(rounds: int | None = None) -> None:
    """Measure and print."""
    rounds = rounds or ROUNDS
    layer = packaged.installed(programs.installed(*PACKAGES))
    with Cluster([layer], _TABLE) as cluster:
        bench = _Bench(cluster)
        events: dict[str, Callable[[int], dict[str, _Times]]] = {
            "planned move": bench.move,
            "standby": bench.standby,
            "node killed": bench.kill,
            "partition": bench.part,
        }
        print(f"\ncluster: seconds from the event, median and worst of {rounds}\n")
        print(f"  {'':12}  {'':18}  runs            Pacemaker says so")
        for event, act in events.items():
            _show(event, [act(number) for number in range(rounds)])


def _show(event: str, rounds: list[dict[str, _Times]]) -> None:
    for name, kind in _KINDS.items():
        runs = [times[name].runs for times in rounds]
        said = [times[name].said for times in rounds]
        median = statistics.median(runs)
        aim = AIMS.get((event, kind))
        judged = "" if aim is None else f"   aim {aim:.1f}{', missed' if median > aim else ''}"
        print(
            f"  {event:12}  {kind:18}  {median:6.2f}  {max(runs):6.2f}   "
            f"{statistics.median(said):6.2f}  {max(said):6.2f}{judged}",
            flush=True,
        )


class _Bench:
    """The resources on the cluster, and what happens to them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._marks = cluster.shared / "marks"
        self._marks.mkdir()
        for node in cluster.nodes.values():
            for path, text in _FILES.items():
                node.write(path, text, mode=0o755 if text.startswith("#!") else 0o644)
            node.run("systemctl", "daemon-reload")
        cluster.run("crm configure load update /root/bench.crm")
        cluster.settle()

    def move(self, number: int) -> dict[str, _Times]:
        """Each resource by itself to another node, by request."""
        node, other = NAMES[number % 3], NAMES[(number + 1) % 3]
        self._gather(node)
        found: dict[str, _Times] = {}
        for name in _KINDS:
            command = f"crm_resource --resource {name} --move --node {other}"
            found |= self._time([name], node, partial(self._cluster.run, command))
            self._cluster.run(f"crm_resource --resource {name} --clear")
            self._cluster.settle()
        return found

    def standby(self, number: int) -> dict[str, _Times]:
        """A node may have no resources any more."""
        node = NAMES[number % 3]
        self._gather(node)
        attribute = f"crm_attribute --type nodes --node {node} --name standby --update"
        found = self._time(list(_KINDS), node, lambda: self._cluster.run(f"{attribute} on"))
        self._cluster.run(f"{attribute} off")
        return found

    def kill(self, number: int) -> dict[str, _Times]:
        """A node loses its power."""
        node = NAMES[number % 3]
        self._gather(node)
        return self._time(list(_KINDS), node, self._cluster.nodes[node].crash)

    def part(self, number: int) -> dict[str, _Times]:
        """A node loses its network."""
        node = NAMES[number % 3]
        self._gather(node)
        return self._time(list(_KINDS), node, lambda: self._cluster.network.cut(node))

    def _gather(self, node: str) -> None:
        """Bring all resources to a node, and wait until the cluster has nothing to do."""
        self._cluster.await_online(*NAMES)
        self._cluster.settle()
        away = [name for name, place in self._places(node).items() if place != node]
        for name in away:
            self._cluster.run(f"crm_resource --resource {name} --move --node {node}")
        self._cluster.settle()
        for name in away:
            self._cluster.run(f"crm_resource --resource {name} --clear")
        self._cluster.settle()
        wait_until(lambda: set(self._places(node).values()) == {node}, what=f"all on {node}", timeout=_LONG)

    def _time(self, names: list[str], node: str, act: Callable[[], object]) -> dict[str, _Times]:
        """Do what drives resources off a node, and wait until all of them have started since, and Pacemaker has them.

        That is on another node, if a node that was fenced is not back before the cluster has got so far.
        """
        # Neither the node nor where a planned move leads.
        observer = NAMES[NAMES.index(node) - 1]
        begin = time.time()
        act()
        found: dict[str, _Times] = {}

        def run_again() -> bool:
            places = self._places(observer)
            now = time.time()
            for name in set(names) - set(found):
                at, since = self._last_start(name)
                if since > begin and places.get(name) == at:
                    found[name] = _Times(since - begin, now - begin)
            # So that looking costs the cluster little.
            time.sleep(0.05)
            return len(found) == len(names)

        try:
            wait_until(run_again, what=f"{', '.join(names)} away from {node}", timeout=_LONG)
        except TimeoutError as error:
            seen = self._cluster.run("crm_mon --one-shot --inactive --failcounts", on=observer)
            raise TimeoutError(f"{error}; fenced: {self._cluster.fenced}\n{seen}") from error
        return found

    def _places(self, observer: str) -> Mapping[str, str]:
        """Where each resource runs, as Pacemaker has it; one that is being started or stopped is nowhere."""
        xml = self._cluster.run("crm_mon --one-shot --output-as=xml --include=none,resources", on=observer)
        places = {}
        for resource in ET.fromstring(xml).iter("resource"):  # noqa: S314 - of our own node
            node = resource.find("node")
            if node is not None and resource.get("role") == "Started" and not resource.get("pending"):
                places[resource.get("id", "")] = node.get("name", "")
        return places

    def _last_start(self, name: str) -> tuple[str, float]:
        """On which node a program has started last, and when."""
        node, when = (self._marks / name).read_text().splitlines()[-1].split()
        return node, float(when)
