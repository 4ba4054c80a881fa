"""What the daemon knows of who has stopped entries, without systemd and a journal."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from cltab2systemd.core import culprits
from cltab2systemd.core.culprits import Culprits
from cltab2systemd.events import Asker
from cltab2systemd.groups.culprit import Culprit, Run, noted
from cltab2systemd.groups.reasons import Attempt, Cause, Reason
from cltab2systemd.groups.state import GroupStatus, State
from cltab2systemd.groups.units import GroupUnits, Process, UnitStatus
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NAMES = Names()
ALICE = Culprit(5, "alice", None, None, "systemctl stop x")
ASKER = Asker(uid=7, pid=8, command="clinitctl stop a", user="bob")


def unit(tag: str = "a") -> str:
    return NAMES.entry("web", tag)


@dataclass
class Notes:
    """Notes in memory; on a full disk none can be written."""

    texts: dict[str, str] = field(default_factory=dict)
    is_full: bool = False

    def write(self, name: str, text: str) -> None:
        if self.is_full:
            raise OSError
        self.texts[name] = text

    def discard(self, name: str) -> None:
        self.texts.pop(name, None)

    def all(self) -> dict[str, str]:
        return dict(self.texts)


class Probed:
    """Each unit has the run with this id, which has ended."""

    def __init__(self, invocation: str) -> None:
        self._invocation = invocation

    def invocation(self, _unit: str) -> str:
        return self._invocation

    def process(self, _unit: str) -> Process:
        return Process(7, 2, 15, ended_at=9_000_000)

    def started_time(self, _unit: str) -> int:
        return 1_000_000

    def inactive_time(self, _unit: str) -> int:
        return 9_000_001


def units(*tags: str, run: str = "run", active: str = "inactive", sub: str = "dead", job: str = "") -> GroupUnits:
    listed = {unit(tag): UnitStatus(unit(tag), "loaded", active, sub, 1 if job else 0, job) for tag in tags}
    return GroupUnits(NAMES, "web", (), listed, cast("Any", Probed(run)))


def failed(*tags: str, run: str = "run") -> GroupStatus:
    """A group whose entries somebody has stopped."""
    attempt = Attempt(9_000_000, None, run, may_be_by_hand=True)
    return GroupStatus("web", "3", State.FAILED, tuple(Reason(Cause.DOWN, unit(t), "x", attempt=attempt) for t in tags))


class Journal:
    """Answers what it is told to, when it is told to."""

    def __init__(self, answer: Callable[[Sequence[Run]], Mapping[str, Culprit]]) -> None:
        self.asked: list[list[str]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._answer = answer

    async def search(self, runs: Sequence[Run]) -> Mapping[str, Culprit]:
        self.asked.append([run.unit for run in runs])
        await self.may_answer.wait()
        return self._answer(runs)


def made(notes: Notes, journal: Journal | None) -> tuple[Culprits, list[str]]:
    seen: list[str] = []
    search = None if journal is None else journal.search
    return Culprits(NAMES, cast("Any", notes), search, seen.append), seen


async def answered(seen: list[str], tag: str = "a") -> None:
    """Wait until a unit's group is to be looked at, for the journal has answered."""
    async with asyncio.timeout(10):
        while unit(tag) not in seen:  # noqa: ASYNC110
            await asyncio.sleep(0)


def test_the_journal_is_asked_once() -> None:
    """It is found, and noted; a run of which nobody knows anything is not asked about again."""

    async def run() -> None:
        notes, journal = Notes(), Journal(lambda _runs: {unit("a"): ALICE})
        known, seen = made(notes, journal)
        for _ in range(3):
            known.look(units("a", "b"), failed("a", "b"))
        assert known.is_sought(unit("a"))
        await answered(seen)
        known.look(units("a", "b"), failed("a", "b"))

        assert (known.of(unit("a"), "run"), known.of(unit("b"), "run")) == (ALICE, None)
        assert not known.is_sought(unit("b"))
        assert journal.asked == [[unit("a"), unit("b")]]
        assert (seen, notes.texts) == ([unit("a"), unit("b")], {unit("a"): noted("run", ALICE)})
        # Of the next run nobody knows anything.
        known.look(units("a", run="next"), None)
        assert (known.of(unit("a"), "next"), notes.texts) == (None, {})

    asyncio.run(run())


def test_what_is_being_stopped_is_asked_about_at_its_rest() -> None:
    """Before that, the journal may not have all of it."""

    async def run() -> None:
        journal = Journal(lambda _runs: {})
        known, seen = made(Notes(), journal)
        known.look(units("a", active="deactivating", sub="stop-sigterm", job="stop"), failed("a"))
        assert not known.is_sought(unit())
        known.look(units("a"), failed("a"))
        await answered(seen)
        assert journal.asked == [[unit()]]

    asyncio.run(run())


def test_many_at_once() -> None:
    """There is one question at a time, about a bounded number of units."""

    async def run() -> None:
        journal = Journal(lambda _runs: {})
        known, seen = made(Notes(), journal)
        tags = [f"t{number}" for number in range(250)]
        known.look(units(*tags), failed(*tags))
        await answered(seen, tags[-1])
        assert [len(asked) for asked in journal.asked] == [100, 100, 50]

    asyncio.run(run())


def test_nobody_waits_for_a_stuck_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for long; what it says later is told. What it says of a run that is over by then is not."""
    monkeypatch.setattr(culprits, "_PATIENCE", 0.0)

    async def run() -> None:
        journal = Journal(lambda runs: {each.unit: ALICE for each in runs})
        journal.may_answer.clear()
        known, seen = made(Notes(), journal)
        known.look(units("a", "b"), failed("a", "b"))
        assert not known.is_sought(unit())
        await asyncio.sleep(0)
        known.look(units("a", "b", run="next"), failed("b", run="next"))
        journal.may_answer.set()
        await answered(seen, "b")
        assert (known.of(unit("a"), "run"), seen, len(journal.asked)) == (None, [unit("b")], 2)

    asyncio.run(run())


def test_a_fault_of_the_search(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is known then, and the log has it."""

    async def run() -> None:
        journal = Journal(lambda _runs: cast("Any", 1 / 0))
        known, seen = made(Notes(), journal)
        known.look(units("a"), failed("a"))
        await answered(seen)
        assert (known.of(unit(), "run"), seen) == (None, [unit()])

    asyncio.run(run())
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("is_full", [False, True])
def test_a_client_of_the_daemon(is_full: bool) -> None:
    """It is known at once, also on a full disk; another daemon knows it from the note, and asks nobody."""

    async def run() -> None:
        notes = Notes({"x": "junk"}, is_full=is_full)
        known, _ = made(notes, None)
        known.asks(ASKER, unit(), "run")
        known.look(units("a", active="active", sub="running", job="stop"), None)
        found = known.of(unit(), "run")
        assert found is not None
        assert (found.user, found.uid, found.pid, found.command) == ("bob", 7, 8, "clinitctl stop a")

        journal = Journal(lambda _runs: {})
        later, _ = made(notes, journal)
        later.resume()
        assert later.of(unit(), "run") == (None if is_full else found)
        later.look(units("a"), failed("a"))
        assert later.is_sought(unit()) == is_full
        # The stop was cancelled, and it runs on: the next one is another's.
        known.look(units("a", active="active", sub="running"), None)
        assert known.of(unit(), "run") is None

    asyncio.run(run())
