"""What systemd hands to a service and hears from it: sockets, readiness, the watchdog. See sd_listen_fds(3)."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from pystemd import daemon

_FIRST = 3  # SD_LISTEN_FDS_START


def is_started_by_systemd() -> bool:
    """Whether systemd itself started this process, and not a process of one of its services."""
    return os.environ.get("SYSTEMD_EXEC_PID") == str(os.getpid())


def own_service() -> str:
    """The service that this process is, by the kernel; empty if systemd itself has not started it."""
    try:
        groups = Path("/proc/self/cgroup").read_text().splitlines() if is_started_by_systemd() else []
    except (OSError, ValueError):
        return ""
    units = (line.rpartition("/")[2] for line in groups)
    return next((unit for unit in units if unit.endswith(".service")), "")


def inherited_sockets() -> tuple[list[socket.socket], list[str]]:
    """The listening sockets that systemd opened for us, and their units. Our child processes are told of neither."""
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    count = daemon.listen_fds(unset_environment=True)
    sockets = [socket.socket(fileno=descriptor) for descriptor in range(_FIRST, _FIRST + count)]
    for found in sockets:
        found.setblocking(False)
    return sockets, sorted({name for name in names if count and name.endswith(".socket")})


def tell(state: str) -> None:
    """Notify systemd, as sd_notify(3): `READY=1`, `STOPPING=1`, `WATCHDOG=1`. It is no error if nobody listens."""
    daemon.notify(False, state)


def watchdog_interval() -> float | None:
    """The watchdog's timeout in seconds; None if there is no watchdog."""
    microseconds = daemon.watchdog_enabled(unset_environment=False)
    return microseconds / 1e6 if microseconds else None
