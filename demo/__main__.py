"""``python3 -m demo [cluster]``: show what the product does, and exit 1 if any of it is not as it says.

Without a word, on one node; with ``cluster``, on three nodes with Pacemaker.
"""

import io
import sys
import time
from collections.abc import Sequence

from cltab2systemd.node.errors import NodeError
from demo import failover, steps
from demo.stage import Stage, StepError
from lab import packaged, programs
from lab.cluster import NAMES, PACKAGES, Cluster
from lab.install import installed_layer
from lab.node import Node


def main(argv: Sequence[str]) -> int:
    """Play the demo that the command line names, and return the exit code."""
    demos = {(): _one_node, ("cluster",): _three_nodes}
    if tuple(argv) not in demos:
        print("usage: python3 -m demo [cluster]", file=sys.stderr)
        return 2
    if isinstance(sys.stdout, io.TextIOWrapper):
        # To be followed through a pipe, too, and so that an error comes after what led to it.
        sys.stdout.reconfigure(line_buffering=True)
    try:
        begin, stage = demos[tuple(argv)]()
    except StepError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    except NodeError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - begin
    print(f"\nAll as it says: {stage.steps} steps, {stage.checks} checks, {seconds:.1f} s with boot and shutdown.")
    return 0


def _one_node() -> tuple[float, Stage]:
    """Boot a node with the project and the example table, and play all steps.

    Returns when that began, by time.monotonic, and the stage.
    """
    layer = installed_layer()
    begin = time.monotonic()
    with Node("demo", layers=[layer]) as node:
        node.write("/etc/cltab", steps.TABLE)
        stage = Stage(node)
        steps.play(stage)
    return begin, stage


def _three_nodes() -> tuple[float, Stage]:
    """Boot a cluster with the project's packages, and do as _one_node does."""
    print("Debian's Pacemaker and the project's packages are made ready, and three nodes boot.")
    layer = packaged.installed(programs.installed(*PACKAGES))
    begin = time.monotonic()
    with Cluster([layer], failover.TABLE) as cluster:
        stage = Stage(cluster.nodes[NAMES[0]])
        failover.play(stage, cluster)
    return begin, stage


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
