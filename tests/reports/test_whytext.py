"""`clinitctl why` as text: harmless to a terminal whatever stands in a table or a journal, and nothing of it is cut."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cltab2systemd.reports import whytext
from cltab2systemd.terminal import printable

NOW = 1_795_695_000_000_000
HOSTILE = st.text(st.characters(), max_size=30)


def explained(text: str, **more: Any) -> dict[str, Any]:
    """A group with one reason, with a text wherever there may be any."""
    ending = {"kind": "dumped", "status": 11, "signal": "SIGSEGV", "result": "core-dump", "at_usec": NOW}
    line = {"time_usec": NOW, "systemd": False, "text": text}
    reason = {
        "code": "down", "failure": True, "unit": "clinit-web@r.service", "tag": text or "r", "mode": "respawn",
        "words": text or "x", "text": text, "command": text or None, "since_usec": NOW - 5_000_000, "ending": ending,
        "invocation": "x", "cure": text or None, "trouble": None, "commands": [text or "x"], "lines": [line, line],
        "by": {"user": text, "pid": 77, "command": text, "time_usec": NOW},
    }  # fmt: skip
    group = {"group": "web", "level": "3", "state": "FAILED", "since_usec": NOW - 1_000_000, "health": "failed",
             "in_table": True, "progress": None, "awaited": [], "reasons": [reason]}  # fmt: skip
    return {**group, **more}


@given(text=HOSTILE, width=st.none() | st.integers(20, 120))
def test_nothing_that_a_terminal_obeys(text: str, width: int | None) -> None:
    """Every line can be printed, but for the tabulators of programs."""
    for line in whytext.lines(explained(text), NOW, width):
        assert line.replace("\t", "").isprintable()


@given(text=HOSTILE)
def test_nothing_is_cut(text: str) -> None:
    """Commands and lines of the journal stand there whole, in a narrow terminal too."""
    found = [*whytext.lines(explained(text), NOW, 20)]

    assert f"    {printable(text or 'x')}" in found
    for part in text.split("\n"):
        shown = "\t".join(map(printable, part.split("\t")))
        assert any(line.endswith(f"  {shown}") for line in found)


def test_all_that_is_known() -> None:
    """Each fact has a line."""
    *found, _ = (line.replace("2026-11-26", "DAY") for line in whytext.lines(explained("x"), NOW))

    assert found[0] == "web: level 3 FAILED for 1s"
    assert found[1:4] == [
        "",
        "x (respawn) x",
        "  ended    signal SIGSEGV, with a core dump",
    ]
    assert [line[2:11].strip() for line in found[4:8]] == ["since", "by", "command", "unit"]


def test_what_to_do_in_a_terminal() -> None:
    """It goes on below its beginning; it has a line of its own in a narrow terminal, and is whole in a pipe."""
    cure = "mend it; it is tried again by itself, and by 'clinitctl restart mail:fetch' at once"
    shown = explained("x")
    shown["reasons"][0]["cure"] = cure

    def told(width: int | None) -> str:
        return "\n".join(whytext.lines(shown, NOW, width))

    assert f"\n  to do    {cure}\n" in told(None)
    assert (
        "\n  to do    mend it; it is tried again by itself, and by 'clinitctl restart\n           mail:fetch' at once\n"
    ) in told(80)
    assert "\n  to do\n    mend it; it is\n    tried again by\n" in told(20)


def test_the_way() -> None:
    """What is waited for stands below the group, and not twice."""
    waiting = {"tag": "b", "mode": "respawn", "state": "waiting", "unit": "b.service", "since_usec": None}
    entries = [{**waiting, "unit": "a.service", "tag": "a"}, waiting]
    group = explained("", reasons=[], health="moving", awaited=entries, progress={"awaited": [{"unit": "a.service"}]})

    found = [*whytext.lines(group, NOW, way=["web 2 -> 3: starting, 0 of 2 done: a (wait) 1s"])]
    assert ["  web 2 -> 3: starting, 0 of 2 done: a (wait) 1s", "  b (respawn) is waiting"] == found[1:]


def test_a_reason_of_no_entry_and_a_group_without_reasons() -> None:
    """The unit stands for the entry; and of nothing that is known, nothing is said."""
    [reason] = explained("x")["reasons"]
    nothing = dict.fromkeys(("tag", "mode", "command", "since_usec", "ending", "cure", "by"))
    bare = {**reason, **nothing, "lines": [], "commands": [], "words": "runs on"}
    assert [*whytext.lines(explained("", reasons=[bare]), NOW)][1:] == [
        "", "clinit-web@r.service runs on", "  unit     clinit-web@r.service"
    ]  # fmt: skip
    assert [*whytext.lines(explained("", reasons=[]), NOW)][1] == "  nobody has noted why; see 'journalctl -u clinit'"


def test_a_readiness() -> None:
    """It is told of the entry that is not ready, without how the program ended that asks."""
    shown = explained("x")
    ending = {"kind": "exited", "status": 10, "signal": None, "result": "exit-code", "at_usec": NOW}
    shown["reasons"][0] |= {"tag": "db:ready", "mode": "test", "words": "is not ready", "ending": ending, "by": None}
    found = [*whytext.lines(shown, NOW)]
    assert found[2] == "db is not ready"
    assert [line[2:11].strip() for line in found[3:6]] == ["since", "command", "unit"]
