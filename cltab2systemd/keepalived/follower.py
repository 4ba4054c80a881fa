"""One group that follows, in a thread of its own: no request holds up those of other groups, nor what is read."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from cltab2systemd.keepalived.states import State
from cltab2systemd.keepalived.wish import Wish

if TYPE_CHECKING:
    from collections.abc import Callable

    from cltab2systemd.keepalived.memory import Memory
    from cltab2systemd.keepalived.rules import Rule


class Follower(threading.Thread):
    """Has one group follow; the state that was told last counts. Once started, it first asks for what is left open.

    Args:
        rule: whom the group follows.
        memory: what was told before, and where it is kept.
        ask: called with the group, a level, and the state that asks for it; whether that was accepted.
    """

    def __init__(self, rule: Rule, memory: Memory, ask: Callable[[str, str, str], bool]) -> None:
        super().__init__(daemon=True)
        self.instance = rule.instance
        self._rule = rule
        self._memory = memory
        self._ask = ask
        self._changed = threading.Condition()
        self._wish = Wish(memory.recall(rule.group))

    def tell(self, state: State) -> None:
        """The instance has come to a state."""
        with self._changed:
            self._wish.tell(state)
            self._keep()

    def tell_gone(self) -> None:
        """Stop the group if its instance is MASTER still, for keepalived has ended without a word."""
        with self._changed:
            if self._wish.is_master:
                self.tell(State.GONE)

    def finish(self, deadline: float) -> None:
        """Return when what was told has been asked for, at a time of the monotonic clock at the latest."""
        with self._changed:
            self._changed.wait_for(lambda: not self._wish.is_open, max(0.0, deadline - time.monotonic()))

    def run(self) -> None:
        """Ask for what is wanted, for ever."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wish.is_open)
                told, number = self._wish.told, self._wish.number
            assert told is not None
            is_accepted = self._ask(self._rule.group, self._rule.level_in(told.state), told.state.value)
            with self._changed:
                if pause := self._wish.asked(number, is_accepted=is_accepted):
                    self._changed.wait(pause)
                elif not self._wish.is_open:
                    self._keep()

    def _keep(self) -> None:
        self._memory.keep(self._rule.group, self._wish.told)
        self._changed.notify_all()
