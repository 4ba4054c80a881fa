"""Who asks for the end of an entry, in lines of the journal, which anybody can write."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from cltab2systemd import journalctl
from cltab2systemd.events import STOPPED_BY_HAND
from cltab2systemd.groups.culprit import Culprit, Run
from cltab2systemd.systemd import culprits
from cltab2systemd.systemd.culprits import read

if TYPE_CHECKING:
    from collections.abc import Iterator

UNIT, SLICE = "clinit-web@server.service", "clinit-web.slice"
SUDO = {"__REALTIME_TIMESTAMP": "5", "_EXE": "/usr/bin/sudo", "_UID": "0"}
DAEMONS = {
    "__REALTIME_TIMESTAMP": "9", "_SOURCE_REALTIME_TIMESTAMP": "7", "_UID": "0",
    "MESSAGE_ID": STOPPED_BY_HAND.message_id, "CLINIT_UNIT": UNIT,
    "CLINIT_ASKED_UID": "0", "CLINIT_ASKED_PID": "12", "CLINIT_ASKED_COMMAND": "clinitctl stop server",
}  # fmt: skip
STOP = "TTY=pts/0 ; PWD=/a ; b ; USER=root ; GROUP=adm ; COMMAND=/usr/bin/systemctl stop clinit-web@server"


def claimed(fields: dict[str, str]) -> Culprit | None:
    """Who asks for the end of our unit by a line with these fields."""
    claim = read(fields)
    return claim.culprit if claim is not None and claim.is_about(UNIT, SLICE) else None


@pytest.mark.parametrize(
    ("command", "counts"),
    [
        ("/usr/bin/systemctl stop clinit-web@server", True),
        ("/usr/bin/systemctl kill -s KILL clinit-web@server.service", True),
        ("/usr/bin/systemctl kill clinit-web@server", True),
        ("/usr/bin/systemctl kill --signal=SIGINT clinit-web@server", True),
        ("/usr/bin/systemctl kill --signal=HUP clinit-web@server", False),
        ("/usr/bin/systemctl kill -s USR1 clinit-web@server", False),
        ("/usr/bin/systemctl kill -sHUP clinit-web@server", False),
        ("/usr/bin/systemctl --host=db2 stop clinit-web@server", False),
        ("/usr/bin/systemctl -M other stop clinit-web@server", False),
        ("/usr/bin/systemctl --user stop clinit-web@server", False),
        ("/usr/bin/systemctl mask clinit-web@server", False), ("/usr/bin/systemctl mask --now clinit-web@server", True),
        ("/usr/bin/systemctl stop clinit-web@*", True), ("/usr/bin/systemctl stop clinit-web.slice", True),
        ("/usr/bin/systemctl status clinit-web@server", False), ("/usr/bin/systemctl stop clinit-web@other", False),
        ("/usr/bin/vi clinit-web@server", False), ("/usr/bin/systemctl stop 'x", False), ("", False),
    ],
)  # fmt: skip
def test_commands_that_stop_an_entry(command: str, counts: bool) -> None:
    """Of all that sudo was used for, only what has systemctl end this unit, here, and by a signal that ends."""
    message = f"   alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND={command}"

    assert claimed({**SUDO, "MESSAGE": message}) == (Culprit(5, "alice", None, None, command) if counts else None)


@pytest.mark.parametrize(
    "told",
    [
        "user NOT in sudoers ; ", "command not allowed ; ", "3 incorrect password attempts ; ",
        "a password is required ; ", "(command continued) ",
    ],
)  # fmt: skip
def test_who_was_refused_has_stopped_nothing(told: str) -> None:
    """Sudo tells of those who may not as well, with the command."""
    assert claimed({**SUDO, "MESSAGE": f"   alice : {STOP}"}) is not None
    assert claimed({**SUDO, "MESSAGE": f"   alice : {told}{STOP}"}) is None


def test_what_the_daemon_says() -> None:
    """It is the daemon's line, of the time that journald trusts; another unit's says nothing."""
    assert claimed(DAEMONS) == Culprit(7, "root", 0, 12, "clinitctl stop server")
    assert claimed({**DAEMONS, "CLINIT_UNIT": "clinit-web@other.service"}) is None


def test_lines_that_anybody_can_write() -> None:
    """Count for nothing: as the daemon's by another user, or of a program that is not sudo, or in its place."""
    line = {**SUDO, "MESSAGE": f"alice : {STOP}"}

    assert claimed({**DAEMONS, "_UID": "1000"}) is None
    assert claimed({**line, "_EXE": "/home/eve/sudo"}) is None
    assert claimed({**line, "_UID": "65534"}) is None
    assert claimed({**line, "_UID": "65534", "MESSAGE": f"nobody : {STOP}"}) is not None


@pytest.mark.parametrize("text", ["TTY=a ; " * 5000, " " * 40000, "TTY=" + "COMMAND=" * 5000, "a : " * 10000])
def test_a_long_line_takes_no_time(text: str) -> None:
    """Whatever somebody has made up: the daemon waits for the end of it."""
    began = time.process_time()
    for message in (text, f"x : {text}", f"x : {text}COMMAND=systemctl stop {text}"):
        assert claimed({**SUDO, "MESSAGE": message}) is None
    assert time.process_time() - began < 1


class Journal:
    """Lines of a journal that came to be as they were asked for."""

    def __init__(self, trouble: journalctl.Trouble | None, *lines: dict[str, str]) -> None:
        self.asked: list[str] = []
        self.trouble = trouble
        self._lines = lines

    def __call__(self, arguments: list[str], _seconds: float, _most: int) -> Journal:
        """Begin to read."""
        self.asked.append(arguments[0])
        return self

    def __iter__(self) -> Iterator[dict[bytes, bytes]]:
        """All lines."""
        for line in self._lines:
            yield {name.encode(): value.encode() for name, value in line.items()}


def found_in(journal: Journal, monkeypatch: pytest.MonkeyPatch, *runs: Run) -> Any:
    """Who has ended runs, by a journal."""
    monkeypatch.setattr(journalctl, "Records", journal)
    return culprits.culprits(runs, 5.0)


def test_when_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line counts that was written during the run, and before its end; not one that was only stored then."""
    run = Run(UNIT, SLICE, 1_000_000, 9_000_000)
    for at, counts in ((900_000, False), (5_000_000, True), (9_050_000, True), (10_000_000, False)):
        line = {**DAEMONS, "__REALTIME_TIMESTAMP": "9000000", "_SOURCE_REALTIME_TIMESTAMP": str(at)}
        assert counts == bool(found_in(Journal(None, line), monkeypatch, run))


def test_what_was_not_read_may_tell_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """So nobody is named if there is more than was read."""
    run = Run(UNIT, SLICE, 1, 9)
    assert found_in(Journal(None, DAEMONS), monkeypatch, run)
    for trouble in (journalctl.TIMED_OUT, journalctl.TOO_MUCH):
        assert not found_in(Journal(trouble, DAEMONS), monkeypatch, run)


def test_ends_that_lie_far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Are asked about one by one, the latest first; what lies together, at once."""
    journal = Journal(None)
    hour = 3_600_000_000
    found_in(journal, monkeypatch, *(Run(UNIT, SLICE, 0, end) for end in (hour, 3 * hour, hour + 1_000_000)))
    assert ["--since=@10680.000000", "--since=@3480.000000"] == journal.asked
