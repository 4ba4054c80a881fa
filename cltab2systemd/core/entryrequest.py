"""Requests for single entries of a group: to restart them, or to stop them."""

from __future__ import annotations

import asyncio
import contextlib
import enum
from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.core.request import NoSuchGroupError, SupersededError, SwitchRefusedError, reason_of
from cltab2systemd.systemd.buserrors import BusError
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from cltab2systemd.events import Asker
    from cltab2systemd.groups.state import GroupStatus
    from cltab2systemd.table.model import Entry
    from cltab2systemd.units.names import Names

# Of a request that is refused, lines for so many entries: a client may have named any number.
_MOST_TOLD = 100


class Action(enum.StrEnum):
    """What is done to entries."""

    RESTART = "restart"
    STOP = "stop"


class EntryRequest:
    """One request for entries of a group. `outcome` is set once, with how the group is then, or an exception.

    The log has a line for each entry when it begins, and one when it ends.

    Args:
        names: the unit names of the instance.
        group: the group.
        level: the level that it is at.
        action: what is done.
        entries: to which entries.
        asker: who has asked for it.
    """

    def __init__(
        self, names: Names, group: str, level: str, action: Action, *, entries: tuple[Entry, ...], asker: Asker
    ) -> None:
        loop = asyncio.get_running_loop()
        self.level = level
        self.action = action
        self.entries = entries
        self.outcome: asyncio.Future[GroupStatus] = loop.create_future()
        self.outcome.add_done_callback(lambda done: done.cancelled() or done.exception())  # perhaps nobody waits
        self.task: asyncio.Task[None] | None = None
        self._names = names
        self._group = group
        self.asker = asker
        self.id = events.new_request()
        self._began_at = loop.time()

    def tell_begin(self) -> None:
        """Say to the log that it begins, and for whom."""
        event = events.RESTARTED_BY_HAND if self.action is Action.RESTART else events.STOPPED_BY_HAND
        for entry in self.entries:
            event(**self._values(entry))

    def end(self, result: GroupStatus | Exception) -> None:
        """End it, once: tell the log, and whoever waits."""
        if self.outcome.done():
            return
        duration = int((asyncio.get_running_loop().time() - self._began_at) * 1_000_000)
        for entry in self.entries:
            values = self._values(entry)
            values["duration"] = duration
            if isinstance(result, Exception):
                event = events.ACTION_SUPERSEDED if isinstance(result, SupersededError) else events.ACTION_REFUSED
                event(**values | {"reason": reason_of(result), "why": result})
            else:
                events.ACTION_ENDED(**values | {"level": result.level, "state": result.state})
        if isinstance(result, Exception):
            self.outcome.set_exception(result)
        else:
            self.outcome.set_result(result)

    def _values(self, entry: Entry) -> events.Values:
        return {
            "group": self._group, "level": self.level, "entry": entry.tag, "mode": str(entry.mode),
            "unit": self._names.entry(self._group, entry.tag), "action": self.action, "request": self.id,
            "asker": self.asker,
        }  # fmt: skip


@contextlib.contextmanager
def tell_if_refused(group: str, action: Action, tags: Collection[str], asker: Asker) -> Iterator[None]:
    """Say to the log if a request is refused by what is done within, which is before anything is begun."""
    try:
        yield
    except (NoSuchGroupError, SwitchRefusedError, BusError) as error:
        request = events.new_request()
        for tag in list(dict.fromkeys(tags))[:_MOST_TOLD]:
            events.ACTION_REFUSED(
                group=shortened(group), entry=shortened(tag), action=action, request=request, asker=asker,
                reason=reason_of(error), why=error,
            )  # fmt: skip
        raise
