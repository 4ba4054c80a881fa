"""Options that several commands have."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cltab2systemd.locations import SOCKET, TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

C = TypeVar("C", bound="Callable[..., Any]")


class Format(enum.StrEnum):
    """What an answer looks like."""

    TEXT = "text"
    JSON = "json"


# For `format_`. Strings, not members: click before 8.2 knows no enums, and later ones take the members' names.
format_option = click.option(
    "--format", "format_", type=click.Choice([form.value for form in Format]), default=Format.TEXT.value,
    show_default=True, help="For a person, or for a program.",
)  # fmt: skip


def of_daemon(command: C) -> C:
    """Let a command take `cltab` and `socket`, which name a daemon as they do for `clinit`."""
    socket = click.option("-s", "--socket", metavar="PATH", help=f"The daemon's socket.  [default: {SOCKET}]")
    cltab = click.option("-c", "--cltab", metavar="FILE", help=f"The daemon's table.  [default: {TABLE}]")
    return cltab(socket(command))
