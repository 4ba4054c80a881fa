"""What to do about each reason: every cause has a next step, in each mode, that can be typed as it stands."""

import re
import shlex

import pytest

from cltab2systemd.groups.cures import cure, in_table
from cltab2systemd.groups.endings import EXITED_WELL, NOT_REPEATED, UNHEARD
from cltab2systemd.groups.reasons import Cause, Reason
from cltab2systemd.table.model import Mode

UNIT = r"clinit-web@a\x20b.service"


@pytest.mark.parametrize("mode", ["", *Mode])
@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_a_next_step(cause: Cause, mode: str) -> None:
    """Only what is about to be started again by itself needs none."""
    words = cure(Reason(cause, UNIT, "text", tag="a b", mode=mode), "web", "3")

    assert (words == "") == (cause is Cause.RESTARTING)
    assert "{" not in words
    if words:
        assert re.search("'(clinit web 3|clinitctl restart 'web:a b'|systemctl [a-z]+ .*)'", words)


def test_names_can_be_typed_as_they_stand() -> None:
    """A shell reads back the names of group, level and unit."""
    failed = cure(Reason(Cause.TEST_FAILED, UNIT, "text", tag="a b", mode=Mode.TEST), "a $(b)", "3;m")
    masked = cure(Reason(Cause.MASKED, UNIT, "text", tag="a b", mode=Mode.TEST), "web", "3")

    assert shlex.split(failed.partition("then '")[2].partition("' runs")[0]) == ["clinit", "a $(b)", "3;m"]
    assert shlex.split(masked[1:].partition("', then")[0]) == ["systemctl", "unmask", UNIT]


def test_what_a_request_does_not_run_again() -> None:
    """A wait or once that began is run again by a restart only; a test by a request."""
    for mode in (Mode.WAIT, Mode.ONCE):
        assert "clinitctl restart web:a" in cure(Reason(Cause.TIMED_OUT, UNIT, "text", tag="a", mode=mode), "web", "3")
    assert "clinit web 3" in cure(Reason(Cause.TIMED_OUT, UNIT, "text", tag="a", mode=Mode.TEST), "web", "3")


def test_what_is_not_ready() -> None:
    """Its own log tells why, and the next request asks again."""
    unit = "clinit-web@a:ready.service"
    found = cure(Reason(Cause.NOT_READY, unit, "text", tag="a:ready", mode=Mode.TEST), "web", "3")
    assert found == "'clinitctl log web:a' shows what it wrote; mend it, then 'clinit web 3' asks again"
    other = cure(Reason(Cause.NOT_READY, f"clinit_1-{unit[7:]}", "text", tag="a:ready", mode=Mode.TEST), "web", "3")
    assert "'journalctl --unit=clinit_1-web@a.service' shows" in other
    held = f"is not ready after 1 s{NOT_REPEATED}"
    found = cure(Reason(Cause.NOT_READY, unit, "text", held, tag="a:ready", mode=Mode.TEST), "web", "3")
    assert found == "mend it, then 'clinitctl restart web:a' runs it again"


@pytest.mark.parametrize("cause", Cause)
def test_what_is_done_to_the_table(cause: Cause) -> None:
    """It is a part of the next step, and has no command in it."""
    for said in ("", f"ends{EXITED_WELL}", f"is not ready{UNHEARD}, after 1 s"):
        found = in_table(str(cause), said)
        assert found in cure(Reason(cause, UNIT, "text", said, tag="a", mode=Mode.TEST), "web", "3")
        assert not re.search("clinit|systemctl", found)
    assert in_table(str(cause), f"ends{EXITED_WELL}") != ""


def test_what_goes_to_the_background() -> None:
    """A program that exits with 0 is not broken, but no respawn."""
    words = f"ends too fast, and pauses for 60 s{EXITED_WELL}"
    found = cure(Reason(Cause.PAUSED, UNIT, "text", words, tag="a", mode=Mode.RESPAWN), "web", "3")
    assert "in the foreground" in found
    assert "'clinitctl restart web:a'" in found


@pytest.mark.parametrize(("mode", "end"), [(Mode.RESPAWN, ""), (Mode.ONCE, NOT_REPEATED)])
def test_what_is_not_heard(mode: Mode, end: str) -> None:
    """A program that cannot say that it is ready: nothing of it is to be mended, but its line of the table."""
    found = cure(Reason(Cause.NOT_READY, UNIT, "text", f"did not say so{UNHEARD}{end}", tag="a", mode=mode), "web", "3")
    assert found.startswith("put 'exec' before its program, or give it NotifyAccess=all; then 'clinitctl restart")
