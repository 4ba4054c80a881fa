"""What a switch takes by the clock, against systemd alone with the same target, for a level of ten ``true``."""

from bench.figures import Figure, show
from bench.node import Case, Switch, daemon_node, measure

ROUNDS = 40
AIM = 1.5

_TABLE = "".join(f"bench:t{number}:1:wait:true\n" for number in range(10))
_FLOOR = "[Unit]\nDescription=Ten commands in one unit\n[Service]\nType=oneshot\n" + "ExecStart=/bin/true\n" * 10

_CLINIT = ("clinit", "--wait", "bench", "1")
_SYSTEMCTL = ("systemctl", "start", "clinit-bench@1.target")
# No entry names level 0.
_EMPTY = (("clinit", "--wait", "bench", "0"),)
_PRESENT = (_CLINIT,)

_SWITCH_SYSTEMCTL = Case("systemctl start", _SYSTEMCTL, _EMPTY)
_SWITCH_CLINIT = Case("clinit --wait", _CLINIT, _EMPTY)
_SWITCH_DAEMON = Case("the daemon alone, over its socket", Switch("bench", "1"), _EMPTY)
_SWITCH_FLOOR = Case("floor: one unit with ten ExecStart=", ("systemctl", "start", "floor.service"), _EMPTY)
_AGAIN_SYSTEMCTL = Case("again: systemctl start", _SYSTEMCTL, _PRESENT)
_AGAIN_CLINIT = Case("again: clinit --wait", _CLINIT, _PRESENT)
_AGAIN_DAEMON = Case("again: the daemon alone", Switch("bench", "1"), _PRESENT)

_SWITCHES = (_SWITCH_SYSTEMCTL, _SWITCH_CLINIT, _SWITCH_DAEMON, _SWITCH_FLOOR)
_AGAINS = (_AGAIN_SYSTEMCTL, _AGAIN_CLINIT, _AGAIN_DAEMON)


def run(rounds: int | None = None) -> None:
    """Measure and print."""
    rounds = rounds or ROUNDS
    with daemon_node(_TABLE) as node:
        node.write("/run/systemd/system/floor.service", _FLOOR)
        node.run("systemctl", "daemon-reload")
        samples = measure(node, (*_SWITCHES, *_AGAINS), rounds)
    wall = {name: [sample.wall for sample in taken] for name, taken in samples.items()}
    for title, cases in (
        ("switch: from an empty level to one of ten `true` wait entries", _SWITCHES),
        ("switch: asking again for the present level", _AGAINS),
    ):
        yardstick = wall[cases[0].name]
        figures = [
            Figure(case.name, wall[case.name], yardstick, AIM if case is _SWITCH_CLINIT else None) for case in cases
        ]
        show(f"{title}; wall time against systemctl start", figures, rounds)
