"""Restarts of entries that meet each other, or a fault of ours, without systemd."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cltab2systemd.core.entryrequest import Action, EntryRequest
from cltab2systemd.core.group import Group
from cltab2systemd.core.hands import Hands
from cltab2systemd.core.preflights import Preflights
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

    import pytest

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


class Broken(Hands):
    """Has a fault."""

    async def _restart(self, group: Group, entries: object, handling: object) -> None:  # noqa: ARG002
        raise ZeroDivisionError


def asked(hands: Hands, number: int = 1) -> list[object]:
    """What becomes of so many requests, at the same moment, to restart an entry of a group at its level."""
    nothing = cast("Any", Anything())

    async def ask() -> list[object]:
        group = Group("web", nothing)
        group.applied = parse(b"web:a:1:respawn:sleep 1000\n", "/etc/cltab")[0].group("web")
        group.units = GroupUnits(Names(), "web", group.applied.entries, {}, nothing)
        group.status = GroupStatus("web", "1", State.DONE)
        begun = (hands.begin(group, Action.RESTART, ["a"], Asker()) for _ in range(number))
        answers = await asyncio.gather(*begun, return_exceptions=True)
        if number > 1:
            return [*answers]
        assert isinstance(answers[0], asyncio.Future)
        return [*await asyncio.gather(answers[0], return_exceptions=True)]

    return asyncio.run(ask())


def test_only_one_of_them_restarts_entries() -> None:
    """The other one is told to try again. Else nobody could take over from the first any more."""
    nothing = cast("Any", Anything())
    none = Preflights(Names(), nothing, nothing, nothing)
    answers = asked(
        Begun(Names(), cast("Any", Faltering()), nothing, nothing, nothing, culprits=nothing, preflights=none), 2
    )

    [refused] = [answer for answer in answers if isinstance(answer, SwitchRefusedError)]
    assert refused.code is Refusal.ON_ITS_WAY


def test_a_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever asked is told so, and not that the daemon has gone; the log has where it was."""
    nothing = cast("Any", Anything())
    caplog.set_level("INFO")
    none = Preflights(Names(), nothing, nothing, nothing)
    [answer] = asked(
        Broken(Names(), cast("Any", Faltering()), nothing, nothing, nothing, culprits=nothing, preflights=none)
    )

    assert isinstance(answer, SwitchRefusedError)
    assert answer.code is Refusal.INTERNAL
    assert "ZeroDivisionError" in caplog.text
