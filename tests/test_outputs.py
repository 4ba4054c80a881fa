"""What another program writes, and how it ends: bounded in bytes and time."""

from __future__ import annotations

import time

import pytest

from cltab2systemd.outputs import NoOutputError, ended, output

SAYS = ["sh", "-c", "echo out; echo err >&2; exit $0"]


def test_what_it_writes() -> None:
    """Its errors count for whoever wants them, and so does what a program writes that fails."""
    soon = time.monotonic() + 30
    assert output([*SAYS, "0"], soon, 100) == b"out\n"
    assert ended([*SAYS, "3"], soon, 100) == (3, b"out\n")
    assert ended([*SAYS, "3"], soon, 100, with_errors=True) == (3, b"out\nerr\n")
    with pytest.raises(NoOutputError, match="sh exits with 3"):
        output([*SAYS, "3"], soon, 100)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["/nowhere"], "cannot run /nowhere: No such file or directory"),
        (["yes"], "yes writes more than 1000 bytes"),
        (["sleep", "1000"], "sleep gives no answer in time"),
    ],
)
def test_what_has_no_end(command: list[str], why: str) -> None:
    """It is said why."""
    with pytest.raises(NoOutputError, match=why):
        ended(command, time.monotonic() + 0.5, 1000)
