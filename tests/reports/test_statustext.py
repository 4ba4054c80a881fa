"""`clinitctl status` as text: what is wrong comes first, columns are counted, nothing is lost in a pipe."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cltab2systemd.reports import statustext
from cltab2systemd.terminal import clock, columns, duration, wrapped

NOW = 1_795_695_000_000_000


def entry(tag: str, state: str = "running", **more: Any) -> dict[str, Any]:
    """An entry as the overview has it."""
    value = {
        "tag": tag, "levels": "3", "mode": "respawn", "command": "x", "state": state, "in_level": True,
        "unit": f"clinit-web@{tag}.service", "load": "loaded", "active": "active", "sub": "running",
        "since_usec": NOW - 125_000_000, "pid": 4711, "restarts": 0, "ending": None, "memory_bytes": 12_900_000,
        "cpu_usec": 3_400_000, "tasks": 1,
    }  # fmt: skip
    return {**value, **more}


def reason(tag: str, words: str, **more: Any) -> dict[str, Any]:
    """A reason as the overview has it."""
    value = {
        "code": "test-failed", "failure": True, "unit": f"clinit-web@{tag}.service", "tag": tag, "mode": "test",
        "words": words, "text": f"web: {tag} (test) {words}: test -d /srv/www", "command": "test -d /srv/www",
        "since_usec": NOW, "ending": None, "invocation": None, "cure": "mend it, then 'clinit web 3' runs it again",
    }  # fmt: skip
    return {**value, **more}


def group(name: str, state: str = "DONE", health: str = "well", **more: Any) -> dict[str, Any]:
    """A group as the overview has it."""
    value = {
        "group": name, "level": "3", "state": state, "since_usec": NOW - 3_600_000_000, "health": health,
        "boot_level": None, "in_table": True, "pending": [], "reasons": [], "entries": [],
    }  # fmt: skip
    return {**value, **more}


FAILED = group(
    "web",
    "FAILED",
    "failed",
    entries=[
        entry("server", restarts=3, ending={"kind": "killed", "status": 9, "signal": "SIGKILL", "result": "signal"}),
        entry("config", "failed", mode="test", pid=None, memory_bytes=None, cpu_usec=None,
              ending={"kind": "exited", "status": 1, "signal": None, "result": "success"}),
        entry("old", "stopped", in_level=False),
    ],
    reasons=[reason("config", "exited with 1")],
    pending=["server", "new"],
)  # fmt: skip


def test_a_group_of_a_cluster() -> None:
    """Its heading says which resource it is."""
    assert [*statustext.lines([group("web", resource="w")], NOW)] == [
        "web: level 3 DONE for 1h, Pacemaker's resource w"
    ]
    assert [*statustext.lines([group("web", resource=None)], NOW)] == ["web: level 3 DONE for 1h"]


def test_a_group_on_trial() -> None:
    """Its heading says until when, and what then; with the date, if that is another one."""
    trial = {"level": "3", "back": "2", "until_usec": 61_000_000}
    until = clock(61_000_000, 1_000_000)

    assert statustext.heading(group("web", trial=trial), 1_000_000).endswith(
        f", on trial until {until}, then it goes back to level 2"
    )
    assert statustext.heading(group("web", trial={**trial, "back": None}), 1_000_000).endswith(
        ", then it is stopped again"
    )
    on_its_way = statustext.heading(group("web", trial={**trial, "level": "4"}), 1_000_000)
    assert ", on trial of level 4 until " in on_its_way
    assert len(clock(61_000_000, 1_000_000 + 3 * 86_400_000_000)) > len(until)


def test_a_group_that_is_not_well() -> None:
    """The group, what is wrong with it, then what is well, and what the table will change."""
    assert [*statustext.lines([FAILED], NOW)] == [
        "web: level 3 FAILED for 1h",
        "  TAG     STATE    MODE     SINCE    PID   RESTARTS  LAST EXIT  MEMORY  CPU",
        "  config  failed   test     2min 5s  -     -         1          -       -",
        "    exited with 1",
        "    test -d /srv/www",
        "    mend it, then 'clinit web 3' runs it again",
        "  server  running  respawn  2min 5s  4711  3         SIGKILL    12.3M   3s",
        "  1 more entry is not in level 3",
        "  2 entries change at its next request: server, new",
    ]


def test_a_level_that_no_entry_names() -> None:
    """It is said, for a slip of the pen stops everything."""
    entries = [entry("server", "stopped", in_level=False), entry("spare", "stopped", in_level=False, levels="3,b")]
    assert [*statustext.lines([group("web", level="m", entries=entries)], NOW)] == [
        "web: level m DONE for 1h",
        "  no entry names level m, so none is to run; they name 3, 3,b",
    ]
    assert [*statustext.lines([group("web", "STOPPING", "moving", progress=None, entries=entries)], NOW)] == [
        "web: level 3 STOPPING for 1h",
        "  2 entries are at rest",
    ]


def test_everything() -> None:
    """Entries that are not in the level are shown on demand."""
    assert any(line.startswith("  old ") for line in statustext.lines([FAILED], NOW, everything=True))


def test_the_worst_comes_first() -> None:
    """Groups are ordered by how well they are; else they stay in the order of the table."""
    at_rest = group("e", "CONFIGURED", "at-rest", level=None, since_usec=None)
    groups = [group("a"), group("b", health="degraded"), group("c"), group("d", "FAILED", "failed"), at_rest,
              group("f", "STARTING", "moving")]  # fmt: skip

    assert [line.partition(":")[0] for line in statustext.lines(groups, NOW) if line] == [*"dbface"]
    assert "e: at no level" in [*statustext.lines(groups, NOW)]
    assert "b: level 3 DONE, degraded for 1h" in [*statustext.lines(groups, NOW)]


def many(**groups: int) -> list[dict[str, Any]]:
    """So many groups of each kind, in this order."""
    kinds = {
        "well": ("DONE", "well"), "failed": ("FAILED", "failed"), "degraded": ("DONE", "degraded"),
        "starting": ("STARTING", "moving"), "stopping": ("STOPPING", "moving"), "rest": ("CONFIGURED", "at-rest"),
    }  # fmt: skip
    return [
        group(f"{kind}{number}", *kinds[kind], entries=[entry("a")])
        for kind in groups
        for number in range(groups[kind])
    ]


@pytest.mark.parametrize(
    ("groups", "missing", "told"),
    [
        (many(well=10), 0, ""),
        (many(well=11), 0, "all 11 groups are well"),
        (many(rest=1000), 0, "all 1000 groups are at no level"),
        (many(well=997, failed=2, starting=1), 0, "1000 groups: 2 FAILED, 1 STARTING, 997 well"),
        (
            many(rest=1, well=2, stopping=3, starting=4, degraded=5, failed=6),
            0,
            "21 groups: 6 FAILED, 5 degraded, 3 STOPPING, 4 STARTING, 2 well, 1 at no level",
        ),
        (many(well=3), 90, "93 groups: 3 well, 90 not known"),
    ],
)
def test_a_summary_of_many_groups(groups: list[dict[str, Any]], missing: int, told: str) -> None:
    """What is wrong comes first, all are counted, and a few need no summary."""
    assert told == statustext.summary(groups, missing)


@given(
    st.fixed_dictionaries(dict.fromkeys(("well", "failed", "starting", "rest"), st.integers(0, 8))),
    st.integers(1, 60),
)
def test_what_a_terminal_shows(counts: dict[str, int], height: int) -> None:
    """All if it fits; else what is not well in whole, then headings, and how many are left out."""
    groups = many(**counts)
    whole = [*statustext.lines(groups, NOW)]
    shown = [*statustext.lines(groups, NOW, height=height)]
    names = [line.partition(":")[0] for line in shown if ": level" in line]
    left = [int(line.split()[2]) for line in shown if line.startswith("… and ")]

    if len(whole) <= height:
        assert whole == shown
        return
    unwell = [*statustext.lines([group for group in groups if group["health"] in {"failed", "moving"}], NOW)]
    assert unwell == shown[: len(unwell)]
    assert len(groups) == len({*names}) + sum(left)
    assert len(shown) <= max(height, len(unwell) + 1)


@given(
    st.fixed_dictionaries(dict.fromkeys(("well", "failed", "starting", "rest"), st.integers(0, 8))),
    st.integers(1, 60),
)
def test_what_a_screen_shows(counts: dict[str, int], height: int) -> None:
    """The same; but nothing goes beyond the height, and every group is there, or is counted."""
    groups = many(**counts)
    shown = [*statustext.lines(groups, NOW, 80, height=height, scrolls=False)]
    scrolled = [*statustext.lines(groups, NOW, 80, height=height)]
    names = [line.partition(":")[0] for line in shown if ": level" in line]
    left = [int(line.split()[2]) for line in shown if re.match("… and [0-9]", line)]

    assert len(shown) <= height
    assert len(groups) == len({*names}) + sum(left)
    kept = [line for line in shown if not line.startswith("… and ")]
    assert kept == scrolled[: len(kept)]


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Columns go, reasons are wrapped; names of any script are counted as they are shown."""
    wide = group("数" * 30, "FAILED", "failed", entries=[entry("é" * 60), entry("数据库" * 20, "failed")],
                 reasons=[reason("数据库" * 20, "exited with 1")], pending=["数"] * 40)  # fmt: skip

    for value in (FAILED, wide):
        shown = [*statustext.lines([value], NOW, width)]
        assert max(map(columns, shown)) <= width
        assert any("exited" in line for line in shown)


