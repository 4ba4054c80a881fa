"""The commands in what is to be done: what `clinitctl why` gives to be copied."""

from __future__ import annotations

import pytest

from cltab2systemd.groups.cures import commands
from cltab2systemd.groups.reasons import Cause

UNIT = "clinit-web@a.service"


@pytest.mark.parametrize(
    ("code", "mode", "expected"),
    [
        (Cause.TEST_FAILED, "test", ["clinit web 3"]),
        (Cause.TIMED_OUT, "wait", ["clinitctl restart web:a"]),
        (Cause.MASKED, "respawn", [f"systemctl unmask {UNIT}", "clinit web 3"]),
        (Cause.NOT_LOADED, "respawn", [f"systemctl status {UNIT}", "systemctl daemon-reload", "clinit web 3"]),
        (Cause.NOT_SWITCHED, "", ["clinit web 3"]),
        (Cause.RESTARTING, "respawn", []),
        ("of-a-later-version", "respawn", []),
    ],
)
def test_commands(code: str, mode: str, expected: list[str]) -> None:
    """In the order of the words; none of a code that is not known."""
    assert commands(code, mode, UNIT, group="web", tag="a", level="3") == expected


def test_names_are_quoted() -> None:
    """A name that a shell would take apart stays one word."""
    assert commands(Cause.DOWN, "respawn", UNIT, group="a$b", tag="a", level="3;4") == ["clinit 'a$b' '3;4'"]
    assert commands(Cause.KEEPS_ENDING, "respawn", UNIT, group="a$b", tag="a;", level="3")[1:] == [
        "clinitctl restart 'a$b:a;'"
    ]


def test_another_instance() -> None:
    """`clinitctl` would need its options, which nobody knows here; systemctl needs none."""
    unit = "clinit_1a2b-web@a.service"
    assert commands(Cause.TIMED_OUT, "wait", unit, group="web", tag="a", level="3") == [f"systemctl restart {unit}"]
