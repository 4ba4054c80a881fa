"""What the generator costs a boot, against other generators with as many lines, and how that grows with the table."""

from bench.figures import Figure, show
from bench.generators import CRON, OURS, SYSV, add_full_tree, call, generator_node, has_cron, use, written
from bench.node import Case, measure

ROUNDS = 7
AIM = 1.0

_SIZES = (100, 1_000, 10_000)
_COMPARED = (1_000, 10_000)


def run(rounds: int | None = None) -> None:
    """Measure and print."""
    rounds = rounds or ROUNDS
    with generator_node() as node:
        for size in _SIZES:
            add_full_tree(node, size)
        others = {"systemd-cron": CRON} if has_cron(node) else {}
        others["systemd-sysv-generator"] = SYSV
        generators = {"ours": OURS, **others}
        cases = [Case(_name("ours", size), call(OURS), (use(str(size)),)) for size in _SIZES]
        cases += [
            Case(_name(name, size), call(path), (use(str(size)),))
            for size in _COMPARED
            for name, path in others.items()
        ]
        volumes = {
            _name(name, size): written(node, path, str(size)) for size in _COMPARED for name, path in generators.items()
        }
        samples = measure(node, cases, rounds)
    wall = {name: [sample.wall for sample in taken] for name, taken in samples.items()}
    cpu = {name: [sample.cpu for sample in taken] for name, taken in samples.items()}
    print("\ngenerator_full: what each writes\n")
    for name, (files, size) in volumes.items():
        print(f"  {name:40} {files:6} files {size / 1e6:6.1f} MB")
    for size in _COMPARED:
        for kind, times in (("wall", wall), ("CPU", cpu)):
            ours = times[_name("ours", size)]
            figures = [
                Figure(f"ours : {name}", ours, times[_name(name, size)], AIM if name == "systemd-cron" else None)
                for name in others
            ]
            figures += [Figure(f"{name} : ours", times[_name(name, size)], ours) for name in others]
            show(f"generator_full: {kind} time for {size} lines", figures, rounds)
    each = {size: [time / size for time in wall[_name("ours", size)]] for size in _SIZES}
    show(
        f"generator_full: growth; wall time for each entry, against a table of {_SIZES[0]}",
        [Figure(f"each of {size}", each[size], each[_SIZES[0]], AIM if size > _SIZES[0] else None) for size in _SIZES],
        rounds,
    )
    show(
        f"generator_full: growth; wall time for each entry, against a table of {_SIZES[1]}",
        [Figure(f"each of {_SIZES[2]}", each[_SIZES[2]], each[_SIZES[1]], AIM)],
        rounds,
    )


def _name(generator: str, size: int) -> str:
    return f"{generator}, {size} lines"
