"""All that the daemon knows of its instance, as one value: the method Describe."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from cltab2systemd import __version__
from cltab2systemd.core.group import now_in_microseconds
from cltab2systemd.core.request import NoSuchGroupError
from cltab2systemd.reports.overview import group_object, table_object
from cltab2systemd.systemd.kernel import clock_offset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from cltab2systemd.core.controller import Controller
    from cltab2systemd.reports.overview import Object


# How often the groups are described at most, if systemd could not be asked meanwhile: others wait.
_MOST = 3


async def describe(controller: Controller, groups: Collection[str]) -> Object:
    """The daemon, its table, and its groups with their entries; anew behind a daemon-reload that came meanwhile.

    Args:
        controller: has the groups.
        groups: which of them; all, if there are none.

    Raises:
        NoSuchGroupError: there is no such group.
        BusError: systemd does not answer.
    """
    for _ in range(_MOST):
        await controller.quiet()
        reloads = controller.reloads
        described = [group async for group in _described(controller, groups)]
        if controller.reloads == reloads:
            break
    source = controller.source
    in_force = source.content if source.accepted else None
    return {
        "version": __version__,
        "pid": os.getpid(),
        "table": table_object(source.path, source.refusal, in_force, unread=source.is_unread),
        "groups": described,
    }


async def _described(controller: Controller, groups: Collection[str]) -> AsyncIterator[Object]:
    """The groups, each with its entries. What `describe` raises."""
    for name in dict.fromkeys(groups or controller.names_of_groups):
        try:
            found = await controller.overview(name)
            yield group_object(found, clock_offset(), now_in_microseconds())
        except NoSuchGroupError:
            if groups:
                raise  # else it has just gone
        await asyncio.sleep(0)  # others have their turn, for there may be a thousand groups
