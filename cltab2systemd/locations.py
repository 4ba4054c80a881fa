"""Where an instance has its files: table, socket, clstat.

What the table says beats the command line, which beats the default. Imports nothing heavy: a plain `clinit` request
goes through here.
"""

from __future__ import annotations

import os

TABLE = "/etc/cltab"
SOCKET = "/run/clinit/clinit.s"
CLSTAT = "/run/clinit/clstat"


class Locations:
    """The files of one instance, as absolute paths; `named_socket` is the one that the command line names, or empty."""

    __slots__ = ("clstat", "named_socket", "socket", "table")

    def __init__(self, table: str, socket: str, clstat: str, named_socket: str = "") -> None:
        self.table = table
        self.socket = socket
        self.clstat = clstat
        self.named_socket = named_socket

    @property
    def is_system_instance(self) -> bool:
        """Whether this is the instance whose units have the plain names: that of the default table or socket.

        A setting in the default table that moves the socket does not make it another instance.
        """
        return self.socket == SOCKET or (self.table == TABLE and self.named_socket in {"", SOCKET})


def locate(table: str | None = None, socket: str | None = None, clstat: str | None = None) -> Locations:
    """The files of the instance that a table and options name.

    Args:
        table: the table's path, or None for the default; an unreadable table has no settings.
        socket: the socket that the command line names, if it does.
        clstat: the clstat that the command line names, if it does.

    Relative paths start at the working directory, and `/var/run` is `/run`.
    """
    path = absolute(table or TABLE)
    named_socket = absolute(socket) if socket else ""
    settings = _settings(path)
    return Locations(
        path,
        absolute(settings.get("socket") or named_socket or SOCKET),
        absolute(settings.get("clstat") or clstat or CLSTAT),
        named_socket,
    )


def absolute(path: str) -> str:
    """A path made absolute from the working directory, with `/run` for `/var/run`."""
    path = os.path.abspath(path)  # noqa: PTH100 - pathlib is slow to import
    path = path[1:] if path.startswith("//") else path
    return path[len("/var") :] if path.startswith("/var/run/") else path


def _settings(path: str) -> dict[str, str]:
    """The `:::name:value` lines of a table, without parsing the rest of it."""
    try:
        # A FIFO in the table's place must not hang a client.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            data = file.read() or b""
    except OSError:
        return {}
    if b":::" not in data:
        return {}
    lines = (os.fsdecode(line[3:]).removesuffix("\r") for line in data.split(b"\n") if line.startswith(b":::"))
    return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon and name}
