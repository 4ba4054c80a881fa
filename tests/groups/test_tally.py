"""The count of requests: each is counted once, by how it ended."""

from __future__ import annotations

import asyncio

from cltab2systemd.core.request import Request, SupersededError
from cltab2systemd.groups.refusals import Supersession
from cltab2systemd.groups.state import GroupStatus, State
from cltab2systemd.groups.tally import Outcome, Tally
from cltab2systemd.units.names import HALT_LEVEL


def test_counts_and_the_last_duration() -> None:
    """What did not come to its end has no duration."""
    tally = Tally().with_one(Outcome.DONE, 5).with_one(Outcome.SUPERSEDED, 7).with_one(Outcome.REFUSED, 9)

    assert tally.counts == dict.fromkeys(Outcome, 0) | {Outcome.DONE: 1, Outcome.SUPERSEDED: 1, Outcome.REFUSED: 1}
    assert tally.duration == 5
    assert Tally().duration is None
    assert set(Tally().counts.values()) == {0}


def test_how_a_request_ends() -> None:
    """By its state, by what a person is told, or by what came in between; and never twice."""

    async def ends(level: str, result: GroupStatus | Exception) -> list[Outcome]:
        found: list[Outcome] = []
        request = Request("web", level, on_end=lambda outcome, _: found.append(outcome))
        request.tell_end(result)
        request.tell_end(RuntimeError("later"))
        return found

    def ended(result: GroupStatus | Exception, level: str = "3") -> list[Outcome]:
        return asyncio.run(ends(level, result))

    for state in (State.DONE, State.PASSED, State.FAILED):
        assert ended(GroupStatus("web", "3", state)) == [Outcome(state.lower())]
    assert ended(GroupStatus("web", "3", State.CONFIGURED), HALT_LEVEL) == [Outcome.STOPPED]
    assert ended(RuntimeError("no")) == [Outcome.REFUSED]
    assert ended(SupersededError(Supersession.BY_HAND, "no")) == [Outcome.SUPERSEDED]
