"""Carries requests to the start of their levels, and ends those that cannot be carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd import events, oserrors
from cltab2systemd.core.request import SwitchRefusedError, code_of
from cltab2systemd.groups.lifecycle import Event
from cltab2systemd.groups.refusals import Refusal
from cltab2systemd.systemd.buserrors import BusError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cltab2systemd.core.group import Group
    from cltab2systemd.core.membership import Membership
    from cltab2systemd.core.observer import Observer
    from cltab2systemd.core.request import Request
    from cltab2systemd.core.switcher import Switcher
    from cltab2systemd.systemd.bus import Bus


class Carrier:
    """Carries requests out, each in a task of its own.

    Args:
        bus: the connection to systemd.
        switcher: does what a request takes.
        membership: knows the lines that each group is to have.
        observer: knows how groups are.
        on_moved: called with a request whose start is queued.
    """

    def __init__(
        self,
        bus: Bus,
        switcher: Switcher,
        membership: Membership,
        observer: Observer,
        *,
        on_moved: Callable[[Request], None],
    ) -> None:
        self._bus = bus
        self._switcher = switcher
        self._membership = membership
        self._observer = observer
        self._on_moved = on_moved

    async def carry_out(self, group: Group, request: Request) -> None:
        """Carry a request out up to the start of its level. Whatever keeps it from that, ends it."""
        try:
            await self._switcher.carry_out(group, request, self._membership)
            self._membership.has_moved(group)
            self._on_moved(request)
        except BusError as error:
            await self.refuse(group, request, SwitchRefusedError(code_of(error), f"systemd refuses: {error}"))
        except SwitchRefusedError as error:
            await self.refuse(group, request, error)
        except OSError as error:
            await self.refuse(group, request, unwritten(group.name, error))
        except Exception as error:  # noqa: BLE001
            events.FAULT(trace=True, group=group.name, why=f"while {group.name} was going to level {request.level}")
            message = f"internal error, see the journal: {error!r}"
            await self.refuse(group, request, SwitchRefusedError(Refusal.INTERNAL, message))

    async def refuse(self, group: Group, request: Request, error: SwitchRefusedError) -> None:
        """End a request that cannot be carried out, when it is known how the group is."""
        request.tell_end(error)
        if group.request is request:
            group.happens(Event.REFUSED, why=str(error))
            group.request = None
        try:
            await self._bus.persist(lambda: self._observer.refresh([group.name]))  # before the client hears of it
        except BusError:
            self._observer.refresh_soon([group.name])
        group.end(request, error)
        if group.leave_to_halt():
            self._observer.refresh_soon([group.name])
        if self._membership.has_left(group):
            self._membership.forget_soon(group)


def unwritten(group: str, error: OSError) -> SwitchRefusedError:
    """What a request for a group is refused with if a file cannot be written."""
    return SwitchRefusedError(Refusal.UNWRITABLE, f"cannot write the units of {group}: {oserrors.worded(error)}")
