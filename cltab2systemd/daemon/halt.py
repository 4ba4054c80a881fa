"""The halt of all groups, and then of the daemon."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from cltab2systemd.core.request import SupersededError, SwitchRefusedError
from cltab2systemd.groups.refusals import Refusal
from cltab2systemd.systemd.bus import BusError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cltab2systemd.core.controller import Controller

log = logging.getLogger(__name__)


class _Attempt:
    """One attempt. `begun` is done when all groups are going, `ended` when all are stopped; or they have an error."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        for future in (self.begun, self.ended):
            future.add_done_callback(asyncio.Future.exception)  # nobody may be waiting, and that is fine

    def fail(self, reason: SwitchRefusedError) -> None:
        """Tell everybody who waits why it has failed."""
        for future in (self.begun, self.ended):
            if not future.done():
                future.set_exception(reason)


class Halt:
    """Halts all groups, and then the daemon. Whoever asks for it while it is under way waits for the same one.

    Args:
        controller: stops the groups.
        leave: called when all groups are stopped; removes the daemon's files. Whoever waits for the end is told after
            that, for they may start the next daemon at once.
        end: called last; ends the daemon.
    """

    def __init__(self, controller: Controller, leave: Callable[[], Awaitable[None]], end: Callable[[], None]) -> None:
        self._controller = controller
        self._leave = leave
        self._end = end
        self._attempt: _Attempt | None = None  # the one that is under way
        self._task: asyncio.Task[None] | None = None  # the loop itself keeps only a weak reference

    async def begin(self) -> asyncio.Future[None]:
        """Begin to stop all groups; returns when all are going.

        Returns:
            A future, done when all groups are stopped and the daemon's files are gone. If a group does not stop, the
            future raises SwitchRefusedError, and the daemon goes on.

        Raises:
            SwitchRefusedError: a group cannot be stopped, and the daemon goes on.
        """
        attempt = self._attempt
        if attempt is None:
            attempt = self._attempt = _Attempt()
            self._task = asyncio.create_task(self._carry_out(attempt))
        await asyncio.shield(attempt.begun)
        return attempt.ended

    async def _carry_out(self, attempt: _Attempt) -> None:
        log.info("halting all groups")
        try:
            requests = await self._controller.halt()
            attempt.begun.set_result(None)
            for request in requests:
                await asyncio.shield(request.outcome)
        except (BusError, SwitchRefusedError, SupersededError) as error:
            log.error("not all groups can be halted: %s", error)  # noqa: TRY400
            message = f"not all groups can be halted, and the daemon goes on: {error}"
            self._give_up(attempt, SwitchRefusedError(Refusal.HALT_FAILED, message))
            return
        except Exception as error:
            log.exception("halting all groups")
            message = f"internal error, see the journal; the daemon goes on: {error!r}"
            self._give_up(attempt, SwitchRefusedError(Refusal.INTERNAL, message))
            return
        log.info("all groups are halted")
        self._controller.retire()
        try:
            await self._leave()
        except Exception:  # what is left behind keeps nobody waiting: the groups are stopped
            log.exception("removing the daemon's files")
        attempt.ended.set_result(None)
        self._end()

    def _give_up(self, attempt: _Attempt, reason: SwitchRefusedError) -> None:
        self._controller.resume()
        self._attempt = None
        attempt.fail(reason)
