"""Ask until it holds: again and again, quickly at first, until it does, the entry has ended, or the time is up.

Imports nothing heavy; see `asking`.
"""

from __future__ import annotations

from time import monotonic, sleep

from cltab2systemd.probing.asking import NO_ANSWER
from cltab2systemd.probing.exits import HAS_ENDED, HAS_PAUSED, READY, TIME_IS_UP
from cltab2systemd.probing.subject import PAUSES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cltab2systemd.probing.asking import Answer

# Seconds that one try may take, and those between two: at first, and at most.
TRY_LIMIT = 5.0
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0


def poll(
    ask: Callable[[float], Answer],
    timeout: float,
    ending: Callable[[], str],
    say: Callable[[str], None],
    *,
    now: Callable[[], float] = monotonic,
    wait: Callable[[float], None] = sleep,
) -> int:
    """Ask until the answer is good.

    Args:
        ask: one try, with the seconds that it may take.
        timeout: seconds until it is given up.
        ending: how the entry has ended that is asked about; empty if it goes on. See `Subject.ending`.
        say: is told what was answered, when that has changed.
        now: the time, in seconds.
        wait: waits for so many seconds.

    Returns:
        As of `exits`: READY, or why it is not. An entry that has ended is not ready, whatever was answered: by what it
        has left behind, or by its next run.
    """
    deadline = now() + timeout
    pause, said = FIRST_PAUSE, ""
    while (left := deadline - now()) > 0:
        answer = ask(min(TRY_LIMIT, left))
        is_cut_short = left < TRY_LIMIT and answer.words.startswith(NO_ANSWER)
        if answer.words != said and not (said and is_cut_short):
            said = answer.words
            say(said)
        if ended := ending():
            return HAS_PAUSED if ended == PAUSES else HAS_ENDED
        if answer.holds:
            return READY
        wait(max(0.0, min(pause, deadline - now())))
        pause = min(2 * pause, LONGEST_PAUSE)
    return TIME_IS_UP
