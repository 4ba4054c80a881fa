"""What to do about a fault of a rehearsal."""

from __future__ import annotations

import pytest

from cltab2systemd.groups.endings import EXITED_WELL
from cltab2systemd.rehearsal.comparison import Finding, Kind
from cltab2systemd.rehearsal.hints import here, of_mounts, of_stand_ins
from cltab2systemd.rehearsal.standin import Choice
from cltab2systemd.table.grammar import parse

TABLE = "".join(f"web:e{n}:3:wait:true\n" for n in range(7)) + "web:off:3:off:true\nweb:app:3:respawn:exec app\n"


def hint(choice: Choice, *lines: str, code: str = "test-failed", text: str = "app", table: str = TABLE) -> str:
    """The last line of a finding about the entry `app`."""
    entries = parse(table.encode(), "cltab")[0].group("web").entries
    found = of_stand_ins(Finding(Kind.FAILED, "web", "app", text, lines, code), entries, choice)
    return "" if found.lines == lines else found.lines[-1]


def test_what_stood_in_before_it() -> None:
    """Those are named that did, a few at most: none that ran, is off, or was to fail."""
    assert hint(Choice({"app"})) == (
        "it may need what e0, e1, e2, e3, e4 and 2 more make, which were stand-ins: --real all runs these, too"
    )
    some = Choice({"app", *(f"e{n}" for n in range(5))}, failing={"e5"})
    assert hint(some) == "it may need what e6 makes, which was a stand-in: --real e6 runs that, too"
    assert hint(Choice(all_real=True)) == ""


def test_what_no_other_entry_can_help() -> None:
    """A mask and the like are none of their doing, nor is a program that ends well, or one that there is nowhere."""
    real = Choice({"app"})
    assert [hint(real, code=code) for code in ("", "masked", "kept-back")] == ["", "", ""]
    assert hint(real, code="paused", text=f"app ends too fast{EXITED_WELL}: exec app") == ""
    assert hint(Choice(), "rehearsal: there is no /srv/app") == ""
    made = TABLE.replace("true", "tar -C /srv/app -xf /root/app.tar", 1)
    assert "what e0 makes" in hint(Choice(), "rehearsal: cannot execute app: there is no /srv/app/bin", table=made)


def test_other_file_systems() -> None:
    """They are named where a finding names a path in one."""
    finding = Finding(Kind.FAILED, "web", "app", "app failed", ("no such file: /data/x",))
    assert of_mounts(finding, ["/dat", "/data"]).lines[1:] == (
        "/data is a file system of its own, which is not seen here: --bind-ro /data shows it",
    )
    assert of_mounts(finding, ["/dat", "/x"]) == finding


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("a cannot be loaded (error); see 'systemctl status clinit-a@b.service': 'b c'",
         "a cannot be loaded (error): 'b c'"),
        (r"clinit-a@b.service cannot be used; see 'systemctl status 'clinit-a@b\x20.service''",
         "clinit-a@b.service cannot be used"),
        ("the daemon at /run/s went away: Broken pipe; see 'journalctl -u clinit'",
         "the daemon at /run/s went away: Broken pipe"),
        ("timed out; what was requested goes on (see 'clinitctl status')", "timed out; what was requested goes on"),
        ("is masked; 'systemctl unmask a' undoes that", "is masked; 'systemctl unmask a' undoes that"),
    ],
)  # fmt: skip
def test_where_there_is_nothing_to_see(told: str, expected: str) -> None:
    """Units of a rehearsal are gone with it, so nobody is sent to them. A mask is the machine's."""
    assert here(told) == expected
