"""In which phases of a group preflights run: only where nothing has been touched that they could protect."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from cltab2systemd.core.group import Group
from cltab2systemd.core.preflights import Preflights
from cltab2systemd.core.request import Request
from cltab2systemd.groups.lifecycle import Event
from cltab2systemd.groups.units import UnitStatus
from cltab2systemd.table.grammar import parse
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TABLE = b"web:nginx:1:respawn:nginx\n:::preflight.nginx:nginx -t\n"


class _Asked(Exception):  # noqa: N818 - it is no error
    """systemd is asked."""


class _Systemd:
    """Can be told anything, and says when it is asked."""

    def mark(self, group: str, level: str) -> None:
        """A destination is noted."""

    async def persist(self, _step: object) -> None:
        raise _Asked


@pytest.mark.parametrize(
    ("events", "is_run"),
    [
        ((), True),
        ((Event.LINES_DIFFER,), False),
        ((Event.LINES_DIFFER, Event.REQUESTED), False),
        ((Event.LINES_DIFFER, Event.REFUSED, Event.REQUESTED), False),
        ((Event.QUEUED, Event.REQUESTED), True),
    ],
)
def test_of_a_request(events: tuple[Event, ...], *, is_run: bool) -> None:
    """Not of one that takes over where entries have been stopped, nor of one behind a switch that was broken off."""
    systemd = cast("Any", _Systemd())
    lines = parse(TABLE, "/etc/cltab")[0].group("web")

    async def ask(group: Group) -> bool:
        for event in (Event.REQUESTED, *events):
            group.happens(event, "1")
        return await Preflights(Names(), systemd, systemd, systemd).before_switch(group, Request("web", "1"), lines)

    async def answer() -> bool:
        try:
            return await ask(Group("web", systemd))
        except _Asked:
            return True

    assert asyncio.run(answer()) is is_run


def test_of_one_that_a_later_daemon_resumes() -> None:
    """Nor of that: what it would protect may be down."""
    systemd = cast("Any", _Systemd())
    lines = parse(TABLE, "/etc/cltab")[0].group("web")

    async def ask() -> bool:
        group = Group("web", systemd)
        group.happens(Event.FOUND, "1")
        group.happens(Event.REQUESTED, "1")
        return await Preflights(Names(), systemd, systemd, systemd).before_switch(group, Request("web", "1"), lines)

    assert asyncio.run(ask()) is False


class _Directory:
    """A systemd that takes the directory of units for unchanged until it is reloaded, and starts what it finds."""

    def __init__(self) -> None:
        self.did: list[str] = []

    async def order(self, job: Callable[[], None], check: Callable[[], None] = lambda: None) -> None:
        check()
        job()

    def load_units(self, units: Iterable[str]) -> list[UnitStatus]:
        return [UnitStatus(unit, "not-found", "inactive", "dead", 0, "") for unit in units]

    def start_if_free(self, _unit: str) -> None:
        self.did.append("start")

    def install_preflight(self, _unit: str, _entry: object) -> None:
        self.did.append("write")

    async def reload(self) -> None:
        self.did.append("reload")


def test_a_unit_that_systemd_does_not_see_yet() -> None:
    """It is reloaded then, once, and starts the unit."""
    directory = _Directory()
    parts = cast("Any", directory)
    [entry] = parse(TABLE, "/etc/cltab")[0].entries

    asyncio.run(Preflights(Names(), parts, parts, parts)._start("clinitpreflight-1.service", entry))

    assert directory.did == ["write", "reload", "start"]
