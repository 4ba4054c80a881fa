"""Options that several commands have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from cltab2systemd.locations import SOCKET, TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

C = TypeVar("C", bound="Callable[..., Any]")


def of_daemon(command: C) -> C:
    """Let a command take `cltab` and `socket`, which name a daemon as they do for `clinit`."""
    socket = click.option("-s", "--socket", metavar="PATH", help=f"The daemon's socket.  [default: {SOCKET}]")
    cltab = click.option("-c", "--cltab", metavar="FILE", help=f"The daemon's table.  [default: {TABLE}]")
    return cltab(socket(command))
