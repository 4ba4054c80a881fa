"""Updates: all groups that are at a level take the lines that the table has for them, each at that level."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.core.request import SupersededError, SwitchRefusedError, retrieve, taken_by_hand, tell_rejected
from cltab2systemd.groups import advice
from cltab2systemd.groups.changes import Effect, pending_tags
from cltab2systemd.groups.lifecycle import Phase
from cltab2systemd.groups.refusals import Refusal, Supersession
from cltab2systemd.terminal import shortened
from cltab2systemd.units.names import HALT_LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from cltab2systemd.core.group import Group
    from cltab2systemd.core.membership import Membership
    from cltab2systemd.core.observer import Observer
    from cltab2systemd.core.request import Request
    from cltab2systemd.core.tablesource import TableSource
    from cltab2systemd.events import Asker
    from cltab2systemd.groups.state import GroupStatus
    from cltab2systemd.systemd.bus import Bus


# What is not told.
_NOTHING = {Effect.LEAVE, Effect.NONE}


@dataclass(frozen=True, slots=True)
class Update:
    """What an update does to a group.

    Attributes:
        group: the group.
        level: the level at which it takes its new lines; None if it has left the table, and is stopped for good.
        effects: what is done to entries, by tag, as it is foretold; only those to which something is done. There is
            none if the group has its lines already, and is on its way to the level with them.
        outcome: of the request that does it; it is refused at once as `advice.on_update` says.
    """

    group: str
    level: str | None
    effects: Mapping[str, Effect]
    outcome: asyncio.Future[GroupStatus]


class Updates:
    """Makes updates.

    Args:
        groups: all groups by name.
        membership: knows the lines that each group is to have, and reads the table.
        source: the table.
        observer: knows how groups are.
        bus: the connection to systemd.
        request: begins with a request for a group to go to a level, on somebody's account.
    """

    def __init__(
        self,
        groups: Mapping[str, Group],
        membership: Membership,
        source: TableSource,
        observer: Observer,
        bus: Bus,
        *,
        request: Callable[[Group, str, Asker], Request],
    ) -> None:
        self._groups = groups
        self._membership = membership
        self._source = source
        self._observer = observer
        self._bus = bus
        self._request = request
        self._following: set[asyncio.Task[GroupStatus]] = set()  # a loop keeps no task from being collected

    async def begin(self, asker: Asker) -> tuple[list[Update], tuple[str, ...]]:
        """Read the table, and begin to update all groups whose lines are others.

        A group that is on its way to a level takes its lines there. One whose lines are the table's is left alone,
        however it is; if it is on its way with them, its end is waited for as well. One that is at no level has its new
        lines by the reading.

        Args:
            asker: who asks.

        Returns:
            The updates to wait for, those of the table's groups in its order, and notes for whoever asks.

        Raises:
            TableRefusedError: the table has errors; nothing was changed.
            BusError: systemd does not answer; perhaps groups that have left the table are being stopped.
        """
        notes = await self._membership.reread(asker, always=True, retire=True)
        due = self._membership.waiting()
        await self._bus.persist(lambda: self._observer.refresh([group.name for group in due]))
        updates: list[Update] = []
        doubts: list[str] = []
        for group in filter(None, map(self._groups.get, self._source.table.groups)):
            level = group.destination
            if not self._membership.is_waiting(group):
                updates += self._under_way(group)
            elif level is not None:
                update, told = self._begin(group, level, asker)
                updates.append(update)
                doubts += told
        for group in self._groups.values():
            if group.request is not None and group.halting and self._membership.has_left(group):
                active = group.units.active_tags() if group.units is not None else ()
                updates.append(Update(group.name, None, dict.fromkeys(active, Effect.STOP), group.request.outcome))
        return updates, (*notes, *doubts, *map(_nowhere, filter(_is_nowhere, due)))

    def _begin(self, group: Group, level: str, asker: Asker) -> tuple[Update, list[str]]:
        """Begin to update a group at its level, or where it goes, if that is not refused; notes for whoever asks, too.

        What is on its way there anyway goes on, also if its new lines stop everything there.
        """
        wanted, request = self._membership.wanted(group), _on_its_way(group)
        refused = advice.on_update(group.applied, wanted, level, self._taken(group))
        if refused is not None and (request is None or refused[0] is Refusal.UNDECLARED_LEVEL):
            error = SwitchRefusedError(*refused)
            tell_rejected(group.name, level, asker, error)
            return Update(group.name, level, {}, _failed(error)), []
        notes = [] if refused is None else [advice.on_level(wanted, level)]
        done = {tag: effect for tag, effect in group.effects(wanted, level).items() if effect not in _NOTHING}
        if request is None:
            request = self._request(group, level, asker)
            notes += request.notes  # that it ends a trial
        return Update(group.name, level, done, request.outcome), notes

    def _taken(self, group: Group) -> dict[str, str]:
        """Which entries of a group the table has in another one, and in which."""
        if not group.given_away:
            return {}
        return {entry.tag: entry.group for entry in self._source.table.entries if entry.tag in group.given_away}

    def _under_way(self, group: Group) -> list[Update]:
        """The update of a group that is on its way to a level with its lines; none if it is not."""
        if (request := group.request) is not None:
            return [] if request.is_for_good else [Update(group.name, request.level, {}, request.outcome)]
        level = None if group.way is None else group.way.level
        if level is None or level == HALT_LEVEL:
            return []
        task = asyncio.ensure_future(_arrived(group, level))
        self._following.add(task)
        task.add_done_callback(self._following.discard)
        task.add_done_callback(retrieve)
        return [Update(group.name, level, {}, task)]

    def notes_on_restart(self, name: str, tags: Collection[str]) -> list[str]:
        """What whoever has restarted entries of a group should know: they are not as the table has them by now."""
        notes = [advice.on_unread_table(self._source.path)] if self._source.is_unread else []
        group = self._groups.get(name)
        if group is None or group.shown_level is None:
            return notes
        changed = pending_tags(group.applied.entries, self._membership.wanted(group).entries)
        return notes + advice.on_changed_lines(name, group.shown_level, [tag for tag in changed if tag in tags])

    def notes_on_waiting(self) -> list[str]:
        """What whoever has the table read is told: which groups wait for a request, to take their new lines.

        A group whose request has not come as far as its lines needs no other one.
        """
        return [
            _nowhere(group)
            if (level := group.destination) is None
            else advice.on_waiting(group.applied, self._membership.wanted(group), level, self._taken(group))
            for group in self._membership.waiting()
            if _on_its_way(group) is None
        ]


def _is_nowhere(group: Group) -> bool:
    return group.destination is None


def _nowhere(group: Group) -> str:
    """A note on a group that is at no level while some of its entries run, so that no update can be made."""
    return f"{shortened(group.name)} has new lines, runs, and is at no level: ask for one"


def _on_its_way(group: Group) -> Request | None:
    """A request for a group that has not come as far as its lines, and so takes those that are in the table now."""
    request = group.request
    return request if request and request.lines is None and group.life.phase is not Phase.MOVING else None


async def _arrived(group: Group, level: str) -> GroupStatus:
    """How a group is that has come to a level by no request of this daemon's; SupersededError if it does not."""
    while group.way is not None and (group.request is None or group.request.level == level):
        await group.next_news().wait()
    if group.request is not None and group.request.level != level:
        code = Supersession.HALT if group.halting else Supersession.LATER_REQUEST
        raise SupersededError(code, group.request.claim)
    if group.status is None or group.status.level != level or not group.status.state.settled:
        raise SupersededError(Supersession.BY_HAND, taken_by_hand(group.name, level, group.status))
    return group.status


def _failed(error: Exception) -> asyncio.Future[GroupStatus]:
    failed: asyncio.Future[GroupStatus] = asyncio.get_running_loop().create_future()
    failed.add_done_callback(retrieve)
    failed.set_exception(error)
    return failed
