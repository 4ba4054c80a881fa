"""Which entries run their commands: between a fork of systemd's and the command, a process is neither.

systemd says `running` as soon as it has forked. Then its child sets up user, files and namespaces, and executes the
command; any of this may fail, or take for ever. So `running` proves nothing. Two things do:

1. the kernel, which says what program a process executes,
2. the end of a process: with a status that is not systemd's own for what it could not execute.

How long a process has been there proves nothing either, so no time is asked for here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.groups.endings import was_executed, was_not_executed
from cltab2systemd.groups.execution import Execution
from cltab2systemd.units.commands import SHELL, is_before_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cltab2systemd.groups.units import Process
    from cltab2systemd.systemd.bus import Bus
    from cltab2systemd.systemd.kernel import Kernel

# Its first word is its path (257), or its name (262).
_EXECUTOR = "systemd-executor"
_GONE = " (deleted)"


def is_being_executed(pid: int, command: str, kernel: Kernel) -> bool:
    """Whether the main process of a running service is not its command yet. Perhaps it will never be.

    1. Until it executes anything, it is a copy of systemd, or the executor that systemd has since 255.
    2. Then it may be the shell that our units have before the command.
    3. It may be a shell whose command is just `exec PROGRAM`.
    4. In the middle of an execution it has no words, for a moment, and its program is the new one already.
    5. If it is gone, it has ended since the unit was looked at. That is True, too.
    """
    try:
        if _is_of_systemd(pid, kernel):
            return True
        line = kernel.command_line(pid)
    except OSError:
        return True
    words = line.split(b"\0")
    return not line or (words[0] == SHELL.encode() and is_before_program(words, command))


def _is_of_systemd(pid: int, kernel: Kernel) -> bool:
    """Whether a process is what systemd has forked, and has executed nothing, or has ended. OSError if it is gone.

    A copy of systemd has the words of systemd, then a name in parentheses: `(sleep)`. A command may have such a name,
    or be a systemd itself, but not both.
    """
    name, line = kernel.name(pid), kernel.command_line(pid)
    looks_so = not line or name.startswith("(") or line.startswith(b"(") or line == kernel.command_line(1)
    try:
        program = kernel.program(pid).removesuffix(_GONE)
        systemd = kernel.program(1).removesuffix(_GONE)
    except PermissionError:  # not root's: then names have to do
        return looks_so or line.partition(b"\0")[0].rpartition(b"/")[2] == _EXECUTOR.encode()
    return program.rpartition("/")[2] == _EXECUTOR or (program == systemd and looks_so)


class Executions:
    """Remembers which respawn entries have been their commands since somebody started them.

    Args:
        bus: the connection to systemd.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._proven: dict[str, int] = {}  # the main process that was, by unit; 0 if that is not known
        self._open: set[str] = set()

    def trust(self, units: Iterable[str]) -> None:
        """Take the word of an earlier daemon that units have been their commands, as clstat says DONE."""
        self._proven.update(dict.fromkeys(units, 0))

    def is_open(self, unit: str) -> bool:
        """Whether the main process of a unit was not its command yet when it was looked at last."""
        return unit in self._open

    def runs(self, unit: str, pid: int, *, is_in_vain: bool) -> None:
        """The main process of a unit is its command; or our pause, in vain if the command could not be executed."""
        self._open.discard(unit)
        if is_in_vain:
            self._proven.pop(unit, None)
        else:
            self._proven[unit] = pid

    def has_ended(self, unit: str, process: Process, *, is_unready: bool) -> Execution:
        """The main process of a unit that systemd is about to start again has ended, if it is that one still.

        Args:
            unit: the unit.
            process: the process.
            is_unready: whether it was to say that it is ready, and has not: then it has not been the command.
        """
        if is_unready:
            self._proven.pop(unit, None)
            return Execution.ENDED
        if self.note(unit, process):
            return Execution.ENDED
        self._open.add(unit)
        return self._latest(unit)

    def note(self, unit: str, process: Process) -> bool:
        """Take note of the end of a main process; whether that proves anything. It does not while that runs.

        Nor does it if the process was killed.
        """
        if was_executed(process):
            self._proven[unit] = process.pid
        elif was_not_executed(process):
            self._proven.pop(unit, None)
        else:
            return False
        return True

    def not_yet(self, unit: str, was_restarted: Callable[[str], bool], *, was_up: bool) -> Execution:
        """The main process of a unit is not its command yet. One that nothing of ours has restarted is the first.

        Or it is its command no more, and systemd has not told of its end yet.

        Args:
            unit: the unit.
            was_restarted: whether its health check has had it restarted.
            was_up: whether it was up a moment ago, by systemd.
        """
        self._open.add(unit)
        proven = self._proven.get(unit)
        if proven is not None and self._bus.restarts(unit) == 0 and not was_restarted(unit):
            was_command = was_up and self._bus.process(unit).pid == proven
            if not was_command:
                self._proven.pop(unit, None)  # news of its end may have come with the answer
        return self._latest(unit)

    def _latest(self, unit: str) -> Execution:
        return Execution.AGAIN if unit in self._proven else Execution.NOT_YET

    def forget(self, unit: str) -> None:
        """Forget a unit that is at rest."""
        self._open.discard(unit)
        self._proven.pop(unit, None)
