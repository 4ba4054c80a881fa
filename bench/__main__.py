"""``python3 -m bench [NAME...] [--rounds N]``: run benchmarks and print their figures; the figures never fail."""

import argparse
import sys
from collections.abc import Sequence

from bench import (
    agent,
    apply,
    check,
    client_start,
    cluster,
    cluster_faults,
    cluster_quiet,
    generator_full,
    generator_idle,
    idle,
    many_groups,
    memory,
    monitors,
    nodes,
    outcome,
    reload,
    soak,
    status,
    switch,
)
from cltab2systemd.node.command import CommandError
from cltab2systemd.node.errors import NodeError

BENCHMARKS = {
    "client_start": client_start.run,
    "switch": switch.run,
    "generator_idle": generator_idle.run,
    "generator_full": generator_full.run,
    "check": check.run,
    "reload": reload.run,
    "many_groups": many_groups.run,
    "memory": memory.run,
    "apply": apply.run,
    "outcome": outcome.run,
    "status": status.run,
    "agent": agent.run,
    "nodes": nodes.run,
}
# Those that take longer than they tell something new each time: only run by name.
LONG = {
    "cluster": cluster.run,
    "cluster_faults": cluster_faults.run,
    "cluster_quiet": cluster_quiet.run,
    "idle": idle.run,
    "monitors": monitors.run,
    "soak": soak.run,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 1 if there is nothing to measure."""
    parser = argparse.ArgumentParser(prog="python3 -m bench", description="Ratios, measured side by side on one node.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)} (default: all), {', '.join(LONG)}"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each case is run (default: each its own)")
    options = parser.parse_args(argv)
    benchmarks = BENCHMARKS | LONG
    if unknown := [name for name in options.names if name not in benchmarks]:
        parser.error(f"no benchmark {unknown[0]}; there are {', '.join(benchmarks)}")
    if options.rounds is not None and options.rounds < 2:
        parser.error("there is no spread in less than two rounds")
    for name in options.names or BENCHMARKS:
        try:
            benchmarks[name](options.rounds)
        except (NodeError, CommandError, TimeoutError) as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
