"""One group as the daemon follows it, and the requests for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from cltab2systemd.table.model import ResourceGroup
from cltab2systemd.units.names import HALT_LEVEL

if TYPE_CHECKING:
    from cltab2systemd.groups.state import Asked, GroupStatus
    from cltab2systemd.groups.units import GroupUnits


class NoSuchGroupError(Exception):
    """Neither the table nor what runs has this group. `hint` is what was probably meant, for a person; or empty."""

    def __init__(self, group: str, hint: str = "") -> None:
        super().__init__(f"no such group: {group}")
        self.group = group
        self.hint = hint


class SwitchRefusedError(Exception):
    """The switch cannot begin; the text says why and what to do."""


class SupersededError(Exception):
    """A later request, a halt, or somebody at systemctl took the group elsewhere."""


class Request:
    """One request for a group: `started` and `outcome` are set once each, with a result or an exception."""

    def __init__(self, group: str, level: str) -> None:
        loop = asyncio.get_running_loop()
        self.group = group
        self.level = level
        self.started: asyncio.Future[None] = loop.create_future()
        self.outcome: asyncio.Future[GroupStatus] = loop.create_future()
        self.task: asyncio.Task[None] | None = None
        self.notes: list[str] = []  # what else whoever asked should know
        self.pids: dict[str, int] = {}  # main processes of the level, as they were when it was settled first
        self.settled_at: float | None = None  # when its level was settled first, by the loop's clock
        self.is_told = False  # whether the log has its end
        self.stopped: set[str] = set()  # units that a halt has stopped one by one
        # Nobody may be waiting, and that is fine.
        self.started.add_done_callback(_retrieve)
        self.outcome.add_done_callback(_retrieve)

    def has_started(self) -> None:
        """The transition has begun, and clstat shows it."""
        if not self.started.done():
            self.started.set_result(None)

    def fail(self, error: Exception) -> None:
        """End the request, wherever it is."""
        self._cancel()
        for future in (self.started, self.outcome):
            if not future.done():
                future.set_exception(error)

    def replaced_by(self, later: Request) -> None:
        """End the request for a later one. Who only asked is answered as ever, when something has started."""
        self._cancel()
        later.started.add_done_callback(lambda _: self.has_started())
        if not self.outcome.done():
            by = f"a later request took {self.group} to level {later.level}"
            if later.level == HALT_LEVEL:
                by = f"{self.group} is being stopped for good, for it has left the table, or all groups are halted"
            self.outcome.set_exception(SupersededError(by))

    def _cancel(self) -> None:
        if self.task is not None and self.task is not asyncio.current_task():
            self.task.cancel()


def _retrieve(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


class Group:
    """One group: its applied lines, its units, what clstat shows of it, and the request at work on it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.applied = ResourceGroup(name)  # what the units on disk were made from
        self.given_away: frozenset[str] = frozenset()  # tags of applied entries that another group has in the table
        self.current = False  # the units on disk are those of the applied lines, as this version writes them
        self.units: GroupUnits | None = None  # as systemd said last
        self.status: GroupStatus | None = None
        self.request: Request | None = None
        # Entries are being stopped under the old units, new ones are being installed, nothing is started yet. If that
        # is broken off, `interrupted` remains: the level that was asked for, and that the group has not come to.
        self.emptying = False
        self.interrupted: str | None = None
        # The tags of what that has stopped or changed: they count as new at the next start. None if it is not known.
        self.emptied: frozenset[str] | None = frozenset()
        self.interrupted_at = 0  # CLOCK_MONOTONIC, in µs
        self.broken_off = ""  # why, if this daemon knows
        self.asked: Asked | None = None  # of systemd last, by this daemon
        self.held: frozenset[str] = frozenset()  # units that the start under way is not to run again
        self.left_to_cluster = False  # not in the table any more; a cluster has started it, and is to stop it
        self._observed = asyncio.Event()

    @property
    def active(self) -> bool:
        """Whether the group is at a level, anything of it runs, or a request is at work on it."""
        return self.request is not None or (self.units is not None and self.units.is_active())

    @property
    def halting(self) -> bool:
        """Whether the group is being stopped for good."""
        return self.request is not None and self.request.level == HALT_LEVEL

    @property
    def shown_level(self) -> str | None:
        """The level that clstat shows."""
        return None if self.status is None else self.status.level

    def end(self, request: Request, result: GroupStatus | Exception) -> None:
        """End a request, if it is still the group's."""
        if self.request is request:
            self.request = None
        if isinstance(result, Exception):
            request.fail(result)
        elif not request.outcome.done():
            request.outcome.set_result(result)

    def observed(self) -> None:
        """`units` is new."""
        self._observed.set()
        self._observed = asyncio.Event()

    async def at_rest(self, units: frozenset[str]) -> None:
        """Wait until none of the units runs, once they are being stopped.

        SwitchRefusedError if one is not stopped any more and runs on: systemd has refused that, as of a frozen unit, or
        somebody has cancelled it.
        """
        while True:
            if self.units is not None:
                going = [unit for unit in self.units.units.values() if unit.name in units and not unit.at_rest]
                if not going:
                    return
                for unit in going:
                    if unit.active != "deactivating" and not unit.job:
                        raise SwitchRefusedError(
                            f"{unit.name} could not be stopped, and runs on; see 'systemctl status {unit.name}'"
                        )
            await self._observed.wait()
