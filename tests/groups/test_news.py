"""What is told of groups, and when: all that matters, once, and at last how it is."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from cltab2systemd.groups.culprit import Culprit
from cltab2systemd.groups.news import CULPRIT, INTERVAL, SETTLING, WELL, Kind, News, Newsroom
from cltab2systemd.groups.reasons import Attempt, Cause, Reason
from cltab2systemd.groups.state import GroupStatus, State
from cltab2systemd.units.names import HALT_LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterable


def web(
    state: State = State.DONE, *failed: str, paused: Iterable[str] = (), cause: Cause = Cause.PAUSED
) -> GroupStatus:
    """Group web, with entries that have failed, and some that pause."""
    reasons = [Reason(Cause.DOWN, f"clinit-web@{tag}.service", "", tag=tag) for tag in failed]
    reasons += [Reason(cause, f"clinit-web@{tag}.service", "", tag=tag) for tag in paused]
    return GroupStatus("web", "3", state, tuple(reasons))


def kinds(news: Iterable[News]) -> list[str]:
    """What they are, and about which entry."""
    return [f"{each.kind} {each.reason.tag if each.reason else ''}".strip() for each in news]


def told(*steps: tuple[float, GroupStatus | None], before: Iterable[GroupStatus] = ()) -> list[str]:
    """What is told if a daemon sees this at these times: `SECONDS KIND TAG`; None is a group that is gone."""
    newsroom, found = Newsroom(before), []
    for at, status in [*steps, (float("inf"), steps[-1][1])]:
        while (due := newsroom.next_due) is not None and due < at:
            found += [f"{due:g} {line}" for line in kinds(newsroom.due(due))]
        if at != float("inf"):
            found += [f"{at:g} {line}" for line in kinds(newsroom.look([status] if status else [], at))]
    return found


def test_a_failure_and_its_end() -> None:
    """Each is told at once, and once."""
    failed = web(State.FAILED, "a")
    assert ["1 failed a", "13 recovered"] == told((0, web()), (1, failed), (2, failed), (3, web()), (4, web()))


def test_who_has_stopped_an_entry() -> None:
    """That is waited for a moment, and told if it is known by then; who is known at first is told at once."""
    unknown, known = (Attempt(may_be_by_hand=True, by=by) for by in (None, Culprit(1, "alice", None, None, "x")))
    nobody, alice = (
        GroupStatus("web", "3", State.FAILED, (Reason(Cause.DOWN, "clinit-web@a.service", text, attempt=attempt),))
        for text, attempt in (("stopped", unknown), ("stopped by alice", known))
    )
    newsroom = Newsroom()
    assert [] == newsroom.look([nobody], 0)
    (news,) = newsroom.look([alice], 1)
    assert (news.reason and news.reason.text, newsroom.next_due) == ("stopped by alice", None)
    assert ["0 failed"] == told((0, alice))
    assert [f"{CULPRIT:g} failed"] == told((0, nobody), (1, nobody))


def test_other_entries_that_fail() -> None:
    """They are news; entries that are well again are not, as long as others are not."""
    one, two, other = (web(State.FAILED, *tags) for tags in ("a", "ab", "b"))
    assert ["0 failed a", "100 failed b"] == told((0, one), (100, two), (200, other), (300, other))


def test_a_failure_again_after_a_request() -> None:
    """Who asks again, and in vain, has that told."""
    failed = web(State.FAILED, "a")
    assert ["0 failed a", "101 failed a"] == told((0, failed), (100, web(State.STARTING)), (101, failed))
    assert ["0 failed a", "111 recovered"] == told((0, failed), (100, web(State.STARTING)), (101, web(State.PASSED)))


def test_what_an_earlier_daemon_has_seen() -> None:
    """A group that was FAILED is no news, but its recovery is; one that has failed meanwhile is."""
    before = [web(State.FAILED)]
    failed = web(State.FAILED, "a")
    assert [] == told((0, web(State.FAILED)), (1, failed), before=before)
    assert ["5 failed b"] == told((0, failed), (5, web(State.FAILED, "a", "b")), before=before)
    assert ["10 recovered"] == told((0, web()), before=before)
    assert ["0 failed a"] == told((0, failed), before=[web()])


def test_no_storm() -> None:
    """One of a kind in a minute; then the last one, if it is still so."""
    failed, other = web(State.FAILED, "a"), web(State.FAILED, "a", "b")
    assert ["0 failed a", "60 failed b"] == told((0, failed), (10, other))
    # Nobody needs to know of a failure that is over.
    assert ["0 failed a", "30 recovered"] == told((0, failed), (10, other), (20, web()))
    assert ["0 failed a", "11 recovered"] == told((0, failed), (1, web()), (12, failed), (23, web()))
    assert ["0 failed a", "11 recovered", "60 failed a"] == told(
        (0, failed), (1, web()), (12, failed), (23, web()), (34, failed)
    )


def test_a_recovery_that_does_not_last() -> None:
    """A group that is DONE for a moment has not recovered; nor does an entry keep ending that could not be executed."""
    failed, moving, keeps = web(State.FAILED, "a"), web(State.STARTING), web(paused="a", cause=Cause.KEEPS_ENDING)
    assert ["0 failed a"] == told((0, failed), (1, web()), (2, failed))
    assert ["0 failed a", "60 failed a"] == told((0, failed), (10, moving), (11, web()), (12, failed))
    assert ["0 failed a", "60 failed b"] == told((0, failed), (11, web()), (12, web(State.FAILED, "b")))
    assert ["0 failed a", "32 recovered"] == told((0, failed), (1, web()), (2, failed), (22, web()), (23, web()))
    assert ["0 failed a", "23 recovered"] == told((0, failed), (11, web()), (12, moving), (13, web()))
    assert ["0 failed a", "92 failed a"] == told((0, failed), (11, web()), (12, moving), (92, failed))
    assert ["2 failed a"] == told((0, moving), (1, keeps), (2, failed))
    assert ["10 keeps-ending a"] == told((0, keeps), (1, keeps), (10 + SETTLING, keeps))


def test_a_trouble_that_is_over() -> None:
    """Nobody is told of it when its time has come: the entry is well, or the group was mended."""
    a, moving = web(paused="a"), web(State.STARTING)
    assert ["0 backing-off a"] == told((0, a), (10, moving), (20, a), (32, moving), (33, web()))
    assert ["0 backing-off a"] == told((0, a), (10, moving), (20, a), (32, web()))
    assert ["0 backing-off a", "60 backing-off a"] == told((0, a), (10, moving), (20, a), (32, web()), (40, a))


def test_entries_that_back_off() -> None:
    """Once, until they are well for five minutes, or somebody asks for the group; each entry for itself."""
    a, ab = web(paused="a"), web(paused="ab")
    assert ["0 backing-off a", "1 backing-off b"] == told((0, a), (1, ab), (2, ab))
    assert ["0 backing-off a"] == told((0, a), (10, web()), (10 + WELL - 1, a))
    assert ["0 backing-off a", "310 backing-off a"] == told((0, a), (10, web()), (10 + WELL, a))
    assert ["0 backing-off a", "90 backing-off a"] == told((0, a), (80, web(State.STARTING)), (90, a))
    keeps = web(paused="a", cause=Cause.KEEPS_ENDING)
    assert ["1 backing-off a"] == told((0, keeps), (1, a), (2, keeps), (3, web()), (4, a))
    assert ["0 backing-off a"] == told((0, a), (65, keeps), (90, keeps), (125, a))
    assert ["10 keeps-ending a", "11 backing-off a"] == told((0, keeps), (11, a), (12, keeps), (13, web()), (14, a))


def test_a_halt_is_no_news() -> None:
    """Nor is a group that is stopped or gone; and what was to be told of it is not told any more."""
    failed, other = web(State.FAILED, "a"), web(State.FAILED, "a", "b")
    halt = GroupStatus("web", HALT_LEVEL, State.FAILED, failed.reasons)
    for end in (web(State.HALTING), halt, web(State.CONFIGURED), None):
        assert ["0 failed a"] == told((0, failed), (1, other), (2, end), (100, end))
        assert ["0 failed a"] == told((0, failed), (2, end), (100, web()))


@given(st.lists(st.tuples(st.floats(0.01, 100), st.sampled_from([web(), web(State.FAILED, "a"), web(State.STARTING)]))))
def test_the_last_word_is_true(steps: list[tuple[float, GroupStatus]]) -> None:
    """Whatever happens: what is told last is how the group is, as soon as all is told; and there is no storm."""
    at, timed = 0.0, []
    for wait, status in steps:
        at += wait
        timed.append((at, status))
    settled = [status for _, status in timed if status.state.settled]
    found = told(*timed) if timed else []

    if timed and timed[-1][1].state.settled and (found or settled[-1].state is State.FAILED):
        assert found[-1].split()[1] == ("failed" if settled[-1].state is State.FAILED else "recovered")
    for kind in Kind:
        times = [float(line.split()[0]) for line in found if line.split()[1] == kind]
        assert all(later - earlier > INTERVAL - 0.5 for earlier, later in pairwise(times))
