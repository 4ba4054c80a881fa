"""What the resource agent costs a cluster, which runs it every few seconds for each group, against other agents.

They are ocf:heartbeat:anything of Debian's resource-agents, which looks after one process, and an empty script.
"""

import statistics

from bench.figures import Figure, show
from bench.node import Case, Sample, measure, service_node
from lab.debs import unpacked
from lab.node import Node

ROUNDS = 50
# Of CPU time and of processes. Seconds, and the agent's own process counts.
AIMS = {"monitor, at its level": (0.010, 5), "probe, stopped": (0.020, None)}

_TABLE = "".join(
    [
        "web:disk:3:wait:true\nweb:httpd:3:respawn:sleep infinity\nweb:log:2,3:respawn:sleep infinity\n",
        "idle:sleeper:3:respawn:sleep infinity\n",
        *(f"many:n{number}:3:respawn:sleep infinity\n" for number in range(50)),
    ]
)
_OURS = "/usr/lib/ocf/resource.d/clinit/group"
_ANYTHING = "/usr/lib/ocf/resource.d/heartbeat/anything"
_EMPTY = "/bench/empty"
_NOT_RUNNING = 7


def environment(resource: str, interval: int = 10, **parameters: str) -> dict[str, str]:
    """What a cluster says to an agent; the interval of its monitor in seconds, 0 for a probe."""
    return {
        "OCF_ROOT": "/usr/lib/ocf",
        "OCF_RA_VERSION_MAJOR": "1",
        "OCF_RESOURCE_INSTANCE": resource,
        "OCF_RESKEY_CRM_meta_timeout": "20000",
        "OCF_RESKEY_CRM_meta_interval": str(interval * 1000),
        **{f"OCF_RESKEY_{name}": value for name, value in parameters.items()},
    }


def _group(name: str, interval: int = 10) -> dict[str, str]:
    return environment(name, interval, group=name, level="3")


def _sleeper(name: str, interval: int = 10) -> dict[str, str]:
    return environment(name, interval, binfile="/usr/bin/sleep", cmdline_options="infinity")


MONITOR = (_OURS, "monitor")
"""The agent of this project, and what it is to do."""
_YARDSTICK = Case("anything: monitor, runs", (_ANYTHING, "monitor"), environment=_sleeper("one"))
_CASES = (
    _YARDSTICK,
    Case("anything: probe, stopped", _YARDSTICK.what, environment=_sleeper("none", 0), code=_NOT_RUNNING),
    Case("monitor, at its level", MONITOR, environment=_group("web")),
    Case("monitor, of 50 entries", MONITOR, environment=_group("many")),
    Case("probe, stopped", MONITOR, environment=_group("idle", 0), code=_NOT_RUNNING),
    Case("an empty sh script", (_EMPTY,)),
)


def run(rounds: int | None = None) -> None:
    """Measure and print."""
    rounds = rounds or ROUNDS
    with service_node(_TABLE, unpacked(None, "resource-agents")) as node:
        _prepare(node)
        samples = measure(node, _CASES, rounds)
    cpu = {name: [sample.cpu for sample in taken] for name, taken in samples.items()}
    for case in (_YARDSTICK, _CASES[-1]):
        show(
            f"agent: CPU time of one action, against {case.name}",
            [Figure(name, times, cpu[case.name]) for name, times in cpu.items()],
            rounds,
        )
    print()
    for name, taken in samples.items():
        print(f"  {name:{max(map(len, samples))}}  {_against_aims(name, taken)}")


def _prepare(node: Node) -> None:
    """Start what the monitors look at, and have each look once: the first one leaves marks."""
    node.write(_EMPTY, "#!/bin/sh\n", mode=0o755)
    for group in ("web", "many"):
        node.run("clinit", "--wait", group, "3", timeout=300)
        node.run(*MONITOR, env=_group(group))
    node.run(_ANYTHING, "start", env=_sleeper("one"))


def _against_aims(name: str, samples: list[Sample]) -> str:
    """CPU time of a case and of PID 1 meanwhile, and processes; and whether they miss an aim."""
    cpu = statistics.median(sample.cpu for sample in samples)
    processes = statistics.median(sample.processes for sample in samples)
    worst = max(sample.cpu for sample in samples)
    manager = statistics.median(sample.manager for sample in samples)
    said = (
        f"{cpu * 1000:5.1f} ms, at most {worst * 1000:.1f} ms; PID 1 {manager * 1000:.1f} ms; {processes:.0f} processes"
    )
    most, number = AIMS.get(name, (None, None))
    if (most is not None and cpu > most) or (number is not None and processes > number):
        said += "  above the aim"
    return said
