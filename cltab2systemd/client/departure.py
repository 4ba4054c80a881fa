"""Waiting until a daemon has gone and systemd does not listen for it any more. `clinit -k --wait` promises that."""

from __future__ import annotations

import os
import select
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cltab2systemd.client.transport import Connection

# Seconds between two looks at systemd's sockets; and for which a socket may listen on after the daemon has ended.
_PAUSE = 0.02
_PATIENCE = 30.0
_GONE = {"inactive", "failed"}


class StillThereError(Exception):
    """systemd still listens, and would start the daemon again. The text says what to do."""


class _Unit(NamedTuple):
    """A socket unit, as systemd tells of it. Each start of the unit is another invocation."""

    state: str
    invocation: str


class Departure:
    """The end of a daemon, seen from outside.

    Args:
        paths: where it listens.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = frozenset(paths)
        self._pid = 0
        self._process: int | None = None  # a pidfd: the number may be another process's soon
        self._before: Mapping[str, _Unit] | None = None  # socket units that listen for it; None if that is not known

    def watch(self, connection: Connection) -> None:
        """Note which process to wait for, from a connection on which the daemon has just answered: it still runs.

        A daemon in another PID namespace cannot be seen from here, and is not waited for.
        """
        if self._pid or not connection.sender:
            return
        self._pid = connection.sender
        try:
            self._process = os.pidfd_open(self._pid)
        except OSError:  # it has ended so soon, or cannot be watched here
            self._process = None
        self._before = self._listening()

    def wait(self, deadline: float | None) -> None:
        """Wait until the process has ended, and each of its socket units is inactive or was started anew.

        Args:
            deadline: CLOCK_MONOTONIC in seconds; None for ever.

        Raises:
            TimeoutError: the deadline has come. The text says what is still there.
            StillThereError: a socket unit still listens.
        """
        if self._process is not None:
            poll = select.poll()
            poll.register(self._process, select.POLLIN)
            left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
            if not poll.poll(left):
                raise TimeoutError(f"the daemon with pid {self._pid} has not ended")
            os.close(self._process)
            self._process = None
        patience = time.monotonic() + _PATIENCE
        while unit := self._still_listens():
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"{unit} still listens")
            if time.monotonic() >= patience:
                raise StillThereError(
                    f"all groups and the daemon are stopped, but {unit} listens, and the next request starts the "
                    f"daemon again; stop it with 'systemctl stop {unit}'"
                )
            time.sleep(_PAUSE)

    def _still_listens(self) -> str:
        """A socket unit that has listened since the daemon was there; empty if there is none."""
        if self._before == {}:
            return ""
        now = self._listening()
        if now is None:
            return "a socket unit (systemd gives no answer)"
        for name, unit in now.items():
            before = unit if self._before is None else self._before.get(name)
            if unit.state not in _GONE and before is not None and before.invocation == unit.invocation:
                return name
        return ""

    def _listening(self) -> Mapping[str, _Unit] | None:
        """The loaded socket units of the daemon's paths; None if systemd gives no answer."""
        try:
            done = subprocess.run(
                ["systemctl", "show", "--property=Id,Listen,ActiveState,InvocationID", "--", "*.socket"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        except OSError:  # as in a container that has only the socket
            return None
        if done.returncode != 0:
            return None
        found: dict[str, _Unit] = {}
        for block in decoded(done.stdout).split("\n\n"):
            lines = [line.partition("=") for line in block.splitlines()]
            if any(name == "Listen" and value.rpartition(" (")[0] in self._paths for name, _, value in lines):
                values = {name: value for name, _, value in lines}
                found[values["Id"]] = _Unit(values["ActiveState"], values["InvocationID"])
        return found
