"""What is remembered of units, without systemd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from cltab2systemd.core.probe import UnitProbe
from cltab2systemd.groups.execution import Execution
from cltab2systemd.groups.units import Process, UnitStatus
from cltab2systemd.table.grammar import parse
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable

UNIT = "clinit-web@a.service"
ENTRY = parse(b"web:a:3:respawn:sleep 1000", "cltab")[0].entries[0]
WEB = parse(b"web:a:3:respawn:sleep 1000\n:::service.a:Type=notify", "cltab")[0].groups["web"]
KILLED_AT_200, EXITED_AT_200 = Process(7, 2, 9, "signal", 200), Process(7, 1, 3, "exit-code", 200)
NEXT_RUNS = Process(8, 0, 0)


class Asked:
    """A systemd, and a kernel, that say the same of everything, and count."""

    def __init__(self) -> None:
        self.questions = 0

    def __getattr__(self, what: str) -> Callable[..., int]:
        def answer(*_arguments: object) -> int:
            self.questions += 1
            return 4711

        return answer


def test_nothing_is_remembered_of_a_unit_that_is_gone() -> None:
    """Its entry may have left the table for good, and others come and go."""
    asked = cast("Any", Asked())
    probe = UnitProbe(asked, lambda _unit: "", asked)
    runs = UnitStatus(UNIT, "loaded", "active", "running", 0, "")
    probe.saw([runs])
    probe.keeps_ending(UNIT)
    once = asked.questions
    probe.keeps_ending(UNIT)
    assert (once, True) == (asked.questions, probe.follows(UNIT))
    probe.execution(UnitStatus(UNIT, "loaded", "activating", "start", 0, ""), ENTRY)
    assert probe.is_being_executed(UNIT)
    probe.saw([], [UNIT])

    assert not probe.follows(UNIT)
    assert not probe.is_being_executed(UNIT)
    probe.pid(UNIT)
    assert asked.questions == once + 1


class Told:
    """A systemd that tells what it has of one unit."""

    def __init__(self, process: Process, started: int, left: int) -> None:
        self._process, self._started, self._left = process, started, left

    def process(self, _unit: str) -> Process:
        return self._process

    def started_time(self, _unit: str) -> int:
        return self._started

    def left_time(self, _unit: str) -> int:
        return self._left

    def restarts(self, _unit: str) -> int:
        return 1


@pytest.mark.parametrize(
    ("process", "started", "left", "was_ready", "is_ready"),
    [
        pytest.param(KILLED_AT_200, 100, 199, True, Execution.AGAIN, id="killed"),
        pytest.param(EXITED_AT_200, 100, 50, True, Execution.NOT_YET, id="not ready"),
        pytest.param(KILLED_AT_200, 300, 199, True, Execution.AGAIN, id="the next one has begun between two questions"),
        pytest.param(NEXT_RUNS, 300, 199, True, Execution.AGAIN, id="the next one has begun before the first question"),
        pytest.param(EXITED_AT_200, 300, 199, False, Execution.NOT_YET, id="of one that has exited, nothing is known"),
    ],
)
def test_one_that_is_started_again_while_systemd_is_asked(
    process: Process, started: int, left: int, *, was_ready: bool, is_ready: Execution
) -> None:
    """The list of units says that it waits for its restart, and that may be over when its properties are asked for."""
    [entry] = WEB.entries
    probe = UnitProbe(cast("Any", Told(process, started, left)), lambda _unit: "", cast("Any", None))
    if was_ready:
        probe.trust(WEB, "3", Names())
    probe.execution(UnitStatus(UNIT, "loaded", "activating", "auto-restart", 0, ""), entry)

    again = UnitStatus(UNIT, "loaded", "activating", "start", 5, "start")
    assert probe.execution(again, entry) is is_ready


class Ending:
    """A systemd whose service has ended, which its list of units does not say yet; and the kernel, which knows it."""

    def __init__(self) -> None:
        self.pid, self.main_process, self.restarted = 7, Process(7, 0, 0), 0

    def main_pid(self, _unit: str) -> int:
        return self.pid

    def process(self, _unit: str) -> Process:
        return self.main_process

    def restarts(self, _unit: str) -> int:
        return self.restarted

    def health(self, _unit: str) -> None:
        return None

    def program(self, pid: int) -> str:
        if pid == 8:
            raise FileNotFoundError
        return "/usr/lib/systemd/systemd" if pid == 1 else "/bin/sleep"

    def name(self, _pid: int) -> str:
        return "sleep"

    def command_line(self, _pid: int) -> bytes:
        return b"sleep\0001000\0"

    def was_not_executed(self, _unit: str) -> bool:
        return False


@pytest.mark.parametrize("mode", ["respawn", "once"])
@pytest.mark.parametrize(("process", "found"), [(7, Execution.AGAIN), (8, Execution.NOT_YET)], ids=["it", "another"])
def test_one_that_ends_between_two_questions(mode: str, process: int, found: Execution) -> None:
    """What was the command, and is gone, is not being started; a process that somebody has started since may be."""
    [entry] = parse(f"web:a:3:{mode}:sleep 1000".encode(), "cltab")[0].entries
    machine = Ending()
    probe = UnitProbe(cast("Any", machine), lambda _unit: "", cast("Any", machine))
    up = UnitStatus(UNIT, "loaded", "active", "running", 0, "")
    probe.saw([up])
    assert probe.execution(up, entry) is Execution.COMMAND

    probe.forget(UNIT)
    machine.pid, machine.main_process = 0, Process(process, 2, 9, "signal", 200)
    assert probe.execution(up, entry) is found
    machine.pid, machine.main_process, machine.restarted = 8, Process(8, 0, 0), 1
    probe.forget(UNIT)
    assert probe.execution(up, entry) is found
