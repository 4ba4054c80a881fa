"""What the daemon and systemd still hold after 100,000 requests and 10,000 switches. Minutes, so only run by name."""

import json
from pathlib import Path
from typing import Any

from bench.node import service_node
from lab.node import Node
from lab.waiting import wait_until

BLOCKS = 10

_REQUESTS = 10_000
_SWITCHES = 1_000
_GROUPS = [f"g{number}" for number in range(8)]
# The respawn entry has to be stopped, the test fails, and level 0 is empty.
_GROUP = """\
{0}:{0}_a:12:wait:true
{0}:{0}_b:2:respawn:exec sleep 1000
{0}:{0}_c:13:once:true
{0}:{0}_d:4:test:false
"""
_LOAD = "/bench/load.py"
# What systemd answers with an error, in a file, a line each.
_MONITOR = "busctl --json=short monitor --match \"type='error',sender='org.freedesktop.systemd1'\" >/run/refused"
_REFUSED = (
    "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "ResetFailedUnit", "s",
    "no-such.service",
)  # fmt: skip
_PATIENCE = 3600.0


def run(blocks: int | None = None) -> None:
    """Load the daemon, and print what it and PID 1 hold after each block."""
    table = "".join(_GROUP.format(group) for group in _GROUPS)
    with service_node(table) as node:
        node.run("systemd-run", "--quiet", "--unit=refused", "sh", "-c", _MONITOR)
        # One that is known to be refused, so that the count is seen to work.
        wait_until(lambda: node.run("systemctl", "is-active", "refused", check=False).stdout == "active\n")
        wait_until(lambda: _provoke(node), what="the monitor counts")
        node.write(_LOAD, Path(__file__).with_name("load.py").read_text(encoding="utf-8"))
        samples = _load(node, blocks or BLOCKS)
    print(f"\nsoak: after each {_REQUESTS:,} requests and {_SWITCHES:,} switches; resident memory in KiB\n")
    print("  block  seconds   daemon  its files    PID 1  units  jobs  refused by systemd")
    for sample in samples:
        print(
            f"  {sample['block']:5}  {sample['seconds']:7.1f}  {sample['daemon']:7}  {sample['files']:9}"
            f"  {sample['manager']:7}  {sample['units']:5}  {sample['jobs']:4}  {sample['refused']:5}"
            f"{'' if sample['pid'] else '  another process!'}"
        )
    for name in ("answers", "outcomes"):
        counted = sorted(samples[-1][name].items())
        print(f"\n  {name}: {', '.join(f'{count:,} {kind}' for kind, count in counted)}")


def _provoke(node: Node) -> bool:
    """Whether the monitor has counted a call that systemd refuses."""
    node.run("busctl", "call", *_REFUSED, check=False)
    return bool(node.read("/run/refused"))


def _load(node: Node, blocks: int) -> list[dict[str, Any]]:
    order = {"groups": _GROUPS, "blocks": blocks, "requests": _REQUESTS, "switches": _SWITCHES}
    done = node.run("/usr/bin/python3", "-I", "-S", _LOAD, input=json.dumps(order), timeout=_PATIENCE)
    return [json.loads(line) for line in done.stdout.splitlines()]
