"""Whether the resource agent ever says something false of groups that nobody touches, under load and in storms.

Beside its monitors and probes, systemd is reloaded and reexecuted, the daemon is killed and restarted, tables are
pushed, and busy loops take the processors. Minutes, so only run by name.
"""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

from bench.agent import MONITOR, environment
from bench.node import service_node
from lab.debs import unpacked
from lab.node import Node

MONITORS = 10_000
# At a time, as Pacemaker runs them on two cores.
_SIDE_BY_SIDE = 4
_BUSY = 4
# Groups at their level, with what their monitor is to say; each is asked as often as the others.
_TABLE = """\
web:disk:3:wait:true
web:httpd:3:respawn:sleep infinity
web:log:2,3:respawn:sleep infinity
job:job:3:once:true
idle:sleeper:3:respawn:sleep infinity
"""
_EXPECTED = {"web": 0, "job": 0, "idle": 7}
# Pushed in turn: the groups that are asked for are the same in each.
_TABLES = (
    _TABLE,
    _TABLE + "other:n1:3:respawn:sleep infinity\n",
    _TABLE + "other:n1:3:once:true\nmore:m:1:wait:true\n",
)
# Asks for a group again and again, and says the exit code of each; of what is not expected, the reason too.
_ASK = """
for _ in $(seq "$1"); do
    said=$("$3" monitor 2>&1)
    code=$?
    echo "$code"
    [ "$code" = "$2" ] || echo "$(date +%T.%N) $code $said" >>/run/false
done
"""
# What happens meanwhile, and how many seconds apart.
_STORMS: tuple[tuple[float, tuple[str, ...]], ...] = (
    (0.5, ("systemctl", "daemon-reload")),
    (2.0, ("systemctl", "daemon-reexec")),
    (5.0, ("systemctl", "--no-block", "restart", "clinit.service")),
    (7.0, ("systemctl", "kill", "--signal=KILL", "clinit.service")),
)
_PUSH_APART = 1.0
_PATIENCE = 7200.0


def run(rounds: int | None = None) -> None:
    """Ask, and print how often, how long each took, and what was false."""
    number = rounds or MONITORS
    with service_node(_TABLE, unpacked(None, "resource-agents")) as node:
        for group in ("web", "job"):
            node.run("clinit", "--wait", group, "3")
        over = Event()
        begin = time.monotonic()
        with ThreadPoolExecutor(_SIDE_BY_SIDE + len(_STORMS) + 1) as pool:
            storms = [pool.submit(_storm, node, over, apart, command) for apart, command in _STORMS]
            storms.append(pool.submit(_push, node, over))
            busy = [node.popen("sh", "-c", "while :; do :; done") for _ in range(_BUSY)]
            try:
                counted = _ask(node, number, pool)
            finally:
                over.set()
                for process in busy:
                    process.kill()
        seconds = time.monotonic() - begin
        happened = [storm.result() for storm in storms]
        false = node.read("/run/false") if node.exists("/run/false") else ""
    _show(seconds, counted, happened, false)


def _ask(node: Node, number: int, pool: ThreadPoolExecutor) -> Counter[tuple[str, str]]:
    """Have the agent asked, several times at once; how often it said which exit code of each group."""
    each = -(-number // _SIDE_BY_SIDE)
    names = list(_EXPECTED)
    asked: list[tuple[str, Future[str]]] = []
    for place in range(_SIDE_BY_SIDE):
        group = names[place % len(names)]
        asked.append((group, pool.submit(_ask_for, node, group, each)))
    return Counter((group, code) for group, answer in asked for code in answer.result().split())


def _ask_for(node: Node, group: str, number: int) -> str:
    expected = _EXPECTED[group]
    # "idle" does not run: of such groups, the cluster only asks once, by a probe.
    variables = environment(group, 10 if expected == 0 else 0, group=group, level="3")
    return node.run(
        "sh", "-c", _ASK, "sh", str(number), str(expected), MONITOR[0], env=variables, timeout=_PATIENCE
    ).stdout


def _storm(node: Node, over: Event, apart: float, command: tuple[str, ...]) -> str:
    """Run a command again and again until it is over; how often, and what."""
    return f"{_repeat(over, apart, lambda _: node.run(*command, check=False).returncode == 0)}  {' '.join(command)}"


def _push(node: Node, over: Event) -> str:
    """Push tables until it is over; how often."""

    def push(number: int) -> bool:
        node.write("/etc/cltab.new", _TABLES[number % len(_TABLES)])
        node.run("mv", "/etc/cltab.new", "/etc/cltab")
        return node.run("clinit", check=False).returncode == 0

    return f"{_repeat(over, _PUSH_APART, push)}  pushes of a table"


def _repeat(over: Event, apart: float, act: Callable[[int], bool]) -> str:
    """Act until it is over; how often, and how often that has failed, as while systemd is being reexecuted."""
    acted = failed = 0
    while not over.wait(apart):
        failed += not act(acted)
        acted += 1
    return f"{acted:7,} ({failed:,} failed)"


def _show(seconds: float, counted: Counter[tuple[str, str]], happened: list[str], false: str) -> None:
    total = sum(counted.values())
    print(f"\nmonitors: {total:,} in {seconds:.0f} s, {_SIDE_BY_SIDE} at a time, beside {_BUSY} busy loops\n")
    for line in happened:
        print(f"  {line}")
    print()
    for (group, code), times in sorted(counted.items()):
        print(f"  {times:7,}  {group}: {code}{'' if code == str(_EXPECTED[group]) else '  false'}")
    print(f"\n  {false.strip() or 'nothing was false'}")
