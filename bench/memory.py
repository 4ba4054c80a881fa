"""What the daemon holds of 10,000 entries, resident, against supervisord with as many programs."""

import re
import subprocess
import sys
from pathlib import Path

from bench import inputs
from bench.node import activate, service_node
from bench.packages import unpacked
from cltab2systemd.node.spec import Bind
from lab.node import Node
from lab.waiting import wait_until

AIM = 1.0

_ENTRIES = 10_000
_ACTIVE_GROUPS = 10
_SUPERVISOR = "/yardsticks/supervisor"
_CONFIGURATION = "/etc/supervisord.conf"
_PROGRAM = "[program:{0}]\ncommand={1}\nautostart=false\n"
_PATIENCE = 300.0


def run(_rounds: int | None = None) -> None:
    """Measure and print; a second round would give the same."""
    try:
        supervisor = unpacked("supervisor") / "usr/lib/python3/dist-packages"
    except (OSError, subprocess.SubprocessError) as error:
        print(f"bench: without supervisord: {error}", file=sys.stderr)
        supervisor = None
    ours = _ours()
    print(f"\nmemory: resident memory of a daemon with {_ENTRIES} entries, or programs (MiB)\n")
    yardstick = None if supervisor is None else _supervisord(supervisor)
    if yardstick is not None:
        print(f"  {'supervisord, none of them started':40} {yardstick / 1024:6.1f}")
    for name, resident in ours.items():
        ratio = "" if yardstick is None else f"  {resident / yardstick:5.2f}  aim <= {AIM}"
        print(f"  {name:40} {resident / 1024:6.1f}{ratio}")


def _ours() -> dict[str, int]:
    figures = {}
    with service_node("") as node:
        figures["no entry"] = _resident(node, _daemon(node))
        node.write("/etc/cltab", inputs.table(_ENTRIES))
        activate(node, _ACTIVE_GROUPS)
        figures["ours, which has applied them"] = _resident(node, _daemon(node))
        node.run("systemctl", "restart", "clinit.service", timeout=_PATIENCE)
        node.run("clinit", inputs.group_name(0), inputs.HIGHEST, timeout=_PATIENCE)
        figures["ours, started again"] = _resident(node, _daemon(node))
    return figures


def _supervisord(package: Path) -> int:
    with Node("bench-supervisor", binds=[Bind(package, Path(_SUPERVISOR))]) as node:
        programs = "".join(_PROGRAM.format(name, _escaped(command)) for name, command in inputs.commands(_ENTRIES))
        node.write(_CONFIGURATION, f"[supervisord]\nnodaemon=true\nlogfile=/run/supervisord.log\n{programs}")
        node.run(
            "systemd-run", "--quiet", "--unit=supervisord", f"--setenv=PYTHONPATH={_SUPERVISOR}",
            "/usr/bin/python3", "-m", "supervisor.supervisord", "-c", _CONFIGURATION,
        )  # fmt: skip
        wait_until(
            lambda: node.exists("/run/supervisord.log") and "supervisord started" in node.read("/run/supervisord.log"),
            timeout=_PATIENCE,
            what="supervisord is up",
        )
        return _resident(node, int(node.run("systemctl", "show", "--value", "-pMainPID", "supervisord").stdout))


def _escaped(command: str) -> str:
    """A command as its configuration wants it, without what begins a comment."""
    return command.replace("%", "%%").replace(";", "\\;").replace('"', "'")


def _daemon(node: Node) -> int:
    return int(node.run("systemctl", "show", "--value", "-pMainPID", "clinit.service").stdout)


def _resident(node: Node, pid: int) -> int:
    """The resident memory of a process, in KiB."""
    found = re.search(r"VmRSS:\s+(\d+)", node.read(f"/proc/{pid}/status"))
    assert found is not None
    return int(found[1])
