"""Runs inside the node, as a script of its own: measures cases round by round, so that nsenter is in no figure.

Standard input and output are JSON, see bench.node. Only the standard library, and nothing of the project: what it
imports must not depend on what is measured.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Seconds in which no process of the node may have run before a measurement, and the most to wait for that.
_QUIET = 0.02
_PATIENCE = 3.0


def main() -> None:
    """Measure what standard input asks for."""
    order: dict[str, Any] = json.load(sys.stdin)
    cases: list[dict[str, Any]] = order["cases"]
    samples: dict[str, list[dict[str, float]]] = {case["name"]: [] for case in cases}
    # The first round warms up caches and is not counted. Each round starts with another case.
    for number in range(order["rounds"] + 1):
        start = number % len(cases)
        for case in cases[start:] + cases[:start]:
            for argv in case["before"]:
                _run(argv)
            _settle()
            before = _manager()
            sample = _call(case["call"]) if case["call"] else _run(case["argv"], case["environment"], case["code"])
            sample["manager"] = _manager() - before
            if number:
                samples[case["name"]].append(sample)
    json.dump(samples, sys.stdout)


def _run(argv: Sequence[str], environment: Mapping[str, str] | None = None, code: int = 0) -> dict[str, float]:
    """Run a command to its end: its wall time and CPU time (user and system, with its children), in seconds.

    Also how many processes were made meanwhile.
    """
    devices = [(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in (0, 1)]
    begin = time.perf_counter()
    pid = os.posix_spawnp(argv[0], list(argv), os.environ | (environment or {}), file_actions=devices)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - begin
    if (ended := os.waitstatus_to_exitcode(status)) != code:
        sys.exit(f"{' '.join(argv)}: exit code {ended}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "processes": _last_process() - pid + 1}


def _last_process() -> int:
    """The number of the process, or thread, that was made last in this node."""
    return int(Path("/proc/loadavg").read_text().split()[4])


def _call(call: dict[str, Any]) -> dict[str, float]:
    """Have the daemon carry out a varlink call, until its last reply, without the start of any client."""
    message = json.dumps(call["message"]).encode() + b"\0"
    begin = time.perf_counter()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(call["socket"])
        connection.sendall(message)
        received = b""
        while True:
            data = connection.recv(65536)
            if not data:
                sys.exit("the daemon closed the connection")
            received += data
            *replies, received = received.split(b"\0")
            if any(b'"continues":true' not in reply for reply in replies):
                break
        wall = time.perf_counter() - begin
    if any(b'"error"' in reply for reply in replies):
        sys.exit(f"the daemon refuses: {replies!r}")
    return {"wall": wall, "cpu": 0.0, "processes": 0}


def _manager() -> float:
    """How long PID 1 itself has run, in seconds."""
    return int(Path("/proc/1/schedstat").read_text().split()[0]) / 1e9


def _settle() -> None:
    """Wait until nothing in the node runs any more."""
    deadline = time.monotonic() + _PATIENCE
    last = _cpu_times()
    while time.monotonic() < deadline:
        time.sleep(_QUIET)
        now = _cpu_times()
        if now == last:
            return
        last = now


def _cpu_times() -> dict[str, str]:
    """How long each process of the node but this one has run, in nanoseconds."""
    times = {}
    for path in Path("/proc").glob("[0-9]*/schedstat"):
        if path.parent.name != str(os.getpid()):
            try:
                times[path.parent.name] = path.read_text().split()[0]
            except (FileNotFoundError, ProcessLookupError):
                continue
    return times


if __name__ == "__main__":
    main()
