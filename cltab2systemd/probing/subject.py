"""The entry whose readiness is asked for: whether it has run on since. What tells is /run and /proc, not systemd.

Imports nothing heavy; see `asking`.
"""

from __future__ import annotations

import os
from time import monotonic, time

from cltab2systemd.probing.contents import beginning_if_there
from cltab2systemd.text import decoded

ENDED, PAUSES = "ended", "pauses"

# systemd keeps a link here for each service that is not inactive: to the id of its run.
_INVOCATION = "/run/systemd/units/invocation:"
# Where the one hierarchy of control groups may be mounted that all releases have.
_HIERARCHIES = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")


class Subject:
    """A service that is to run on.

    Args:
        unit: its name. It is in the same slice as this process.
        pause: the path of the program that it is while it pauses; empty if it never does.
        root: where /run, /proc and /sys are.
    """

    def __init__(self, unit: str, pause: str = "", root: str = "") -> None:
        self._root = root
        self._link = f"{root}{_INVOCATION}{unit}"
        self._pause = pause.encode()
        beside = own_group(root).rpartition("/")[0]
        self._group = f"{beside}/{unit}" if beside else ""
        self._run = self._invocation()

    def ending(self) -> str:
        """How the run has ended that was there at first: ENDED, or PAUSES; empty if it goes on, or nothing tells.

        It has ended if another one has begun, or if none of its processes is left: its command, and what that has put
        into the background.
        """
        if self._invocation() != self._run or (self._group and not self._is_populated()):
            return ENDED
        return PAUSES if self._pause and self._group and self._is_pausing() else ""

    @property
    def run(self) -> str:
        """The id of the run that was there at first, as systemd has it; empty if there was none."""
        return self._run

    def age(self) -> float:
        """For how long the present run has gone on, in seconds; 0 if there is none.

        The link has the time of a clock that may have been set since. If that cannot be, the run may be as old as the
        boot.
        """
        try:
            age = time() - os.lstat(self._link).st_mtime
        except OSError:
            return 0.0
        since_boot = monotonic()
        return age if 0 <= age < since_boot else since_boot

    def _invocation(self) -> str:
        try:
            return os.readlink(self._link)  # noqa: PTH115 - pathlib is slow to import
        except OSError:
            return ""

    def _is_populated(self) -> bool:
        """Whether any process is in the control group, or below it."""
        return b"populated 1" in beginning_if_there(f"{self._group}/cgroup.events")

    def _is_pausing(self) -> bool:
        pids = beginning_if_there(f"{self._group}/cgroup.procs").split()
        return any(self._program(decoded(pid)) == self._pause for pid in pids)

    def _program(self, pid: str) -> bytes:
        return beginning_if_there(f"{self._root}/proc/{pid}/cmdline").partition(b"\0")[0]


def own_group(root: str = "") -> str:
    """The directory of the control group that this process is in, on the one hierarchy; empty if there is none."""
    lines = beginning_if_there(f"{root}/proc/self/cgroup").splitlines()
    place = decoded(next((line[3:] for line in lines if line.startswith(b"0::")), b""))
    for hierarchy in _HIERARCHIES:
        directory = f"{root}{hierarchy}{place}"
        if place.count("/") > 1 and os.access(f"{directory}/cgroup.procs", os.F_OK):
            return directory
    return ""
