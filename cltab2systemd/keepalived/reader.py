"""The reader itself: what is read from the FIFO is passed on to followers, until it is to end."""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING

from cltab2systemd.keepalived.log import LOG_WARNING, log
from cltab2systemd.keepalived.states import Newest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cltab2systemd.keepalived.fifo import Fifo
    from cltab2systemd.keepalived.follower import Follower

# All times are in seconds. keepalived, or systemd, ends a reader that keepalived has started before keepalived writes
# the last states: on a busy machine long before. How long such a reader waits for them.
LATE_WORDS = 10.0
# At a reload keepalived closes the FIFO and opens it again, and tells no state. After so long it is gone.
GONE_AFTER = 10.0
# How often to look whether it is there again, and what has become of another reader.
LOOK = 0.5
_BLOCK = 65536


class Reader:
    """Reads states, and passes them on.

    Args:
        fifo: the FIFO.
        ended: a descriptor that becomes readable when this is to end.
        is_service: whether this is the service; else keepalived has started it.
    """

    def __init__(self, fifo: Fifo, ended: int, *, is_service: bool) -> None:
        self._fifo = fifo
        self._ended = ended
        self._is_service = is_service
        self._end: float | None = None  # when it was told to
        self._closed = time.monotonic()
        self._poll = select.epoll()
        self._poll.register(ended, select.EPOLLIN)
        self._register()

    def _register(self) -> None:
        # By edge, for the end of a FIFO lasts.
        self._poll.register(self._fifo.descriptor, select.EPOLLIN | select.EPOLLET)

    def lock(self) -> bool:
        """Wait until no other reader is left; False if this is to end before."""
        if not self._fifo.lock():
            log(LOG_WARNING, "another reader has the FIFO; waiting until it ends")
            while not self._fifo.lock():
                if select.select([self._ended], [], [], LOOK)[0]:
                    return False
        return True

    def follow(self, followers: Sequence[Follower]) -> None:
        """Pass on to followers what is told of their instances, until this is to end."""
        newest = Newest({follower.instance for follower in followers})
        while not self._is_over():
            self._pass_on(newest, followers)
            if not self._fifo.is_open and self._is_service:
                if time.monotonic() > self._closed + GONE_AFTER:
                    for follower in followers:
                        follower.tell_gone()
                if self._fifo.renew():
                    self._register()
                    if not self.lock():
                        return
            waits = self._fifo.is_open and self._end is None
            for descriptor, _ in self._poll.poll(None if waits else LOOK):
                if descriptor == self._ended:
                    os.read(self._ended, _BLOCK)
                    self._end = time.monotonic()
        self._pass_on(newest, followers)

    def _pass_on(self, newest: Newest, followers: Sequence[Follower]) -> None:
        """Tell what has been read, of states that have piled up the last."""
        for block in self._fifo.read():
            newest.add(block)
        states = newest.take()
        for follower in followers:
            if follower.instance in states:
                follower.tell(states[follower.instance])
        if self._fifo.is_open:
            self._closed = time.monotonic()

    def _is_over(self) -> bool:
        """Whether nothing more is to be read. keepalived's last words come after the signal to its child."""
        if self._end is None:
            return False
        return self._is_service or not self._fifo.is_open or time.monotonic() > self._end + LATE_WORDS
