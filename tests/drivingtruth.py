"""What runs in a node, read from /proc by the marks of its processes: not from systemd, nor from the daemon."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from drivingtables import MARK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from lab.node import Node

INTERVAL = 0.1
"""Seconds between two looks of the watcher."""
CLSTAT = "/run/clinit/clstat"
# Seconds. clstat(5): a daemon writes it at least this often.
OLDEST = 45.0
# How many looks are kept.
_KEPT = 900

_IN_ENVIRONMENT = re.compile(rb"(?:^|\0)%s=([^\0]*)" % MARK.encode())
_IN_COMMAND = re.compile(rb"export %s=([^;]*);" % MARK.encode())
_UNIT = re.compile(rb"clinit-([a-z]+)@([a-z]+)\.service")


@dataclass(frozen=True, slots=True)
class Process:
    """A process of an entry of a group, and the version of the line that it was started from."""

    group: str
    tag: str
    version: int
    pid: int


@dataclass(frozen=True, slots=True)
class Look:
    """What ran at a time (CLOCK_MONOTONIC, seconds).

    `pauses` are the entries, as group and tag, that a `sleep` without a mark stands for: the throttle's. `daemon` is
    the pid of the daemon, 0 if there is none.
    """

    time: float
    processes: frozenset[Process]
    pauses: frozenset[tuple[str, str]]
    daemon: int

    def of(self, group: str) -> frozenset[Process]:
        """The processes of a group."""
        return frozenset(process for process in self.processes if process.group == group)


class Proc:
    """The /proc of a node."""

    def __init__(self, node: Node) -> None:
        self._top = os.open(node.path("/proc"), os.O_RDONLY | os.O_DIRECTORY)

    def close(self) -> None:
        """Let the node's /proc go."""
        os.close(self._top)

    def look(self) -> Look:
        """Look at all processes, each on its own: those that come or go meanwhile are seen or not."""
        processes, pauses, daemon = set(), set(), 0
        for pid in self._pids():
            with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                found = _IN_ENVIRONMENT.search(self._read(pid, "environ"))
                command = b"" if found else self._read(pid, "cmdline")
                found = found or _IN_COMMAND.search(command)
                if found:
                    group, tag, version = found[1].decode().split("/")
                    processes.add(Process(group, tag, int(version), pid))
                elif b"sleep" in command and (unit := _UNIT.search(self._read(pid, "cgroup"))):
                    pauses.add((unit[1].decode(), unit[2].decode()))
                elif command.endswith(b"/clinit\0-d\0") and self._parent(pid) == 1:
                    daemon = pid
        return Look(time.monotonic(), frozenset(processes), frozenset(pauses), daemon)

    def _pids(self) -> Iterator[int]:
        names = os.listdir(self._top)  # noqa: PTH208 - a directory that stays open
        return (int(name) for name in names if name.isdigit())

    def _read(self, pid: int, name: str) -> bytes:
        file = os.open(f"{pid}/{name}", os.O_RDONLY, dir_fd=self._top)
        try:
            return b"".join(iter(lambda: os.read(file, 65536), b""))
        finally:
            os.close(file)

    def _parent(self, pid: int) -> int:
        return int(self._read(pid, "stat").rpartition(b") ")[2].split()[1])


@dataclass
class Watcher:
    """Looks at a node all the time, in a thread of its own, and remembers the last minute and a half."""

    node: Node
    stale: list[str] = field(default_factory=list)
    """What was seen of a clstat that the daemon let grow old."""
    clstat_looks: int = 0
    """How often clstat was there, and the daemon was the same process for longer than it may grow old."""

    def __post_init__(self) -> None:
        self._proc = Proc(self.node)
        self._looks: deque[Look] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._since = (0, 0.0)
        self._clstat = self.node.path(CLSTAT)
        self.oldest = OLDEST

    def __enter__(self) -> Self:
        self.look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        self._proc.close()

    def look(self) -> Look:
        """Look now."""
        with self._lock:
            look = self._proc.look()
            self._looks.append(look)
        return look

    def between(self, start: float, end: float) -> list[Look]:
        """The looks from a time to another one."""
        with self._lock:
            return [look for look in self._looks if start <= look.time <= end]

    def _watch(self) -> None:
        while not self._end.wait(INTERVAL):
            self._check_age(self.look())

    def _check_age(self, look: Look) -> None:
        pid, since = self._since
        if look.daemon != pid:
            self._since = (look.daemon, look.time)
            return
        if not pid or look.time - since < self.oldest:
            return
        with suppress(FileNotFoundError):
            age = time.time() - self._clstat.stat().st_mtime
            self.clstat_looks += 1
            if age > self.oldest:
                self.stale.append(f"clstat is {age:.0f} s old, and the daemon ({pid}) has run for longer")
