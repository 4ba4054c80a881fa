"""How the run before ended, by signals of systemd in any order: that of another run is never told."""

from __future__ import annotations

import pytest

from cltab2systemd.core.lastruns import LastRuns
from cltab2systemd.groups.units import Process
from cltab2systemd.systemd.runsignal import Killing, RunSignal, run_signal

UNIT = "clinit-web@a.service"
SERVICE = b"org.freedesktop.systemd1.Service"


def runs(pid: int, restarts: int) -> RunSignal:
    """What is said of a process that runs."""
    return RunSignal(pid, restarts, Process(pid, 0, 0))


def ended(pid: int, restarts: int, status: int = 5) -> RunSignal:
    """What is said of one that has ended."""
    return RunSignal(0, restarts, Process(pid, 1, status, "exit-code", 7))


def status_before(pid: int, *signals: RunSignal, pause: int = 0) -> int | None:
    """The exit status of the run before a process, after some signals; a process may be a pause."""
    last = LastRuns()
    for signal in signals:
        if pause and signal.pid == pause:
            last.pauses(UNIT, pause)
        last.saw(UNIT, signal)
    found = last.before(UNIT, pid)
    return None if found is None else found.status


def test_a_restart_by_systemd() -> None:
    """The count goes up before the next process is there; each signal may come more than once."""
    said = (runs(1, 0), ended(1, 0), ended(1, 0), ended(1, 1), runs(2, 1), runs(2, 1))
    assert status_before(2, *said) == 5
    assert status_before(3, *said) is None
    assert status_before(3, *said, ended(2, 1, 6), ended(2, 2, 6), runs(3, 2)) == 6


def test_a_start_by_hand() -> None:
    """Systemd counts from 0 then, or does not count it."""
    assert status_before(2, ended(1, 3), runs(2, 0)) is None
    assert status_before(2, ended(1, 3), runs(2, 3)) is None


def test_runs_that_were_missed() -> None:
    """One between, or the first signal of an end."""
    assert status_before(3, ended(1, 0), runs(3, 2)) is None
    assert status_before(3, ended(1, 1), ended(1, 1), runs(3, 1)) is None
    assert status_before(3, runs(2, 1), runs(3, 2)) is None


def test_a_pause_is_no_run() -> None:
    """Before the run behind a pause is the one before that."""
    said = (ended(1, 0), runs(2, 1), ended(2, 1, 0), ended(2, 2, 0), runs(3, 2))
    assert status_before(2, *said[:2], pause=2) == 5
    assert status_before(3, *said, pause=2) == 5
    assert status_before(3, *said) == 0
    assert status_before(3, *said[1:], pause=2) is None


def test_what_is_no_signal_of_runs() -> None:
    """Other interfaces, and what other releases may leave out, say nothing."""
    assert run_signal([]) is None
    assert run_signal([SERVICE, {}, []]) is None
    assert run_signal([b"org.freedesktop.systemd1.Unit", {b"MainPID": 1}, []]) is None
    values = {b"MainPID": 2, b"NRestarts": 3, b"ExecMainPID": 2, b"ExecMainCode": 0, b"ExecMainStatus": 0,
              b"Result": b"success", b"ExecMainExitTimestampMonotonic": 0}  # fmt: skip
    assert run_signal([SERVICE, values, []]) == RunSignal(2, 3, Process(2, 0, 0))


@pytest.mark.parametrize(
    ("stage", "expected"),
    [(b"stop-sigkill", Killing()), (b"final-sigkill", Killing()), (b"stop-sigterm", None), (b"running", None)],
)
def test_the_last_stage_of_a_stop(stage: bytes, expected: Killing | None) -> None:
    """Only the substates in which SIGKILL was sent say that it was."""
    assert run_signal([b"org.freedesktop.systemd1.Unit", {b"SubState": stage}, []]) == expected


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        (Process(7, 1, 217, "exit-code"), True),
        (Process(7, 2, 9, "signal"), True),
        (Process(0, 0, 0, "resources"), True),
        (Process(0, 0, 0), False),
        (Process(7, 0, 0), False),
    ],
)
def test_what_has_ended(process: Process, expected: bool) -> None:
    """One that could not even be made has ended, too."""
    assert RunSignal(0, 3, process).has_ended is expected


def test_the_latest_end() -> None:
    """It is that of a run, by a signal or by what systemd says when it is asked; never that of a pause."""
    last = LastRuns()
    assert last.latest(UNIT) is None
    last.has_ended(UNIT, ended(1, 0, 3).process)
    last.saw(UNIT, runs(2, 1))
    last.pauses(UNIT, 2)
    for signal in (ended(2, 1, 0), ended(2, 2, 0), runs(3, 2)):
        last.saw(UNIT, signal)
        found = last.latest(UNIT)
        assert found is not None
        assert found.status == 3
    last.saw(UNIT, ended(3, 2, 4))
    found = last.latest(UNIT)
    assert found is not None
    assert found.status == 4
    last.forget(UNIT)
    assert last.latest(UNIT) is None


@pytest.mark.parametrize(("result", "told"), [("timeout", "success"), ("oom-kill", "oom-kill")])
def test_what_is_told_later_of_an_end(result: str, told: str) -> None:
    """A time limit that the stop of its leftovers came to has not ended a run; want of memory has."""
    last = LastRuns()
    for signal in (RunSignal(0, 0, Process(1, 1, 0, "success", 7)), RunSignal(0, 1, Process(1, 1, 0, result, 7))):
        last.saw(UNIT, signal)
    found = last.latest(UNIT)

    assert found is not None
    assert found.result == told
