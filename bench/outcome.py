"""How soon clstat tells how a switch went: from the end of the last `wait` or `test` to DONE or FAILED in the file.

Beside 100 active groups. The last entry reads a FIFO, so that the end is given from outside, at a known time.
"""

import json
import statistics
from pathlib import Path

from bench import inputs
from bench.node import activate, daemon_node
from lab.node import Node

ROUNDS = 60
AIM = 20.0

_ACTIVE_GROUPS = 100
_FIFO = "/run/bench-fifo"
_TABLE = f"""\
timed:timed_first:12:wait:true
timed:timed_wait:1:wait:read line <{_FIFO}
timed:timed_test:2:test:read line <{_FIFO}; exit 1
"""
_WATCH = "/bench/watch.py"
_PATIENCE = 1200.0


def run(rounds: int | None = None) -> None:
    """Measure and print."""
    rounds = rounds or ROUNDS
    with daemon_node(inputs.table(_ACTIVE_GROUPS * inputs.PER_GROUP) + _TABLE) as node:
        activate(node, _ACTIVE_GROUPS)
        measured = {
            "the last `wait`, DONE": _watch(node, "1", "DONE", "timed_wait", rounds),
            "the last `test`, FAILED": _watch(node, "2", "FAILED", "timed_test", rounds),
        }
    print(f"\noutcome: from an exit to clstat, with {_ACTIVE_GROUPS} active groups (ms, {rounds} rounds)\n")
    print("                                                    median     aim   quartiles     longest")
    for name, (since_told, since_seen) in measured.items():
        for what, times in (("from what makes it end", since_told), ("from when systemd knows", since_seen)):
            low, median, high = statistics.quantiles(times, n=4, method="inclusive")
            aim = f"<= {AIM:.0f}" + ("  above the aim" if median > AIM else "")
            print(f"  {name:24} {what:24} {median:6.1f}   {aim}   {low:4.1f} - {high:4.1f}   {max(times):6.1f}")


def _watch(node: Node, level: str, state: str, tag: str, rounds: int) -> tuple[list[float], list[float]]:
    node.write(_WATCH, Path(__file__).with_name("watch.py").read_text(encoding="utf-8"))
    order = {
        "group": "timed", "level": level, "state": state, "unit": f"clinit-timed@{tag}.service", "fifo": _FIFO,
        "rounds": rounds,
    }  # fmt: skip
    done = node.run("/usr/bin/python3", "-I", "-S", _WATCH, input=json.dumps(order), timeout=_PATIENCE)
    times = json.loads(done.stdout)
    return [time["told"] for time in times], [time["seen"] for time in times]
