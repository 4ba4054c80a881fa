"""What `clinitctl status` of 1,000 entries and of one group takes, and what those who watch cost the daemon."""

import subprocess
from pathlib import Path

from bench import inputs
from bench.figures import Figure, show
from bench.node import SOCKET, Case, activate, daemon_node, measure
from cltab2systemd.node import command
from lab.node import Node

ROUNDS = 20
AIM = 1.5

_GROUPS = 100
_ENTRIES = "clinit-*@*.service"
_LIST = Case("systemctl list-units", ("systemctl", "list-units", "--all", _ENTRIES))
_MANY = (
    _LIST,
    Case("clinitctl status", ("clinitctl", "status")),
    Case("clinitctl status --json", ("clinitctl", "status", "--json")),
    Case("systemctl show", ("systemctl", "show", _ENTRIES)),
    # Of units that are down the exit code is not 0.
    Case("systemctl status", ("systemctl", "status", "--lines=0", "--state=active", _ENTRIES)),
)
_CLICK = Case("clinit -s SOCKET -v, through click", ("clinit", "-s", SOCKET, "-v"))
_ONE = (
    _CLICK,
    Case("clinitctl status GROUP", ("clinitctl", "status", inputs.group_name(0))),
    Case("clinit -v", ("clinit", "-v")),
    Case("clinitctl --version", ("clinitctl", "--version")),
)

# Whoever is not answered by the daemon asks systemd. The exit code is not 0 then.
_UNANSWERED = Case("clinitctl status", ("sh", "-c", "clinitctl status; :"))
_STRANGER = Case(
    "clinitctl status of nobody", ("sh", "-c", "setpriv --reuid=65534 --regid=65534 --clear-groups clinitctl status; :")
)

_ALONE = "nobody"
_WATCHERS: dict[str, tuple[str, ...]] = {
    _ALONE: (),
    "clinitctl watch, lines": ("sh", "-c", "exec clinitctl watch >/dev/null"),
    "clinitctl watch, a screen": ("script", "--quiet", "--command", "clinitctl watch", "/dev/null"),
    "Describe with more": ("python3", "-c", (
        "from cltab2systemd import varlink\n"
        "from cltab2systemd.client.transport import Connection\n"
        f"c = Connection('{SOCKET}', None); c.send(varlink.call('Describe', {{}}, more=True))\n"
        "while True: c.receive()"
    )),
}  # fmt: skip
# Ten groups go to another level and back, one by one.
_STORM = "".join(
    f"clinit --wait {inputs.group_name(number)} {level} >/dev/null\n"
    for number in range(10)
    for level in ("1", inputs.HIGHEST)
)
_ROUNDS_OF_STORM = 5
_ROUNDS_UNANSWERED = 10


def run(rounds: int | None = None) -> None:
    """Measure and print."""
    rounds = rounds or ROUNDS
    with daemon_node(inputs.table(_GROUPS * inputs.PER_GROUP)) as node:
        activate(node, _GROUPS)
        samples = measure(node, (*_MANY, *_ONE), rounds)
        storms = _storms(node, min(rounds, _ROUNDS_OF_STORM))
        unanswered = _unanswered(node, min(rounds, _ROUNDS_UNANSWERED))
    wall = {name: [sample.wall for sample in taken] for name, taken in samples.items()}
    cpu = {name: [sample.cpu for sample in taken] for name, taken in samples.items()}
    for yardstick, cases in ((_LIST, _MANY), (_CLICK, _ONE)):
        for kind, times in (("wall time", wall), ("CPU time", cpu)):
            figures = [
                Figure(case.name, times[case.name], times[yardstick.name], AIM if case is cases[1] else None)
                for case in cases
            ]
            show(f"status: {kind}, {_GROUPS * inputs.PER_GROUP} entries, against {yardstick.name}", figures, rounds)
    show(f"status without the daemon: wall time, against {_LIST.name}", unanswered, len(unanswered[0].times))
    figures = [Figure(name, times, storms[_ALONE]) for name, times in storms.items()]
    show("status: CPU time of the daemon in 20 switches, by who watches", figures, len(storms[_ALONE]))


def _unanswered(node: Node, rounds: int) -> list[Figure]:
    """The wall times of a status for whom the daemon does not answer, then because it hangs, then if it is gone."""

    def figure(name: str, case: Case) -> Figure:
        found = measure(node, (_LIST, case), rounds)
        times, yardstick = ([sample.wall for sample in found[which.name]] for which in (case, _LIST))
        return Figure(name, times, yardstick)

    figures = [figure("of nobody, who may not ask it", _STRANGER)]
    pid = _daemon(node)
    node.run("kill", "-STOP", pid)
    figures.append(figure("the daemon hangs", _UNANSWERED))
    node.run("kill", "-CONT", pid)
    node.run("systemctl", "stop", "clinitd.service")
    return [*figures, figure("no daemon", _UNANSWERED)]


def _storms(node: Node, rounds: int) -> dict[str, list[float]]:
    """The CPU time of the daemon in each storm, by who watches; the first round warms up."""
    pid = _daemon(node)
    times: dict[str, list[float]] = {name: [] for name in _WATCHERS}
    for number in range(rounds + 1):
        for name, argv in _WATCHERS.items():
            watcher = node.popen(*argv, env={"TERM": "xterm"}, stdout=subprocess.DEVNULL) if argv else None
            node.run("sleep", "1")
            before = _cpu(node, pid)
            node.shell(_STORM, timeout=300)
            spent = _cpu(node, pid) - before
            if watcher is not None:
                command.kill(watcher)
            if number:
                times[name].append(spent)
    return times


def _daemon(node: Node) -> str:
    return node.run("systemctl", "show", "--property=MainPID", "--value", "clinitd.service").stdout.strip()


def _cpu(node: Node, pid: str) -> float:
    """How long a process has run, in seconds."""
    return int(Path(node.path(f"/proc/{pid}/schedstat")).read_text(encoding="ascii").split()[0]) / 1e9
