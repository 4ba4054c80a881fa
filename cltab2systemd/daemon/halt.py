"""The halt of all groups, and then of the daemon."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.core.request import SupersededError, SwitchRefusedError
from cltab2systemd.events import Asker, By
from cltab2systemd.groups.refusals import Refusal
from cltab2systemd.systemd.buserrors import BusError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cltab2systemd.core.controller import Controller
    from cltab2systemd.core.request import Request


@dataclass(frozen=True, slots=True)
class Halting:
    """A halt that is under way.

    Attributes:
        requests: those that stop the groups, one each.
        ended: done when all groups are stopped and the daemon's files are gone. If a group does not stop, it raises
            SwitchRefusedError, and the daemon goes on.
    """

    requests: tuple[Request, ...]
    ended: asyncio.Future[None]


class _Attempt:
    """One attempt. `begun` is done when all groups are going, `ended` when all are stopped; or they have an error."""

    def __init__(self, asker: Asker | None) -> None:
        loop = asyncio.get_running_loop()
        self.asker = replace(asker or Asker(), by=By.HALT)
        self._id = events.new_request()
        self._began_at = loop.time()
        self.requests: tuple[Request, ...] = ()  # since it has begun
        self.begun: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        for future in (self.begun, self.ended):
            future.add_done_callback(asyncio.Future.exception)  # nobody may be waiting, and that is fine

    def tell(self, event: events.Event, *, reason: str = "", why: object = "") -> None:
        """Say to the log that it begins, or how it ends."""
        took = int((asyncio.get_running_loop().time() - self._began_at) * 1_000_000)
        duration = None if event is events.HALT_BEGINS else took
        event(asker=self.asker, request=self._id, reason=reason, why=why, duration=duration)

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

    async def begin(self, asker: Asker | None = None) -> Halting:
        """Begin to stop all groups; returns when all are going.

        Args:
            asker: who asks, if it is known.

        Raises:
            SwitchRefusedError: a group cannot be stopped, and the daemon goes on.
        """
        attempt = self._attempt
        if attempt is None:
            attempt = self._attempt = _Attempt(asker)
            self._task = asyncio.create_task(self._carry_out(attempt))
        await asyncio.shield(attempt.begun)
        return Halting(attempt.requests, attempt.ended)

    async def _carry_out(self, attempt: _Attempt) -> None:
        attempt.tell(events.HALT_BEGINS)
        try:
            attempt.requests = tuple(await self._controller.halt(attempt.asker))
            attempt.begun.set_result(None)
            for request in attempt.requests:
                await asyncio.shield(request.outcome)
        except (BusError, SwitchRefusedError, SupersededError) as error:
            attempt.tell(events.HALT_FAILED, reason=Refusal.HALT_FAILED, why=error)
            message = f"not all groups can be halted, and the daemon goes on: {error}"
            self._give_up(attempt, SwitchRefusedError(Refusal.HALT_FAILED, message))
            return
        except Exception as error:  # noqa: BLE001
            events.FAULT(trace=True, why="while halting all groups")
            attempt.tell(events.HALT_FAILED, reason=Refusal.INTERNAL, why=repr(error))
            message = f"internal error, see the journal; the daemon goes on: {error!r}"
            self._give_up(attempt, SwitchRefusedError(Refusal.INTERNAL, message))
            return
        attempt.tell(events.HALT_ENDED)
        self._controller.retire()
        try:
            await self._leave()
        except Exception:  # noqa: BLE001 (what is left behind keeps nobody waiting: the groups are stopped)
            events.FAULT(trace=True, why="while removing the daemon's files")
        attempt.ended.set_result(None)
        self._end()

    def _give_up(self, attempt: _Attempt, reason: SwitchRefusedError) -> None:
        self._controller.resume()
        self._attempt = None
        attempt.fail(reason)
