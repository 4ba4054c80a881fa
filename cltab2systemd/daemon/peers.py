"""Who is at the other end of a connection, and what they may do."""

from __future__ import annotations

import errno
import grp
import os
import socket
import struct
from dataclasses import dataclass, replace

from cltab2systemd.events import Asker, By
from cltab2systemd.systemd.users import user_name_in_time
from cltab2systemd.terminal import shortened
from cltab2systemd.text import decoded

# Its members may switch groups, as root may. Root decides who is a member.
GROUP = "clinit"

# Programs that ask, and where only root can install them.
_CLIENTS = frozenset({"clinit", "clinitctl", "cltab2systemd"})
_INSTALLED = frozenset({"/bin", "/usr/bin", "/usr/local/bin"})

_SO_PEERGROUPS = 59  # socket(7); Python has no name for it
_CREDENTIALS = struct.Struct("3i")
_LONGEST_COMMAND = 4096  # bytes of a command line that are read
_LONGEST_LIST = 1024  # bytes that Python lets the kernel give: 256 groups


@dataclass(frozen=True, slots=True)
class Peer:
    """A process: its pid and user, and all its groups, as they were when it connected."""

    pid: int
    uid: int
    groups: frozenset[int]

    @classmethod
    def of(cls, connection: socket.socket) -> Peer:
        """The process at the other end. SO_PEERCRED has only its first group, SO_PEERGROUPS the others.

        A process with more than 256 other groups is taken to have none of them.
        """
        pid, uid, gid = _CREDENTIALS.unpack(
            connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        try:
            others = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _LONGEST_LIST)
        except OSError as error:
            if error.errno != errno.ERANGE:
                raise
            others = b""
        return cls(pid, uid, frozenset({gid, *struct.unpack(f"{len(others) // 4}I", others)}))

    def asker(self) -> Asker:
        """Who asks for something now: this process, with its command line if it still lives.

        Another process may have its pid by now. One of another user is not taken for it.
        """
        try:
            with open(f"/proc/{self.pid}/cmdline", "rb") as file:  # noqa: PTH123
                is_same = os.fstat(file.fileno()).st_uid == self.uid
                words = file.read(_LONGEST_COMMAND).rstrip(b"\0").split(b"\0") if is_same else []
        except OSError:
            words = []
        command = shortened(" ".join(_as_typed([decoded(word) for word in words])))
        return Asker(By.CLIENT, self.uid, self.pid, command)

    async def named_asker(self) -> Asker:
        """`asker`, with the user's name."""
        return replace(self.asker(), user=await user_name_in_time(self.uid))

    def may_switch(self, group_id: int | None) -> bool:
        """Whether it may switch groups, and have the table read: root, and members of a group."""
        return self.uid == 0 or group_id in self.groups


def _as_typed(words: list[str]) -> list[str]:
    """A command line as somebody types it: of an installed client of ours, only its name, without its interpreter."""
    interpreter = bool(words) and os.path.basename(words[0]).startswith("python3")  # noqa: PTH119
    program = next((number for number, word in enumerate(words) if number and not word.startswith("-")), 0)
    directory, _, name = words[program].rpartition("/") if interpreter else ("", "", "")
    return [name, *words[program + 1 :]] if name in _CLIENTS and directory in _INSTALLED else words


def group_id() -> int | None:
    """The number of the group whose members may switch groups; None if the machine does not have it."""
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return None