@given(st.text(st.characters(blacklist_categories=["C", "Z"]), min_size=1), st.integers(4, 60), st.integers(0, 3))
def test_wrapped_lines_keep_every_word(text: str, width: int, indent: int) -> None:
    """Nothing is lost when a line is wrapped, and no line is too wide."""
    line = " " * indent + text + " " + text

    shown = wrapped(line, width)
    assert "".join(shown).replace(" ", "") == line.replace(" ", "")
    assert all(columns(part) <= width for part in shown)


@pytest.mark.parametrize(
    ("microseconds", "shown"),
    [(0, "0s"), (1, "0s"), (1000, "1ms"), (999_999, "999ms"), (1_000_000, "1s"), (125_000_000, "2min 5s"),
     (3_600_000_000, "1h"),
     (3_601_000_000, "1h"), (90_061_000_000, "1d 1h"), (-5, "0s")],
)  # fmt: skip
def test_durations(microseconds: int, shown: str) -> None:
    """The two largest units, without those that are zero."""
    assert duration(microseconds) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (0, "0B"),
        (1023, "1023B"),
        (1536, "1.5K"),
        (12_900_000, "12.3M"),
        (2**40, "1.0T"),
        (2**60, "1048576.0T"),
    ],
)
def test_sizes(value: int | None, shown: str) -> None:
    """Powers of 1024, as systemctl has them."""
    assert statustext.size(value) == shown
