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


@pytest.mark.parametrize("mode", Mode)
def test_notify(mode: Mode) -> None:
    """What is waited for until it ends cannot say that it is ready, neither by its own line nor by its group's."""
    message = f"the {mode} 't' has started when its command has ended"
    for setting in (":::service.t", ":::services.g"):
        lines = f"{setting}:Type=notify\ng:t:3:{mode}:x\n"
        assert found(lines) == ([] if mode in HEALTH_TELLS else [("setting-misplaced", 1, message)])


def test_required_of_notify() -> None:
    """READY=1 says that an entry did well."""
    assert found("g:t:3:respawn:x\n:::required.t:yes\n:::service.t:Type=notify\n") == []


@pytest.mark.parametrize("line", ["NotifyAccess=all", "WatchdogSec=30"])
def test_what_goes_with_notify_only(line: str) -> None:
    """Systemd is to listen to an entry only if that says when it is ready; a line of a group is told once."""
    for setting in (":::service.t", ":::services.g"):
        lines = f"{setting}:{line}\ng:t:3:respawn:x\ng:u:3:respawn:x\n"
        assert found(lines) == [("setting-misplaced", 1, "nothing that 't' says of itself counts")]
        assert found(f"{lines}{setting}:Type=notify\n:::service.u:Type=notify\n") == []


@pytest.mark.parametrize("value", ["infinity", "0", "0s", ""])
def test_time_to_be_ready(value: str) -> None:
    """An entry that is never ready would hold up its group for ever; others are not waited for."""
    lines = f"g:t:3:respawn:x\n:::service.t:TimeoutStartSec={value}\n"
    assert found(lines) == []
    message = "'t' could hold up its group for ever"
    assert found(f"{lines}:::service.t:Type=notify\n") == [("setting-misplaced", 2, message)]
    assert found(f"{lines}:::service.t:Type=notify\n:::service.t:TimeoutStartSec=5min\n") == [
        ("setting-misplaced", 2, message)
    ]
