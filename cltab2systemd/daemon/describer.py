"""All that the daemon knows of its instance, as one value: the method Describe."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from cltab2systemd import __version__
from cltab2systemd.core.group import now_in_microseconds
from cltab2systemd.core.request import NoSuchGroupError
from cltab2systemd.reports.overview import group_object
from cltab2systemd.systemd.kernel import clock_offset

if TYPE_CHECKING:
    from collections.abc import Collection

    from cltab2systemd.core.controller import Controller
    from cltab2systemd.reports.overview import Object


async def describe(controller: Controller, groups: Collection[str]) -> Object:
    """The daemon, its table, and its groups with their entries.

    Args:
        controller: has the groups.
        groups: which of them; all, if there are none.

    Raises:
        NoSuchGroupError: there is no such group.
        BusError: systemd does not answer.
    """
    described = []
    for name in dict.fromkeys(groups or controller.names_of_groups):
        try:
            found = await controller.overview(name)
            described.append(group_object(found, clock_offset(), now_in_microseconds()))
        except NoSuchGroupError:
            if groups:
                raise  # else it has just gone
        await asyncio.sleep(0)  # others have their turn, for there may be a thousand groups
    source = controller.source
    return {
        "version": __version__,
        "pid": os.getpid(),
        "table": {"path": source.path, "refusal": source.refusal or None, "unread": source.is_unread},
        "groups": described,
    }
