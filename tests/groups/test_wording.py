"""How an ending is said to a person: exit status, signal by name, core dump, and what systemd's result adds to it."""

from __future__ import annotations

import pytest

from cltab2systemd.groups.endings import worded
from cltab2systemd.groups.units import Process

EXITED, KILLED, DUMPED = 1, 2, 3


@pytest.mark.parametrize(
    ("code", "status", "result", "expected"),
    [
        (EXITED, 1, "exit-code", "exited with 1"),
        (EXITED, 127, "exit-code", "exited with 127 (there is no such program)"),
        (EXITED, 0, "protocol", "exited with 0, and had not said that it is ready, as its Type= asks for"),
        (EXITED, 1, "start-limit-hit", "exited with 1, and was started too often in StartLimitIntervalSec="),
        (KILLED, 9, "signal", "was killed by SIGKILL"),
        (KILLED, 9, "timeout", "was killed by SIGKILL, for a time limit was over"),
        (KILLED, 9, "oom-kill", "was killed by SIGKILL, for there was no memory left"),
        (KILLED, 40, "signal", "was killed by signal 40"),
        (DUMPED, 11, "core-dump", "was killed by SIGSEGV, and dumped its core"),
        (DUMPED, 6, "watchdog",
         "was killed by SIGABRT, and dumped its core, for WatchdogSec= was over without a sign of life"),
    ],
)  # fmt: skip
def test_endings_in_words(code: int, status: int, result: str, expected: str) -> None:
    """Each has its own words."""
    assert worded(Process(pid=1, code=code, status=status, result=result)) == expected
