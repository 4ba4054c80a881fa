"""A node to measure on: the project installed, a table, the daemon running, and cases measured inside of it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench import inputs
from lab.install import installed_layer
from lab.node import Node
from lab.waiting import wait_until

SOCKET = "/run/clinit/clinit.s"

_ROUNDS = "/bench/rounds.py"
# Seconds for all rounds together.
_PATIENCE = 1200.0


@dataclass(frozen=True, slots=True)
class Switch:
    """A request made straight over the daemon's socket: what the daemon takes, without a client's start."""

    group: str
    level: str


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured, and the commands that come before each time, unmeasured.

    A command has some variables besides those of the node, and ends with an exit code.
    """

    name: str
    what: tuple[str, ...] | Switch
    before: tuple[tuple[str, ...], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    code: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One run, in seconds: cpu is that of the process and its children, manager that of the node's PID 1 meanwhile.

    processes is how many were made in the node meanwhile, the measured one among them; 0 for a call.
    """

    wall: float
    cpu: float
    manager: float
    processes: int


@contextmanager
def daemon_node(table: str) -> Iterator[Node]:
    """Boot a node with the project and a table, start the daemon, and wait until it answers."""
    with Node("bench", layers=[installed_layer()]) as node:
        node.write("/etc/cltab", table)
        node.run("systemd-run", "--quiet", "--unit=clinitd", "--property=IgnoreOnIsolate=yes", "clinit", "-d")
        wait_until(lambda: node.run("clinit", check=False).returncode == 0, what="the daemon answers", timeout=60)
        yield node


@contextmanager
def service_node(table: str, *layers: Path) -> Iterator[Node]:
    """Boot a node with the project, a table and more layers, and start the daemon as the package does: by its units."""
    with Node("bench", layers=[installed_layer(), *layers]) as node:
        node.write("/etc/cltab", table)
        node.run("systemd-sysusers", "/usr/lib/sysusers.d/clinit.conf")
        node.run("systemctl", "enable", "--now", "--quiet", "clinit.service", timeout=300)
        yield node


def activate(node: Node, groups: int) -> None:
    """Bring the first groups of the benchmarks' table to their highest level."""
    for number in range(groups):
        node.run("clinit", "--wait", inputs.group_name(number), inputs.HIGHEST, timeout=300)


def measure(node: Node, cases: Sequence[Case], rounds: int) -> dict[str, list[Sample]]:
    """Run all cases once in each round, and return the samples of each, in the order of the rounds."""
    node.write(_ROUNDS, Path(__file__).with_name("rounds.py").read_text(encoding="utf-8"))
    order = {"rounds": rounds, "cases": [_as_data(case) for case in cases]}
    done = node.run("/usr/bin/python3", "-I", "-S", _ROUNDS, input=json.dumps(order), timeout=_PATIENCE)
    return {name: [Sample(**sample) for sample in samples] for name, samples in json.loads(done.stdout).items()}


def _as_data(case: Case) -> dict[str, object]:
    data: dict[str, object] = {"name": case.name, "before": case.before, "argv": None, "call": None}
    data |= {"environment": dict(case.environment), "code": case.code}
    if isinstance(case.what, Switch):
        message = {"method": "org.clinit.Manager.Switch", "parameters": asdict(case.what), "more": True}
        data["call"] = {"socket": SOCKET, "message": message}
    else:
        data["argv"] = case.what
    return data
