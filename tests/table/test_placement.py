"""Settings that do not go with the mode of their entry."""

import pytest

from cltab2systemd.table.diagnostics import Severity
from cltab2systemd.table.grammar import parse
from cltab2systemd.table.model import Mode

REQUIRED_TELLS = {Mode.WAIT, Mode.TEST, Mode.OFF}
HEALTH_TELLS = {Mode.RESPAWN, Mode.ONCE, Mode.OFF}


def found(text: str) -> list[tuple[str, int, str]]:
    """Code, line and message of each finding."""
    return [(d.code, d.place.line, d.message) for d in parse(text.encode(), "cltab")[1] if d.severity is Severity.ERROR]


@pytest.mark.parametrize("mode", Mode)
def test_required(mode: Mode) -> None:
    """What runs on has to say when it did well; what ends says so itself."""
    line = f":::required.t:yes\ng:t:3:{mode}:x\n"
    message = f"nothing tells whether the {mode} 't' did well"
    assert found(line) == ([] if mode in REQUIRED_TELLS else [("setting-misplaced", 1, message)])
    assert found(line + ":::ready.t:tcp:80\n") == []


@pytest.mark.parametrize("mode", Mode)
def test_health(mode: Mode) -> None:
    """What has ended is neither well nor unwell."""
    message = f"the {mode} 't' has ended when the level is reached"
    expected = [] if mode in HEALTH_TELLS else [("setting-misplaced", 2, message)]
    assert found(f"g:t:3:{mode}:x\n:::health.t:10s true\n") == expected


def test_of_nobody() -> None:
    """What is about no entry is no error: `check` warns of it."""
    assert found(":::required.t:yes\n:::health.t:10s true\n") == []
