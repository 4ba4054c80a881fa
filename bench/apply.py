"""What a push takes that changes an entry of each of many groups: `clinit --apply` against systemd alone."""

from bench.figures import Figure, show
from bench.node import Case, daemon_node, measure

ROUNDS = 10
AIM = 3.0
GROUPS = 50

_TABLE = "".join(f"g{number}:g{number}.a:1:respawn:exec sleep 1000\n" for number in range(GROUPS))
_PLAIN = "[Service]\nExecStart=/bin/sleep 1000\nKillSignal=SIGINT\n"
# Each time the other number of seconds.
_OTHER = "sed -i 's/sleep 1000/sleep 3000/; t; s/sleep 3000/sleep 1000/'"
_UNITS = " ".join(f"plain{number}.service" for number in range(GROUPS))

_PUSH = ("sh", "-ec", f"{_OTHER} /etc/cltab")
_EDIT = ("sh", "-ec", f"{_OTHER} /run/systemd/system/plain*.service")
_APPLY = Case("clinit --apply", ("clinit", "--apply"), (_PUSH,))
_SYSTEMCTL = Case(
    "systemctl daemon-reload, restart", ("sh", "-ec", f"systemctl daemon-reload; systemctl restart {_UNITS}"), (_EDIT,)
)
_AGAIN = Case("again: clinit --apply, nothing to do", ("clinit", "--apply"))


def run(rounds: int | None = None) -> None:
    """Measure and print."""
    rounds = rounds or ROUNDS
    with daemon_node(_TABLE) as node:
        for number in range(GROUPS):
            node.write(f"/run/systemd/system/plain{number}.service", _PLAIN)
            node.run("clinit", "--wait", f"g{number}", "1")
        node.run("systemctl", "daemon-reload")
        samples = measure(node, (_SYSTEMCTL, _APPLY, _AGAIN), rounds)
    wall = {name: [sample.wall for sample in taken] for name, taken in samples.items()}
    figures = [
        Figure(case.name, wall[case.name], wall[_SYSTEMCTL.name], AIM if case is _APPLY else None)
        for case in (_SYSTEMCTL, _APPLY, _AGAIN)
    ]
    show(
        f"apply: a push that changes an entry of each of {GROUPS} groups; wall time against systemctl", figures, rounds
    )
