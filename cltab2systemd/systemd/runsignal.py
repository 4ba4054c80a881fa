"""What a signal of systemd's says of the runs of a service: all of one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cltab2systemd.groups.units import Process
from cltab2systemd.systemd.unitproperties import SERVICE, UNIT

# Substates of a service: the processes of its command, and what a stop command has left behind.
_LAST_STAGES = {b"stop-sigkill", b"final-sigkill"}


@dataclass(frozen=True, slots=True)
class RunSignal:
    """A service at a moment.

    Attributes:
        pid: its main process; 0 if none runs.
        restarts: how often systemd has restarted it by itself.
        process: its last main process, which is that one, or has ended.
    """

    pid: int
    restarts: int
    process: Process

    @property
    def has_ended(self) -> bool:
        """Whether that has ended. For want of a file or of memory, there may be none."""
        return self.process.code != 0 if self.process.pid else self.process.result != "success"


@dataclass(frozen=True, slots=True)
class Killing:
    """A service in the last stage of its stop, which it comes to once: its processes have been sent SIGKILL."""


def run_signal(body: list[Any]) -> RunSignal | Killing | None:
    """What the signal PropertiesChanged with these arguments says; None if it is not about runs of a service."""
    if len(body) < 2 or not isinstance(body[1], dict):
        return None
    values = body[1]
    if body[0] == UNIT and values.get(b"SubState") in _LAST_STAGES:
        return Killing()
    if body[0] != SERVICE:
        return None
    try:
        process = Process(
            values[b"ExecMainPID"],
            values[b"ExecMainCode"],
            values[b"ExecMainStatus"],
            values[b"Result"].decode(),
            values[b"ExecMainExitTimestampMonotonic"],
            values.get(b"ExecMainStartTimestampMonotonic", 0),
        )
        return RunSignal(values[b"MainPID"], values[b"NRestarts"], process)
    except KeyError:
        return None
