"""The count of requests: each is counted once, by how it ended."""

from __future__ import annotations

import asyncio

from cltab2systemd.core.request import Request, SupersededError
from cltab2systemd.groups.refusals import Supersession
from cltab2systemd.groups.state import GroupStatus, State
from cltab2systemd.groups.tally import Counted, Tally
from cltab2systemd.units.names import HALT_LEVEL


def test_counts_and_the_last_duration() -> None:
    """What did not come to its end has no duration."""
    tally = Tally().with_one(Counted.DONE, 5).with_one(Counted.SUPERSEDED, 7).with_one(Counted.REFUSED, 9)

    assert tally.counts == dict.fromkeys(Counted, 0) | {Counted.DONE: 1, Counted.SUPERSEDED: 1, Counted.REFUSED: 1}
    assert tally.duration == 5
    assert Tally().duration is None
    assert set(Tally().counts.values()) == {0}


def test_how_a_request_ends() -> None:
    """By its state, by what a person is told, or by what came in between; and never twice."""

    async def ends(level: str, result: GroupStatus | Exception) -> list[Counted]:
        found: list[Counted] = []
        request = Request("web", level, on_end=lambda outcome, _: found.append(outcome))
        request.tell_end(result)
        request.tell_end(RuntimeError("later"))
        return found

    def ended(result: GroupStatus | Exception, level: str = "3") -> list[Counted]:
        return asyncio.run(ends(level, result))

    for state in (State.DONE, State.PASSED, State.FAILED):
        assert ended(GroupStatus("web", "3", state)) == [Counted(state.lower())]
    assert ended(GroupStatus("web", "3", State.CONFIGURED), HALT_LEVEL) == [Counted.STOPPED]
    assert ended(RuntimeError("no")) == [Counted.REFUSED]
    assert ended(SupersededError(Supersession.BY_HAND, "no")) == [Counted.SUPERSEDED]
