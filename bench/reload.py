"""What a daemon-reload takes with 10,000 entries on disk, against a machine with as many static unit files.

1,000 groups, of which ten are at their highest level. README.md says what the other machines are.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from bench import inputs
from bench.figures import Figure, show
from bench.node import Case, Sample, daemon_node, measure
from lab.node import Node

ROUNDS = 15
AIM = 1.1

_ENTRIES = 10_000
_GROUPS = _ENTRIES // inputs.PER_GROUP
_ACTIVE_GROUPS = 10
_LEVEL = "3"
_UNITS = "/run/systemd/system"
_PATTERNS = ("app*", "clinit-*", "clinitgate-*", "clinitbarrier-*")
_RELOAD = Case("systemctl daemon-reload", ("systemctl", "daemon-reload"))
# Seconds for a command: systemd reads thousands of files first.
_PATIENCE = 300.0


def run(rounds: int | None = None) -> None:
    """Measure and print."""
    rounds = rounds or ROUNDS
    with _ours() as ours:
        files = _files(ours)
        loaded, active = _loaded(ours)
        per_group = files // _GROUPS
        referred = loaded // _ACTIVE_GROUPS
        # The target is active as well.
        wanted = active // _ACTIVE_GROUPS - 1
        with _static("as-many", per_group, wanted, referred) as same, _static("fewer", per_group, wanted, 0) as fewer:
            nodes = {
                "static units, as many loaded and active": same,
                "ours": ours,
                "static units, as many active, no other loaded": fewer,
            }
            for name, node in nodes.items():
                loaded, active = _loaded(node)
                print(f"reload: {name}: {_files(node)} files, {loaded} units of them loaded, {active} active")
            samples = _alternate(nodes, rounds)
    others = [name for name in samples if name != "ours"]
    for kind in ("wall", "manager"):
        title = "wall time" if kind == "wall" else "CPU time of PID 1 alone, without generators"
        times = {name: [float(getattr(sample, kind)) for sample in taken] for name, taken in samples.items()}
        show(
            f"reload: {title} of a daemon-reload",
            [Figure(f"ours : {name}", times["ours"], times[name], AIM if kind == "wall" else None) for name in others]
            + [Figure(f"{name} : ours", times[name], times["ours"]) for name in others],
            rounds,
        )


def _alternate(nodes: dict[str, Node], rounds: int) -> dict[str, list[Sample]]:
    """Reload each node once in each round, each round beginning with another; a reload of each warms up."""
    samples: dict[str, list[Sample]] = {name: [] for name in nodes}
    names = list(nodes)
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            samples[name] += measure(nodes[name], (_RELOAD,), 1)[_RELOAD.name]
    return samples


@contextmanager
def _ours() -> Iterator[Node]:
    with daemon_node(inputs.table(_ENTRIES)) as node:
        for number in range(_ACTIVE_GROUPS):
            node.run("clinit", "--wait", inputs.group_name(number), _LEVEL, timeout=_PATIENCE)
        yield node


@contextmanager
def _static(name: str, files: int, active: int, loaded: int) -> Iterator[Node]:
    """A node without the project: so many files for each group, and of ten groups so many units active.

    With loaded, a target for each group starts them, and refers to others, so that so many units are loaded.
    """
    with Node(f"bench-{name}") as node:
        # Straight through /proc: a Node.write for each of thousands of files would take its time.
        directory = node.path(_UNITS)
        directory.mkdir(parents=True, exist_ok=True)
        for number in range(_GROUPS):
            group = inputs.group_name(number)
            services = [f"{group}-{index}.service" for index in range(files - 1)]
            for service in services:
                (directory / service).write_text(inputs.service(service))
            (directory / f"{group}.target").write_text(inputs.target(group, services[:active], services[: loaded - 1]))
        node.run("systemctl", "daemon-reload", timeout=_PATIENCE)
        for number in range(_ACTIVE_GROUPS):
            group = inputs.group_name(number)
            units = [f"{group}.target"] if loaded else [f"{group}-{index}.service" for index in range(active + 1)]
            node.run("systemctl", "start", *units, timeout=_PATIENCE)
        yield node


def _files(node: Node) -> int:
    return sum(1 for _ in node.path(_UNITS).iterdir())


def _loaded(node: Node) -> tuple[int, int]:
    """How many units of the groups' are loaded, and how many of these are active."""
    listed = node.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "--full", *_PATTERNS).stdout
    states = [line.split()[2] for line in listed.splitlines()]
    return len(states), states.count("active")
