"""A user namespace for a node: its root is nobody on the host, and no capability of it reaches beyond its namespaces.

All ids up to 2^31 are there, each moved by the same number, so that a node has every user that the host has. See
user_namespaces(7).
"""

import os
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

from cltab2systemd.node import kernel
from cltab2systemd.node.kernel import Clone

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = 1 << 31
"""What the host calls the node's user 0, and its group 0; the ids behind it follow."""

_COUNT = (1 << 31) - 2  # the last two numbers are no ids

_NAMESPACES = {Clone.NEWNET: "net", Clone.NEWIPC: "ipc", Clone.NEWUTS: "uts", Clone.NEWCGROUP: "cgroup"}


class Users:
    """The user namespace, until it is closed."""

    def __init__(self) -> None:
        """Make it. Raises OSError."""
        with _child(lambda: kernel.unshare(Clone.NEWUSER)) as pid:
            for kind in ("uid_map", "gid_map"):
                Path(f"/proc/{pid}/{kind}").write_text(f"0 {FIRST} {_COUNT}")
            self.descriptor = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
            """The namespace as an open file."""

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of it."""
        os.close(self.descriptor)

    def namespaces(self, enter_cgroups: Callable[[], None]) -> dict[Clone, int]:
        """Make new namespaces that belong to these users; return them as open files. Raises OSError.

        Who moves into one of them keeps what it may do on the host.

        Args:
            enter_cgroups: moves a process into the cgroups that are to be the root of the cgroup namespace.
        """

        def make() -> None:
            enter_cgroups()
            kernel.setns(self.descriptor, Clone.NEWUSER)
            for kind in _NAMESPACES:
                kernel.unshare(kind)

        with _child(make) as pid:
            return {kind: os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY) for kind, name in _NAMESPACES.items()}

    def become_root(self) -> None:
        """Become these users' root, with mounts of its own. It can take none of those away that are there."""
        kernel.setns(self.descriptor, Clone.NEWUSER)
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        kernel.unshare(Clone.NEWNS)


@contextmanager
def _child(begin: Callable[[], None]) -> "Iterator[int]":
    """A child process that has done something, and is there for as long as the context."""
    ready, told = os.pipe()
    held, hold = os.pipe()
    pid = os.fork()
    if not pid:
        _be_child(begin, told, held, hold)
    os.close(told)
    os.close(held)
    try:
        with open(ready, "rb") as file:  # noqa: PTH123 - a descriptor
            error = int(file.read() or 0)
        if error:
            raise OSError(error, f"namespaces: {os.strerror(error)}")
        yield pid
    finally:
        os.close(hold)
        os.waitpid(pid, 0)


def _be_child(begin: Callable[[], None], told: int, held: int, hold: int) -> NoReturn:
    os.close(hold)
    error = 0
    try:
        begin()
    except OSError as failure:
        error = failure.errno or -1
    os.write(told, str(error).encode())
    os.close(told)
    os.read(held, 1)
    os._exit(0)
