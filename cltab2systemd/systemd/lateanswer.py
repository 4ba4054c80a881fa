"""An answer of systemd that did not come in time, and that may still come."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from cltab2systemd.systemd.buserrors import BusError


class LateAnswer:
    """Waits for one answer.

    Args:
        question: what was asked.
        loop: the loop that waits.
        patience: seconds after which `on_silence` is called.
        on_silence: called when nothing has come for so long; returns whether to wait as long once more.

    Attributes:
        outcome: done when the answer has come; fails if it is an error, or will not come.
        is_explained: whether a daemon-reload was at work meanwhile.
    """

    def __init__(
        self, question: object, loop: asyncio.AbstractEventLoop, patience: float, on_silence: Callable[[], bool]
    ) -> None:
        self.question = question
        self.outcome: asyncio.Future[None] = loop.create_future()
        self.outcome.add_done_callback(lambda done: done.cancelled() or done.exception())  # perhaps nobody waits
        self.is_explained = False
        self._loop = loop
        self._patience = patience
        self._on_silence = on_silence
        self._timer = loop.call_later(patience, self._look)

    def succeed(self) -> None:
        """It has come."""
        self._timer.cancel()
        if not self.outcome.done():
            self.outcome.set_result(None)

    def fail(self, error: BusError) -> None:
        """It has come, and is an error; or it will not come."""
        self._timer.cancel()
        if not self.outcome.done():
            self.outcome.set_exception(error)

    def _look(self) -> None:
        if self._on_silence():
            self._timer = self._loop.call_later(self._patience, self._look)
