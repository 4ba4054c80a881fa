"""``python3 -m simulation --seeds FROM:TO [--jobs N]``, ``--seed N [--verbose]``: exit with 1 for a failure."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from simulation import runner

if TYPE_CHECKING:
    from collections.abc import Sequence


def _seeds(text: str) -> range:
    start, _, end = text.partition(":")
    return range(int(start), int(end))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 1 if any history failed."""
    parser = argparse.ArgumentParser(prog="python3 -m simulation", description="The daemon's core without a machine.")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seeds", type=_seeds, metavar="FROM:TO", help="perform the histories of these seeds")
    which.add_argument("--seed", type=int, metavar="N", help="perform that of one")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes side by side (default: 2)")
    parser.add_argument("--verbose", action="store_true", help="print all that happens; with --seed")
    parser.add_argument("--on-node", action="store_true", help="perform them on a real systemd too, and compare")
    options = parser.parse_args(argv)
    seeds = options.seeds if options.seeds is not None else range(options.seed, options.seed + 1)
    if options.on_node:
        from simulation.onnode import main as compare  # noqa: PLC0415 - it needs the lab

        return compare(seeds, is_verbose=options.verbose)
    if options.verbose:
        for seed in seeds:
            print(runner.trace(seed), end="")
    figures = runner.run(seeds, options.jobs)
    print(figures.report())
    return 1 if figures.failures else 0


if __name__ == "__main__":
    sys.exit(main())
