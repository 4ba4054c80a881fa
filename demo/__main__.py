"""``python3 -m demo``: show what the product does, and exit 1 if any of it is not as it says."""

import io
import sys
import time

from demo.stage import Stage, StepError
from demo.steps import TABLE, play
from lab.errors import LabError
from lab.install import installed_layer
from lab.node import Node


def main() -> int:
    """Boot a node with the project and the example table, play all steps, and return the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # To be followed through a pipe, too, and so that an error comes after what led to it.
        sys.stdout.reconfigure(line_buffering=True)
    try:
        layer = installed_layer()
        begin = time.monotonic()
        with Node("demo", layers=[layer]) as node:
            node.write("/etc/cltab", TABLE)
            stage = Stage(node)
            play(stage)
    except StepError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - begin
    print(f"\nAll as it says: {stage.steps} steps, {stage.checks} checks, {seconds:.1f} s with boot and shutdown.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
