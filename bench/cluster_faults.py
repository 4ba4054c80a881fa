"""How long a group takes to another node if a node is ill, against the same two resources as in bench.cluster.

Each resource is seen by itself, but for the stop that hangs. What hangs includes the time-out of the operation,
alike.TIMEOUT.
"""

from collections.abc import Iterable, Mapping
from functools import partial

from bench import alike
from bench.stopwatch import Event, Stopwatch, Times, measure, other

ROUNDS = 10


def run(rounds: int | None = None) -> None:
    """Measure and print."""
    measure("cluster_faults", EVENTS, rounds or ROUNDS)


def start_fails(watch: Stopwatch, node: str) -> Mapping[str, Times]:
    """Each is sent to a node on which what has to come first fails, for the group a `test`."""
    return _start(watch, node, alike.START_FAILS)


def start_hangs(watch: Stopwatch, node: str) -> Mapping[str, Times]:
    """Each is sent to a node on which its start does not end."""
    return _start(watch, node, alike.START_HANGS)


def keeps_dying(watch: Stopwatch, node: str) -> Mapping[str, Times]:
    """The work dies on its node, and again each time that systemd starts it."""
    machine = watch.cluster.nodes[node]
    found: dict[str, Times] = {}
    for name in alike.KINDS:
        watch.gather(node)
        found |= watch.time([name], partial(alike.kill, machine, name), seen_from=other(node), not_on=node)
        alike.heal(machine)
        watch.clear()
    return found


def stop_hangs(watch: Stopwatch, node: str) -> Mapping[str, Times]:
    """All are to leave a node on which no stop ends: the node is fenced, once for all."""
    watch.gather(node)
    alike.sicken(watch.cluster.nodes[node], alike.STOP_HANGS)
    found = watch.time(alike.KINDS, partial(_send, watch, alike.KINDS, other(node)), seen_from=other(node, 2))
    _recover(watch, node)
    return found


def outlives_kill(watch: Stopwatch, node: str) -> Mapping[str, Times]:
    """A program is to leave a node, and SIGKILL does not end it."""
    machine = watch.cluster.nodes[node]
    found: dict[str, Times] = {}
    for name in ("group", "unit"):
        watch.gather(other(node))
        watch.cluster.fenced.clear()
        alike.sicken(machine, alike.SOON_KILLED)
        alike.break_disk(machine)
        _send(watch, [name], node)
        watch.cluster.settle()
        found |= watch.time([name], partial(_send, watch, [name], other(node)), seen_from=other(node), not_on=node)
        if not watch.cluster.fenced:
            # Nothing else ends the program.
            machine.crash()
        _recover(watch, node)
    return found


EVENTS: Mapping[str, Event] = {
    "start that fails": start_fails,
    "start that hangs": start_hangs,
    "program that dies": keeps_dying,
    "stop that hangs": stop_hangs,
    "outlives SIGKILL": outlives_kill,
}


def _start(watch: Stopwatch, node: str, illness: alike.Illness) -> Mapping[str, Times]:
    """Send each resource from a node to another one that is ill."""
    ill = other(node)
    found: dict[str, Times] = {}
    for name in alike.KINDS:
        watch.gather(node)
        alike.sicken(watch.cluster.nodes[ill], illness)
        found |= watch.time([name], partial(_send, watch, [name], ill), seen_from=other(node, 2), not_on=ill)
        alike.heal(watch.cluster.nodes[ill])
        watch.clear(name)
    return found


def _send(watch: Stopwatch, names: Iterable[str], node: str) -> None:
    """Have resources go to a node, all at once."""
    moves = [f"crm_resource --resource {name} --move --node {node} &" for name in names]
    watch.cluster.run(f"{' '.join(moves)} wait", on=node)


def _recover(watch: Stopwatch, node: str) -> None:
    """Have a node back that was fenced, and well."""
    watch.cluster.await_online(node)
    alike.heal(watch.cluster.nodes[node])
    watch.clear(*alike.KINDS)
