"""How often the daemon runs when nothing happens: heartbeat and watchdog, and nothing else. Only run by name."""

import re
import time

from bench import inputs
from bench.node import activate, service_node
from lab.node import Node

SECONDS = 70

_ACTIVE_GROUPS = 10
# What the daemon may wait for the last time after a switch, in seconds.
_REST = 5.0
_LOOK = 0.1


def run(_rounds: int | None = None) -> None:
    """Measure and print."""
    with service_node(inputs.table(_ACTIVE_GROUPS * inputs.PER_GROUP)) as node:
        activate(node, _ACTIVE_GROUPS)
        time.sleep(_REST)
        pid = int(node.run("systemctl", "show", "--value", "-pMainPID", "clinit.service").stdout)
        print(f"\nidle: when the daemon runs in {SECONDS} s, with {_ACTIVE_GROUPS} active groups\n")
        before, began = _switches(node, pid), time.monotonic()
        first, cpu = before, _cpu(node, pid)
        while (now := time.monotonic()) < began + SECONDS:
            found = _switches(node, pid)
            if found != before:
                print(f"  after {now - began:5.1f} s: {found - before} wake-ups")
                before = found
            time.sleep(_LOOK)
        print(f"  in all: {_switches(node, pid) - first} wake-ups, {(_cpu(node, pid) - cpu) / 1e6:.1f} ms of CPU time")


def _switches(node: Node, pid: int) -> int:
    """How often a process has gone to sleep."""
    found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", node.read(f"/proc/{pid}/status"), re.MULTILINE)
    assert found is not None
    return int(found[1])


def _cpu(node: Node, pid: int) -> int:
    """How long a process has run, in nanoseconds."""
    return int(node.read(f"/proc/{pid}/schedstat").split()[0])
