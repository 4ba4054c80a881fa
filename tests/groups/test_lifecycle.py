"""The life of a group: every row of the table, and what holds for all of them. No node is needed."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cltab2systemd.core.group import Group
from cltab2systemd.groups.lifecycle import (
    HALT_ROWS,
    MARKED,
    ROWS,
    SHOWN,
    Event,
    HaltEvent,
    ImpossibleError,
    Life,
    Mark,
    Phase,
    Row,
    Serving,
    Shown,
    Tells,
    step,
)
from lab.install import PROJECT

ROOM = PROJECT / "cltab2systemd"
AT_WORK = {Phase.PREPARING, Phase.EMPTYING, Phase.INSTALLING, Phase.QUEUEING, Phase.MOVING}


class Disk:
    """Where marks are; `full` refuses them."""

    def __init__(self) -> None:
        self.marks: dict[str, str] = {}
        self.full = False

    def mark(self, group: str, level: str) -> None:
        if self.full:
            raise OSError
        self.marks[group] = level

    def forget(self, group: str) -> None:
        self.marks.pop(group, None)


# What the table says, in words: a phase, an event, the next phase, the mark, who is told.
EXPECTED = """
resting     a level is asked for                          preparing
resting     a new daemon finds its mark                   resumed
resting     its boot level is due                         resumed     written
resting     it has left the table, and nothing of it runs gone
preparing   a level is asked for                          preparing   -        the earlier request: superseded
preparing   its units are to be made anew                 emptying    written
preparing   its units are as they are to be               preparing
preparing   the start of the level is queued              moving      -        started
preparing   a step is refused                             resting     -        the refusal
emptying    a level is asked for                          emptying    written  the earlier request: superseded
emptying    its units are to be made anew                 emptying
emptying    entries are being stopped                     emptying    -        started
emptying    what was to be stopped is at rest             installing
emptying    its units are as they are to be               queueing
emptying    a step is refused                             left        -        the refusal
installing  a level is asked for                          emptying    written  the earlier request: superseded
installing  the new units are loaded                      queueing
installing  a step is refused                             left        -        the refusal
queueing    a level is asked for                          emptying    written  the earlier request: superseded
queueing    its units are to be made anew                 emptying
queueing    its units are as they are to be               queueing
queueing    the start of the level is queued              moving      removed  started
queueing    a step is refused                             left        -        the refusal
moving      a level is asked for                          preparing   -        the earlier request: superseded
moving      the level has come to its end                 resting     -        the outcome
moving      somebody has taken it elsewhere               resting     -        superseded
moving      a step is refused                             resting     -        the refusal
left        a level is asked for                          emptying    written
left        a level was started by hand since             resting     removed
left        all groups are halted, and nothing of it runs resting     removed
left        it has left the table, and nothing of it runs gone        removed
resumed     a level is asked for                          emptying    written
resumed     its boot level is due                         resumed     written
resumed     a step is refused                             left        -        the refusal
resumed     all groups are halted, and nothing of it runs resting     removed
resumed     it has left the table, and nothing of it runs gone        removed
gone        its units cannot be removed                   resting
"""


def expected_rows() -> dict[tuple[Phase, Event], Row]:
    rows = {}
    for line in EXPECTED.strip().splitlines():
        phase, event, following, mark, tells = (
            part.strip() for part in (line[:12], line[12:58], line[58:70], line[70:79], line[79:])
        )
        rows[Phase(phase), Event(event)] = Row(Phase(following), Mark(mark.replace("-", "")), Tells(tells))
    return rows


@pytest.mark.parametrize(("at", "row"), expected_rows().items(), ids=str)
def test_row(at: tuple[Phase, Event], row: Row) -> None:
    """A row says who is told; a group that lives it is in the next phase then, and its mark is as the row says."""
    assert ROWS[at] == row
    phase, event = at

    async def live() -> None:
        disk = Disk()
        group = Group("web", disk)
        group._life = Life(phase, "before")
        disk.marks = {"web": "before"} if phase in MARKED else {}
        group.happens(event, "3")
        assert group.life.phase is row.phase
        match row.mark:
            case Mark.WRITE:
                assert disk.marks == {"web": "3"}
            case Mark.REMOVE:
                assert disk.marks == {}
            case Mark.KEEP:
                assert disk.marks == ({"web": "before"} if phase in MARKED else {})

    asyncio.run(live())


def test_there_are_no_other_rows() -> None:
    """Whatever is not in the table cannot happen, and says so."""
    assert ROWS.keys() == expected_rows().keys()
    for phase in Phase:
        for event in Event:
            if (phase, event) not in ROWS:
                with pytest.raises(ImpossibleError, match=re.escape(f"{event}, in phase {phase}")):
                    step(Life(phase), event, "3")


@pytest.mark.parametrize(("at", "row"), ROWS.items(), ids=str)
def test_the_mark_is_there_in_the_marked_phases_only(at: tuple[Phase, Event], row: Row) -> None:
    """What leads into a marked phase writes the mark, what leads out removes it; a new request writes its own level."""
    phase, event = at
    if event is Event.FOUND:
        assert row.mark is Mark.KEEP
    elif row.phase in MARKED:
        is_new = phase not in MARKED or event in {Event.REQUESTED, Event.DUE}
        assert row.mark is (Mark.WRITE if is_new else Mark.KEEP)
    else:
        assert row.mark is (Mark.REMOVE if phase in MARKED else Mark.KEEP)


def test_clstat_shows_no_level_that_is_not_reached() -> None:
    """In a marked phase clstat never goes by the units, which may look like an end; elsewhere it always does."""
    assert {phase for phase, shown in SHOWN.items() if shown is not Shown.OBSERVED} == MARKED
    assert {phase for phase, shown in SHOWN.items() if shown is Shown.FAILED} == {Phase.LEFT}


@pytest.mark.parametrize("phase", sorted(Phase))
def test_every_request_is_answered(phase: Phase) -> None:
    """A phase in which a request is at work is left only by a row that tells its outcome, or that another took over."""
    for (at, event), row in ROWS.items():
        if at is phase and at in AT_WORK and row.phase not in AT_WORK:
            assert row.tells in {Tells.OUTCOME, Tells.REFUSAL, Tells.SUPERSEDED}, event
        if at is phase and event is Event.REQUESTED:
            assert (row.tells is Tells.SUPERSEDED_BY) == (at in AT_WORK)


def test_only_a_level_that_is_queued_is_called_started() -> None:
    """A client is told of a start when systemd has it, or when the first entry is being stopped for it."""
    assert {event for (_, event), row in ROWS.items() if row.tells is Tells.STARTED} == {
        Event.QUEUED,
        Event.STOPS_BEGIN,
    }


EVENTS = st.lists(st.tuples(st.sampled_from(list(Event)), st.sampled_from(["1", "2", "stop"])), max_size=40)


@given(EVENTS)
def test_histories(events: list[tuple[Event, str]]) -> None:
    """After any events, the mark on disk is that of the last request that has begun and not come to its start."""

    async def live() -> None:
        disk = Disk()
        group = Group("web", disk)
        wanted = None
        for event, level in events:
            if (group.life.phase, event) not in ROWS:
                continue
            if event is Event.FOUND:
                disk.marks["web"] = level
            group.happens(event, level if event in {Event.REQUESTED, Event.FOUND, Event.DUE} else None)
            if event in {Event.REQUESTED, Event.FOUND, Event.DUE}:
                wanted = level
            assert disk.marks == ({"web": wanted} if group.life.phase in MARKED else {})
            assert group.life.level == (None if group.life.phase in {Phase.RESTING, Phase.GONE} else wanted)

    asyncio.run(live())


def test_a_mark_that_cannot_be_written_moves_nothing() -> None:
    """The mark is first: if the disk does not take it, the group is where it was, and so is what clstat shows."""

    async def live() -> None:
        disk = Disk()
        group = Group("web", disk)
        group.happens(Event.REQUESTED, "3")
        disk.full = True
        with pytest.raises(OSError):
            group.happens(Event.LINES_DIFFER)
        assert group.life == Life(Phase.PREPARING, "3")
        group.happens(Event.REFUSED, why="no space left on device")
        assert group.life == Life()

    asyncio.run(live())


def test_a_request_for_a_group_that_was_left_empty_shows_no_failure_of_its_own() -> None:
    """From the moment of the request on, clstat shows STOPPING, and not that the new level has failed."""

    async def live() -> None:
        disk = Disk()
        group = Group("web", disk)
        for event in (Event.REQUESTED, Event.LINES_DIFFER, Event.REFUSED):
            group.happens(event, "3" if event is Event.REQUESTED else None, why="the disk is full")
        shown = [group.life.shown]
        assert group.life.level == "3"
        assert group.life.why == "the disk is full"
        group.happens(Event.REQUESTED, "4")
        shown.append(group.life.shown)
        assert shown == [Shown.FAILED, Shown.STOPPING]
        assert disk.marks == {"web": "4"}

    asyncio.run(live())


def test_what_was_stopped_on_the_way_counts_as_new_until_the_start() -> None:
    """Entries that a broken-off switch has stopped are started anew by the next one; of a found mark, all are."""
    life = Life(Phase.EMPTYING, "3").freshened(frozenset({"a"})).freshened(frozenset({"b"}))
    assert life.fresh == frozenset("ab")
    life, _ = step(life, Event.REFUSED)
    life, _ = step(life, Event.REQUESTED, "4")
    assert life.fresh == frozenset("ab")
    life, _ = step(step(life, Event.NOTHING_TO_INSTALL)[0], Event.QUEUED)
    assert life.fresh == frozenset()
    found, _ = step(Life(), Event.FOUND, "3")
    assert found.freshened(frozenset({"a"})).fresh is None


def test_a_halt_of_all_groups() -> None:
    """A halt that is refused leaves a daemon that serves; one that has ended leaves none."""
    assert HALT_ROWS == {
        (Serving.SERVING, HaltEvent.REQUESTED): Serving.HALTING,
        (Serving.HALTING, HaltEvent.REQUESTED): Serving.HALTING,
        (Serving.HALTING, HaltEvent.REFUSED): Serving.SERVING,
        (Serving.HALTING, HaltEvent.ENDED): Serving.HALTED,
    }


def test_nobody_else_moves_a_group() -> None:
    """A phase is assigned in one place, and marks of destinations are written in one place."""
    text = {path.relative_to(ROOM).as_posix(): path.read_text() for path in ROOM.rglob("*.py")}

    assert {name for name, code in text.items() if re.search(r"\b_life = |\b_life: ", code)} == {"core/group.py"}
    assert {name for name, code in text.items() if re.search(r"destinations\.mark\(", code)} == {"core/group.py"}
    assert {name for name, code in text.items() if re.search(r"\bLife\(", code)} == {
        "core/group.py",
        "groups/lifecycle.py",
    }
