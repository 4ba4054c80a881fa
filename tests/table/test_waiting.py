"""Groups whose readiness waits for each other."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.table.grammar import parse
from cltab2systemd.table.waiting import MOST_CIRCLES

NEITHER = "would ever be ready"


def circles(text: str) -> tuple[Diagnostic, ...]:
    """The findings, which have to be of this kind."""
    findings = parse(text.encode(), "cltab")[1]
    assert {finding.code for finding in findings} <= {"waiting-circle"}
    return findings


def waiting(*steps: str) -> str:
    """A table with an entry for each `GROUP:LEVELS PROBE`."""
    lines = []
    for number, step in enumerate(steps):
        where, probe = step.split(" ", 1)
        group, levels = where.split(":")
        lines.append(f"{group}:t{number}:{levels}:wait:true\n:::ready.t{number}:timeout=9s {probe}\n")
    return "".join(lines)


def test_two_groups() -> None:
    """The message names both, with the lines that make them wait; the place is the probe of the first."""
    [finding] = circles(waiting("web:3 group:db", "db:3 group:web:3"))
    assert finding.message == (
        "web at level 3 waits for db (line 2), db at level 3 waits for web at level 3 (line 4): "
        f"neither {NEITHER}"
    )  # fmt: skip
    assert (finding.place.line, finding.place.column, finding.place.width) == (2, 24, len("group:db"))
    assert finding.source == ":::ready.t0:timeout=9s group:db"


def test_more_groups() -> None:
    """A circle is told from its first line on, in the direction in which each waits, and not all of a long one."""
    [finding] = circles(waiting("c:1 group:a:1", "a:1 group:b:1", "b:1 group:c:1"))
    assert finding.message == (
        "c at level 1 waits for a at level 1 (line 2), a at level 1 waits for b at level 1 (line 4), "
        f"b at level 1 waits for c at level 1 (line 6): none of them {NEITHER}"
    )
    [finding] = circles(waiting(*(f"g{n}:1 group:g{(n + 1) % 9}" for n in range(9))))
    assert "(line 12), …: none of them" in finding.message
    assert finding.message.count("waits for") == 6


@pytest.mark.parametrize("probe", ["group:web", "group:web:3", "group:web:4"])
def test_an_entry_waits_for_its_own_group(probe: str) -> None:
    """The group cannot be at any level while one of its entries is not ready."""
    [finding] = circles(waiting(f"web:3 {probe}"))
    assert finding.message == "web waits for itself: it would never be ready"


@pytest.mark.parametrize(
    "steps",
    [
        ("web:3 group:db:3", "db:4 group:web:3"),
        ("web:3 group:db:3", "db:3 group:web:4"),
        ("web:3 group:db", "db:3 group:web:4"),
        ("web:3 group:db", "app:3 group:db", "app:3 group:web"),
        ("web:1, group:db", "db:2, group:web:1", "db:1, file:/there"),
        ("web:3 group:elsewhere", "web:3 tcp:80", "db:3 file:/group:web"),
        ("web:3 env group:db", "db:3 clinitctl status web"),
    ],
)
def test_no_circle(steps: tuple[str, ...]) -> None:
    """Levels count; so do only the fixed probes, for what a command asks cannot be read."""
    assert circles(waiting(*steps)) == ()


def test_what_is_not_in_force() -> None:
    """An `off` entry waits for nobody; of a setting that is given again the last one counts; health waits for none."""
    [finding] = circles(waiting("web:3m group:db", "db:34 group:web:3"))
    assert "db at level 3 waits" in finding.message
    text = waiting("web:3 group:db:3", "db:3 group:web:3")
    assert circles(text.replace("db:t1:3:wait", "db:t1:3:off")) == ()
    assert circles(f"{text}:::ready.t0:tcp:80\n") == ()
    assert circles(text.replace(":wait:", ":respawn:").replace(":::ready.t1:timeout=9s", ":::health.t1:9s")) == ()
    assert len(circles(f"{text}:::ready.t0:tcp:80\n:::ready.t0:group:db\n")) == 1


def test_levels_by_their_characters() -> None:
    """A field names levels as cltab(5) says."""
    assert len(circles(waiting("web:3m group:db:m", "db:3,m group:web:m"))) == 1
    assert circles(waiting("web:3m, group:db:m", "db:3,m group:web:m")) == ()


def test_many_circles() -> None:
    """Each is told once, up to a number, in no time, however large the table is."""
    steps = [step for n in range(3) for step in (f"a{n}:1 group:b{n}:1", f"b{n}:1 group:a{n}:1")]
    assert [finding.place.line for finding in circles(waiting(*steps))] == [2, 6, 10]
    table = waiting(*(f"g{n // 2}:{n % 7} group:g{n // 3}" for n in range(20_000)))
    began = time.process_time()
    findings = [finding for finding in circles(table) if "itself" not in finding.message]
    assert len(findings) <= MOST_CIRCLES
    assert time.process_time() < began + 10


@settings(deadline=None)
@given(st.lists(st.tuples(*map(st.sampled_from, ("abc", "12", "abc", ["1", "2", ""])))))
def test_any_waits(steps: list[tuple[str, str, str, str]]) -> None:
    """There is a finding if, and only if, a group can never come to a level that its entries have.

    Here that is looked for without any order: as long as anything is there, what waits for nothing else is there, too.
    """
    text = waiting(*(f"{group}:{level}, group:{other}{at and ':' + at}" for group, level, other, at in steps))
    nodes = {(group, level) for group, level, _, _ in steps}
    there = {(group, level) for group in "abc" for level in "12"} - nodes
    there |= {(group, "") for group in "abc" if not any(node[0] == group for node in nodes)}
    while True:
        now = {
            node for node in nodes if all(step[2:] in there for step in steps if step[:2] == node)
        }  # fmt: skip
        now |= {(group, "") for group, _ in now}
        if now <= there:
            break
        there |= now
    of_itself = any(group == other for group, _, other, _ in steps)
    assert bool(circles(text)) == (of_itself or not nodes <= there)
