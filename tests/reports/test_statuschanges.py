"""Changes of groups as `clinitctl watch` writes them: what is one, and how it is told."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cltab2systemd.reports.statuschanges import Change, Kind, as_object, by_name, changes, line

REASON = {"text": "web: config (test) exited with 1: x", "tag": "config", "mode": "test", "words": "exited with 1"}


def status(name: str, state: str = "DONE", *reasons: dict[str, Any]) -> dict[str, Any]:
    return {"group": name, "level": "3", "state": state, "reasons": [*reasons]}


NAMES = st.sampled_from("abc")
LOOKS = st.dictionaries(NAMES, st.sampled_from([("DONE",), ("FAILED", REASON), ("DONE", REASON)]))


@given(LOOKS, LOOKS)
def test_what_is_told_is_what_has_changed(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Who takes in all changes knows how it is now; nothing is told that has not changed."""
    looks = [{name: status(name, *found) for name, found in look.items()} for look in (before, now)]
    told = [*changes(*looks)]

    known = dict(looks[0])
    for change in told:
        name = change.group or ""
        if change.kind is Kind.LEFT:
            del known[name]
        else:
            known[name] = status(name, change.state or "", *change.reasons)
    assert known == looks[1]
    assert len(told) == sum(before.get(name) != now.get(name) for name in before.keys() | now.keys())


def test_lines() -> None:
    """The reason without the group, which is there already; what a terminal would obey is spelt out."""
    (change,) = changes({}, {"web": status("web", "FAILED", REASON, REASON | {"tag": "x\x1b"})})
    assert r"T web 3 FAILED: config (test) exited with 1; x\x1b (test) exited with 1" == line(change, "T")
    assert "T web is gone" == line(Change(Kind.LEFT, None, "web"), "T")
    assert "T the daemon is back" == line(Change(Kind.DAEMON, "answers"), "T")
    assert "T web 3 DONE" == line(Change(Kind.GROUP, "DONE", "web", "3"), "T")


def test_a_group_at_no_level() -> None:
    """The level that clstat goes on showing is the last one."""
    (change,) = changes({"web": status("web")}, {"web": status("web", "CONFIGURED")})
    assert "T web is at no level" == line(change, "T")
    assert (None, "CONFIGURED") == (as_object(change, 7)["level"], as_object(change, 7)["state"])


def test_a_daemon_that_tells_less() -> None:
    """An older one has the text of a reason only, and none of what is only worth a look."""
    (change,) = changes({}, {"web": {"group": "web", "level": "3", "state": "FAILED", "reasons": [{"text": "web: x"}]}})
    assert "T web 3 FAILED: web: x" == line(change, "T")
    assert [] == [*changes({"web": status("web")}, {"web": {"group": "web", "level": "3", "state": "DONE"}})]


def test_values() -> None:
    """Each has all members; only groups that are named are looked at."""
    assert {"time_usec": 7, "event": "left", "group": "web", "level": None, "state": None, "reasons": []} == as_object(
        Change(Kind.LEFT, None, "web"), 7
    )
    assert ["b"] == [*by_name([status("a"), status("b")], ["b"])]
    assert ["a", "b"] == [*by_name([status("a"), status("b")], [])]
