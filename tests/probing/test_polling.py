"""The loop around the tries: how often, how long, what is said, and how it ends. On a clock of the test's."""

from collections.abc import Callable

import pytest

from cltab2systemd.probing.asking import NO_ANSWER, Answer
from cltab2systemd.probing.exits import HAS_ENDED, HAS_PAUSED, READY, TIME_IS_UP
from cltab2systemd.probing.polling import TRY_LIMIT, poll
from cltab2systemd.probing.subject import ENDED, PAUSES


class Clock:
    """A clock that only waiting and asking move."""

    def __init__(self) -> None:
        self.time = 100.0
        self.waited: list[float] = []

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.waited.append(round(seconds, 3))
        self.time += seconds


class Polled:
    """What became of a poll whose tries are answered by a function of their number and limit."""

    def __init__(
        self,
        answer: Callable[[int, float], Answer],
        timeout: float = 60.0,
        *,
        takes: float = 0.0,
        ending: Callable[[int], str] = lambda _: "",
    ) -> None:
        self.clock, self.limits, self.said = Clock(), list[float](), list[str]()

        def ask(limit: float) -> Answer:
            self.limits.append(round(limit, 3))
            self.clock.time += min(takes, limit)
            return answer(len(self.limits), limit)

        self.status = poll(
            ask, timeout, lambda: ending(len(self.limits)), self.said.append, now=self.clock.now, wait=self.clock.wait
        )


def refused(_number: int = 0, _limit: float = 0.0) -> Answer:
    return Answer(False, "connection refused")


def silent(_number: int, limit: float) -> Answer:
    return Answer(False, f"{NO_ANSWER} {limit:.3g} s")


def test_ready_at_once() -> None:
    """One try, no pause."""
    polled = Polled(lambda *_: Answer(True, "fine"))
    assert (polled.status, polled.clock.waited, polled.said) == (READY, [], ["fine"])


def test_quickly_at_first() -> None:
    """Pauses double from 50 ms to a second; what is answered is said when it changes."""
    polled = Polled(lambda number, _: Answer(True, "fine") if number == 8 else refused())
    assert polled.status == READY
    assert polled.clock.waited == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert polled.said == ["connection refused", "fine"]
    assert set(polled.limits) == {TRY_LIMIT}


def test_the_time_is_up() -> None:
    """Neither pauses nor tries go beyond the time."""
    polled = Polled(refused, 2.0)
    assert polled.status == TIME_IS_UP
    assert abs(polled.clock.time - 102.0) < 0.001
    assert sum(polled.clock.waited) <= 2.001


def test_tries_that_take_all_their_time() -> None:
    """The last one is cut short; what it did not come to is not what was answered."""
    polled = Polled(silent, 12.0, takes=1000.0)
    assert polled.status == TIME_IS_UP
    assert polled.limits[:2] == [5.0, 5.0]
    assert polled.limits[2] < 5.0
    assert polled.said == ["no answer within 5 s"]
    assert abs(polled.clock.time - 112.0) < 0.001


def test_a_time_that_is_shorter_than_a_try() -> None:
    """Then the try has that time, and says so."""
    polled = Polled(silent, 0.5, takes=1000.0)
    assert (polled.status, polled.limits, polled.said) == (TIME_IS_UP, [0.5], ["no answer within 0.5 s"])


@pytest.mark.parametrize(("ending", "status"), [(ENDED, HAS_ENDED), (PAUSES, HAS_PAUSED)])
def test_an_entry_that_has_ended(ending: str, status: int) -> None:
    """It is not waited for, and not ready either, whatever was answered."""
    polled = Polled(refused, 3600.0, ending=lambda number: ending if number == 3 else "")
    assert (polled.status, len(polled.limits)) == (status, 3)
    polled = Polled(lambda *_: Answer(True, "by something else"), ending=lambda _: ending)
    assert polled.status == status
