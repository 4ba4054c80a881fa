"""The FIFO into which keepalived writes: made, opened, locked, and found again when it is another one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK = 65536


class Fifo:
    """The FIFO, opened for reading only, so that its end can be seen: keepalived does not have it open.

    Args:
        path: where it is.
        is_ours: whether it is made here; else keepalived has made it.

    OSError if that fails, and ValueError if something else is there.

    Attributes:
        is_open: whether keepalived had it open when it was read.
        descriptor: by which it can be waited for.
    """

    def __init__(self, path: Path, *, is_ours: bool) -> None:
        self._path = path
        self._is_ours = is_ours
        self.is_open = False
        self.descriptor = self._opened()

    def _opened(self) -> int:
        if self._is_ours:
            with contextlib.suppress(FileExistsError):
                os.mkfifo(self._path, 0o600)
        descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            raise ValueError(f"{self._path} is no FIFO; remove it")
        return descriptor

    def lock(self) -> bool:
        """Be the only reader, for each line is read once; whether that is so."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def read(self) -> Iterator[bytes]:
        """What was told since, block by block."""
        while True:
            try:
                block = os.read(self.descriptor, _BLOCK)
            except BlockingIOError:
                self.is_open = True
                return
            if not block:
                self.is_open = False
                return
            yield block

    def renew(self) -> bool:
        """Open the one that is at its place now, if that is another one; whether so.

        keepalived removes at its end what it has made: if it was started first, the FIFO.
        """
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(self.descriptor), self._path.stat()):
                return False
        os.close(self.descriptor)
        self.descriptor = self._opened()
        return True
