"""Two who restart entries of a group at the same moment, in which systemd gives no answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cltab2systemd.core.entryrequest import Action, EntryRequest
from cltab2systemd.core.group import Group
from cltab2systemd.core.hands import Hands
from cltab2systemd.core.request import SwitchRefusedError
from cltab2systemd.events import Asker
from cltab2systemd.groups.refusals import Refusal
from cltab2systemd.groups.state import GroupStatus, State
from cltab2systemd.groups.units import GroupUnits, UnitStatus
from cltab2systemd.systemd.buserrors import BusUnavailableError
from cltab2systemd.table.grammar import parse
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


class Faltering:
    """A systemd that gives no answer once, when it is asked for units first."""

    def __init__(self) -> None:
        self._has_faltered = False

    async def persist(self, step: Callable[[], T]) -> T:
        """Again in a moment, as the real one."""
        while True:
            try:
                return step()
            except BusUnavailableError:
                await asyncio.sleep(0.01)

    def load_units(self, units: Iterable[str]) -> list[UnitStatus]:
        if not self._has_faltered:
            self._has_faltered = True
            raise BusUnavailableError
        return [UnitStatus(unit, "loaded", "active", "running", 0, "") for unit in units]


class Anything:
    """Does nothing, whatever it is asked for."""

    def __getattr__(self, what: str) -> Callable[..., None]:
        return lambda *_arguments: None


class Begun(Hands):
    """Begins, and takes its time."""

    async def _carry_out(self, group: Group, request: EntryRequest) -> None:  # noqa: ARG002
        await asyncio.sleep(1000)


def test_only_one_of_them_restarts_entries() -> None:
    """The other one is told to try again. Else nobody could take over from the first any more."""
    names, web = Names(), parse(b"web:a:1:respawn:sleep 1000\n", "/etc/cltab")[0].group("web")
    nothing = cast("Any", Anything())

    async def both() -> list[object]:
        hands = Begun(names, cast("Any", Faltering()), nothing, nothing, nothing)
        group = Group("web", nothing)
        group.applied = web
        group.units = GroupUnits(names, "web", web.entries, {}, nothing)
        group.status = GroupStatus("web", "1", State.DONE)
        asked = (hands.begin(group, Action.RESTART, ["a"], Asker()) for _ in range(2))
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(both())

    [refused] = [answer for answer in answers if isinstance(answer, SwitchRefusedError)]
    assert refused.code is Refusal.ON_ITS_WAY
