"""``python3 -m fuzz TARGET [--cases N] [--seed S] [--processes P]``: fuzz, print figures, exit with 1 for a failure."""

import argparse
import sys
from collections.abc import Sequence

from fuzz import ldtmessages, runner, table, varlinkcalls

# A further target is a module with make and check, and a line here.
TARGETS = {
    "table": runner.Target("table", table.make, table.check),
    "varlink": runner.Target("varlink", varlinkcalls.make, varlinkcalls.check),
    "ldt": runner.Target("ldt", ldtmessages.make, ldtmessages.check),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 1 if any case failed."""
    parser = argparse.ArgumentParser(prog="python3 -m fuzz", description="Random input, and what must hold for it.")
    parser.add_argument("target", choices=TARGETS, help="what is fuzzed")
    parser.add_argument("--cases", type=int, default=100_000, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="other cases for another (default: 0)")
    parser.add_argument("--processes", type=int, default=2, metavar="P", help="side by side (default: 2)")
    options = parser.parse_args(argv)
    if options.cases < 1 or options.processes < 1 or options.seed < 0:
        parser.error("cases and processes are at least 1, and the seed is not negative")
    figures = runner.run(TARGETS[options.target], options.cases, options.seed, options.processes)
    print(figures.report())
    return 1 if figures.failures else 0


if __name__ == "__main__":
    sys.exit(main())
