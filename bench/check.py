"""What ``cltab2systemd check`` takes of CPU time for 10,000 entries: CI runs it for each push."""

from bench import inputs
from bench.figures import Figure, show
from bench.node import Case, measure
from lab.install import installed_layer
from lab.node import Node

ROUNDS = 9
ENTRIES = 10_000
AIM_SECONDS = 1.0

_BARE = Case("python3 -c pass", ("/usr/bin/python3", "-c", "pass"))
_CHECK = Case(f"check of {ENTRIES} entries", ("cltab2systemd", "check", "/run/large"))
_CASES = (
    _BARE,
    Case("check of 10 entries", ("cltab2systemd", "check", "/run/small")),
    _CHECK,
    Case("sh -n of a script of the same commands", ("/bin/sh", "-n", "/run/script")),
)


def run(rounds: int | None = None) -> None:
    """Measure and print."""
    rounds = rounds or ROUNDS
    table = inputs.table(ENTRIES)
    with Node("bench", layers=[installed_layer()]) as node:
        node.write("/run/small", inputs.table(10))
        node.write("/run/large", table)
        node.write("/run/script", "".join(line.split(":", 4)[4] + "\n" for line in table.splitlines()))
        samples = measure(node, _CASES, rounds)
    cpu = {name: [sample.cpu for sample in taken] for name, taken in samples.items()}
    show(
        f"check: CPU time with all children, against {_BARE.name}",
        [Figure(name, times, cpu[_BARE.name]) for name, times in cpu.items()],
        rounds,
    )
    least = min(cpu[_CHECK.name])
    missed = "" if least <= AIM_SECONDS else "  above the aim"
    print(f"\n  {_CHECK.name}: {least:.2f} s at the least, aim: under {AIM_SECONDS:.0f} s{missed}")
