"""What a switch of one group takes beside 1,000 groups of ten entries, ten of them active, against the group alone."""

from bench import inputs
from bench.figures import Figure, show
from bench.node import Case, Sample, Switch, activate, daemon_node, measure
from lab.node import Node

ROUNDS = 20
AIM = 1.5

_GROUPS = 1_000
_ACTIVE_GROUPS = 10

_GROUP = inputs.group_name(0)
# From level 1, where nothing runs on, to level 3, of nine entries.
_BELOW = (("clinit", "--wait", _GROUP, "1"),)
_CASES = (
    Case("clinit --wait", ("clinit", "--wait", _GROUP, inputs.HIGHEST), _BELOW),
    Case("the daemon alone, over its socket", Switch(_GROUP, inputs.HIGHEST), _BELOW),
    Case("again: the present level", Switch(_GROUP, inputs.HIGHEST), (("clinit", "--wait", _GROUP, inputs.HIGHEST),)),
    Case("systemctl start", ("systemctl", "start", f"clinit-{_GROUP}@{inputs.HIGHEST}.target"), _BELOW),
)


def run(rounds: int | None = None) -> None:
    """Measure and print."""
    rounds = rounds or ROUNDS
    with (
        daemon_node(inputs.table(inputs.PER_GROUP)) as alone,
        daemon_node(inputs.table(_GROUPS * inputs.PER_GROUP)) as many,
    ):
        activate(many, _ACTIVE_GROUPS)
        samples = _alternate({"alone": alone, "many": many}, rounds)
    for kind, title in (("wall", "wall time"), ("manager", "CPU time of PID 1")):
        figures = [
            Figure(
                case.name,
                _times(samples["many"][case.name], kind),
                _times(samples["alone"][case.name], kind),
                AIM if kind == "wall" and case is _CASES[0] else None,
            )
            for case in _CASES
        ]
        show(f"many_groups: {title} with {_GROUPS} groups, against the group alone", figures, rounds)


def _times(samples: list[Sample], kind: str) -> list[float]:
    return [float(getattr(sample, kind)) for sample in samples]


def _alternate(nodes: dict[str, Node], rounds: int) -> dict[str, dict[str, list[Sample]]]:
    """Measure all cases on each node once in each round, each round beginning with the other node."""
    samples: dict[str, dict[str, list[Sample]]] = {name: {case.name: [] for case in _CASES} for name in nodes}
    names = list(nodes)
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            for case, taken in measure(nodes[name], _CASES, 1).items():
                samples[name][case] += taken
    return samples
