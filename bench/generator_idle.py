"""What the generator costs each daemon-reload once the daemon has taken over, against systemd's sysv-generator.

That is a C program, and has nothing to do either: no init script, no rcN.d link.
"""

from bench import inputs
from bench.figures import Figure, show
from bench.generators import OURS, SYSV, add_tree, call, generator_node, use
from bench.node import Case, measure

ROUNDS = 200
AIM = 1.0

_EMPTY = (use("small"),)
_YARDSTICK = Case("systemd-sysv-generator, empty tree", call(SYSV), _EMPTY)
_OURS = Case("ours, the daemon has taken over", call(OURS), _EMPTY)
_CASES = (
    _YARDSTICK,
    _OURS,
    Case("/bin/sh -c :", ("/bin/sh", "-c", ":"), _EMPTY),
    Case("/bin/true", ("/bin/true",), _EMPTY),
)


def run(rounds: int | None = None) -> None:
    """Measure and print."""
    rounds = rounds or ROUNDS
    with generator_node() as node:
        add_tree(node, "small", inputs.table(10))
        node.write("/run/cltab2systemd/system/taken-over", "")
        samples = measure(node, _CASES, rounds)
    for kind in ("wall", "cpu"):
        times = {name: [float(getattr(sample, kind)) for sample in taken] for name, taken in samples.items()}
        show(
            f"generator_idle: {kind} time of one run, against {_YARDSTICK.name}",
            [
                Figure(case.name, times[case.name], times[_YARDSTICK.name], AIM if case is _OURS else None)
                for case in _CASES
            ],
            rounds,
        )
