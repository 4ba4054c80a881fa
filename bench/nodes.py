"""What it takes to see 200 nodes over ssh, against ClusterShell's own clush: time and memory.

One real node stands for all of them. In place of ssh is a script that answers as they would: most at once and alike,
some slowly, some otherwise, some not at all.
"""

import json
import statistics

from bench import inputs
from bench.figures import Figure, show
from bench.node import Case, activate, measure, service_node
from lab.node import Node
from lab.programs import installed

ROUNDS = 10

_GROUPS = 4
_NODES = "n[1-200]"
# Twenty nodes are slow, ten have another table, four are dead. What a node is asked for is its last word.
_SSH = """\
#!/bin/sh
for word; do node=$command command=$word; done
case $node in
n?9) sleep 0.3 ;;
n1?3) answer=/bench/other ;;
n50 | n51 | n120 | n121)
	echo "ssh: connect to host $node port 22: No route to host" >&2
	exit 255
	;;
esac
[ "$command" = true ] || exec cat "${answer:-/bench/answer}"
"""
_CLUSH = Case(f"clush -w {_NODES} true", ("clush", "-w", _NODES, "true"))
_CASES = (
    _CLUSH,
    Case("clush -b, clinitctl status", ("clush", "-b", "-w", _NODES, "clinitctl status --json")),
    Case("clinitctl nodes -w", ("clinitctl", "nodes", "-w", _NODES), code=8),
    Case("clinitctl nodes -w --json", ("clinitctl", "nodes", "--json", "-w", _NODES), code=8),
)
_PEAK = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, "
    "stderr=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


def run(rounds: int | None = None) -> None:
    """Measure and print."""
    rounds = rounds or ROUNDS
    with service_node(inputs.table(_GROUPS * inputs.PER_GROUP), installed("clustershell")) as node:
        activate(node, _GROUPS)
        size = _prepare(node)
        samples = measure(node, _CASES, rounds)
        peaks = {case.name: _peak(node, case) for case in _CASES}
    for kind in ("wall", "cpu"):
        times = {name: [getattr(sample, kind) for sample in taken] for name, taken in samples.items()}
        figures = [Figure(name, taken, times[_CLUSH.name]) for name, taken in times.items()]
        show(f"nodes: {kind} time of 200 nodes, {size / 1000:.0f} kB each, against {_CLUSH.name}", figures, rounds)
    print()
    for name, kilobytes in peaks.items():
        print(f"  {name:{max(map(len, peaks))}}  at most {kilobytes / 1024:5.1f} MiB of memory")


def _prepare(node: Node) -> int:
    """Write what nodes answer; how long that is, in bytes."""
    answer = node.run("clinitctl", "status", "--json").stdout
    found = json.loads(answer)
    found["table"]["digest"] = "0" * 16
    node.write("/bench/answer", answer)
    node.write("/bench/other", json.dumps(found, indent=2))
    node.write("/bench/ssh", _SSH, mode=0o755)
    node.shell("sed -i 's,^#ssh_path:.*,ssh_path: /bench/ssh,' /etc/clustershell/clush.conf")
    return len(answer)


def _peak(node: Node, case: Case) -> float:
    """What the largest process of a case had in memory at most, in KiB: the median of five."""
    assert isinstance(case.what, tuple)
    taken = [int(node.run("/usr/bin/python3", "-c", _PEAK, *case.what).stdout) for _ in range(5)]
    return statistics.median(taken)
