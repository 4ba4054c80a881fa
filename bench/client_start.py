"""What a request costs the client in CPU time, against the bare interpreter: HA managers make them by the dozen."""

from bench.figures import Figure, show
from bench.node import SOCKET, Case, daemon_node, measure

ROUNDS = 60
AIM = 3.0

_BARE = ("/usr/bin/python3", "-I", "-S", "-c", "pass")
_SETTLED = (("clinit", "--wait", "web", "3"),)
_IMPORT_CLICK = (*_BARE[:-1], "import sys; sys.path.append('/usr/lib/python3/dist-packages'); import click")
_CASES = (
    Case("python3 -I -S -c pass", _BARE, _SETTLED),
    Case("python3 -c pass", ("/usr/bin/python3", "-c", "pass"), _SETTLED),
    Case("clinit web 3", ("clinit", "web", "3"), _SETTLED),
    Case("clinit --wait web 3", ("clinit", "--wait", "web", "3"), _SETTLED),
    # The same request, but an option beside it takes it through click.
    Case("clinit -s SOCKET web 3", ("clinit", "-s", SOCKET, "web", "3"), _SETTLED),
    Case("clinit -v", ("clinit", "-v"), _SETTLED),
    Case("python3 -I -S, import click", _IMPORT_CLICK, _SETTLED),
)


def run(rounds: int | None = None) -> None:
    """Measure and print."""
    rounds = rounds or ROUNDS
    with daemon_node("web:httpd:3:respawn:sleep infinity\n") as node:
        samples = measure(node, _CASES, rounds)
    cpu = {name: [sample.cpu for sample in taken] for name, taken in samples.items()}
    bare = cpu[_CASES[0].name]
    show(
        f"client_start: CPU time of a client, against {_CASES[0].name}",
        [Figure(name, times, bare, AIM if name == "clinit web 3" else None) for name, times in cpu.items()],
        rounds,
    )
