"""Runs inside the node, as a script of its own: how soon clstat tells the end of an entry that reads a FIFO.

Standard input and output are JSON, see bench.outcome. Only the standard library, and nothing of the project.
"""

import ctypes
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from cltab2systemd.text import decoded

_CLSTAT = Path("/run/clinit/clstat")
_MOVED_TO = 0x80  # inotify(7)
# Longer than a daemon may put off a look at systemd; and the most to wait, in seconds.
_REST = 0.1
_PATIENCE = 10.0


def main() -> None:
    """Measure what standard input asks for; the first round is not counted."""
    order: dict[str, Any] = json.load(sys.stdin)
    fifo = Path(order["fifo"])
    if not fifo.exists():
        os.mkfifo(fifo)
    notify = _notify()
    times = [_measure(order, fifo, notify) for _ in range(order["rounds"] + 1)]
    json.dump(times[1:], sys.stdout)


def _notify() -> int:
    """An inotify descriptor that tells when clstat is written."""
    library = ctypes.CDLL(None, use_errno=True)
    notify: int = library.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    if library.inotify_add_watch(notify, os.fsencode(_CLSTAT.parent), _MOVED_TO) < 0:  # noqa: TID251 - a path
        sys.exit("cannot watch clstat")
    return notify


def _measure(order: dict[str, Any], fifo: Path, notify: int) -> dict[str, float]:
    group, level, state = order["group"], order["level"], order["state"]
    subprocess.run(["clinit", "--wait", group, "0"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["clinit", group, level], check=True, stdout=subprocess.DEVNULL)
    # Opening waits for the entry, which opens it for reading.
    with fifo.open("wb", buffering=0) as told:
        time.sleep(_REST + random.random() * _REST)  # noqa: S311 - not in step with anything
        began = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        told.write(b"go\n")
        wanted = f"{group} {level} {state}\n"
        deadline = time.monotonic() + _PATIENCE
        while True:
            if time.monotonic() > deadline:
                sys.exit(f"no {wanted!r} in clstat")
            try:
                os.read(notify, 65536)
            except BlockingIOError:
                time.sleep(0.0001)
                continue
            found = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            if wanted in decoded(_CLSTAT.read_bytes()):
                break
    argv = ["systemctl", "show", "--value", "--property=ExecMainExitTimestampMonotonic", "--", order["unit"]]
    ended = int(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
    return {"told": (found - began) / 1e6, "seen": found / 1e6 - ended / 1e3}


if __name__ == "__main__":
    main()
