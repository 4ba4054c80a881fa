"""How long it takes until the resources of bench.alike run again on a cluster, and until Pacemaker says so.

Nodes share one clock.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from bench.alike import KINDS, MARKS, cluster
from lab.cluster import NAMES, Cluster
from lab.waiting import wait_until

_LONG = 90.0


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds since the event: until the program ran again, and until Pacemaker said that its resource does."""

    runs: float
    said: float


class Stopwatch:
    """Sees to where the resources of a cluster are, and how long it is until they are elsewhere."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def gather(self, node: str) -> None:
        """Bring all resources to a node, and wait until the cluster has nothing to do."""
        self.cluster.await_online(*NAMES)
        self.cluster.settle()
        away = [name for name in KINDS if self.places(node).get(name) != node]
        for name in away:
            self.cluster.run(f"crm_resource --resource {name} --move --node {node}")
        self.cluster.settle()
        self.clear(*away)
        everywhere = dict.fromkeys(KINDS, node)
        wait_until(lambda: self.places(node) == everywhere, what=f"all on {node}", timeout=_LONG)

    def clear(self, *names: str) -> None:
        """Take back that resources were moved, and what has failed, and wait until the cluster has nothing to do."""
        for name in names:
            self.cluster.run(f"crm_resource --resource {name} --clear")
        if "Failed Resource Actions" in self.cluster.run("crm_mon --one-shot"):
            self.cluster.run("crm_resource --cleanup")
        self.cluster.settle()

    def time(
        self, names: Iterable[str], act: Callable[[], object], *, seen_from: str, not_on: str = ""
    ) -> dict[str, Times]:
        """Act, and wait until resources have started since then, and Pacemaker has them where they have.

        Args:
            names: the resources.
            act: what drives them off, or starts them. It may end later than they have started.
            seen_from: the node on which Pacemaker is asked.
            not_on: a node on which a start does not count.
        """
        wanted = set(names)
        found: dict[str, Times] = {}

        def run_again() -> bool:
            places = self.places(seen_from)
            now = time.time()
            for name in wanted - set(found):
                at, since = self.last_start(name)
                if since > begin and at != not_on and places.get(name) == at:
                    found[name] = Times(since - begin, now - begin)
            # So that looking costs the cluster little.
            time.sleep(0.05)
            return set(found) == wanted

        try:
            with ThreadPoolExecutor(1) as pool:
                begin = time.time()
                acting = pool.submit(act)
                wait_until(run_again, what=f"{', '.join(wanted)} run again", timeout=_LONG)
            acting.result()
        except TimeoutError as error:
            seen = self.cluster.run("crm_mon --one-shot --inactive --failcounts", on=seen_from, check=False)
            raise TimeoutError(f"{error}; fenced: {self.cluster.fenced}\n{seen}") from error
        return found

    def places(self, seen_from: str) -> Mapping[str, str]:
        """Where each resource runs, as Pacemaker has it; one that is being started or stopped is nowhere.

        All are nowhere while Pacemaker does not answer on that node.
        """
        if not self.cluster.nodes[seen_from].is_on:
            return {}
        ask = "crm_mon --one-shot --output-as=xml --include=none,resources 2>/dev/null"
        answer = self.cluster.run(ask, on=seen_from, check=False) or "<none/>"
        places = {}
        for resource in ET.fromstring(answer).iter("resource"):  # noqa: S314 - of our own node
            node = resource.find("node")
            running = resource.get("role") == "Started" and not resource.get("pending")
            if node is not None and running and resource.get("id") in KINDS:
                places[resource.get("id", "")] = node.get("name", "")
        return places

    def last_start(self, name: str) -> tuple[str, float]:
        """On which node a program has started last, and when."""
        node, when = self.starts(name)[-1].split()
        return node, float(when)

    def starts(self, name: str) -> list[str]:
        """All starts of a program, as it has written them."""
        return (self.cluster.shared / MARKS / name).read_text().splitlines()


Event = Callable[[Stopwatch, str], Mapping[str, Times]]
"""Has something happen to a node, and times resources."""
NO_AIMS: Mapping[str, Mapping[str, float]] = {}


def measure(
    title: str, events: Mapping[str, Event], rounds: int, aims: Mapping[str, Mapping[str, float]] = NO_AIMS
) -> None:
    """Have events happen to the nodes of a cluster in turn, each so many times, and print their times.

    Args:
        title: of the benchmark.
        events: by what they are called.
        rounds: how often each happens.
        aims: of some events and resources, in seconds until they run, in the median.
    """
    with cluster() as made:
        watch = Stopwatch(made)
        print(f"\n{title}: seconds from the event, median and worst of {rounds}\n")
        print(f"  {'':20}  {'':18}  runs            Pacemaker says so")
        for event, act in events.items():
            _show(event, [act(watch, NAMES[number % len(NAMES)]) for number in range(rounds)], aims.get(event, {}))
        copies = Counter(made.violations().split())
    print("\n  started beside a copy that still ran on another node:")
    for name in ("group", "unit"):
        print(f"  {copies[name]:5}  {KINDS[name]}")


def other(node: str, by: int = 1) -> str:
    """Another node: the next of NAMES, or one further."""
    return NAMES[(NAMES.index(node) + by) % len(NAMES)]


def _show(event: str, rounds: Sequence[Mapping[str, Times]], aims: Mapping[str, float]) -> None:
    """Print a line for each resource."""
    for name in filter(rounds[0].__contains__, KINDS):
        runs = [times[name].runs for times in rounds]
        said = [times[name].said for times in rounds]
        median = statistics.median(runs)
        judged = f"   aim {aims[name]:.1f}{', missed' if median > aims[name] else ''}" if name in aims else ""
        print(
            f"  {event:20}  {KINDS[name]:18}  {median:6.2f}  {max(runs):6.2f}   "
            f"{statistics.median(said):6.2f}  {max(said):6.2f}{judged}",
            flush=True,
        )
