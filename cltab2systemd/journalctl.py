"""journalctl as a child process: what it tells of the system's journal, bounded in bytes and time.

Whatever keeps entries from being read is told as a value, `Trouble`. So whoever asks can say so, and show the rest.
"""

from __future__ import annotations

import contextlib
import enum
import os
import select
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.exportformat import records
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DIRECTORIES = ("/run/log/journal", "/var/log/journal")
_MACHINE_ID = "/etc/machine-id"
_BLOCK = 65536
# Seconds for a journalctl that was killed to be gone.
_PATIENCE = 1.0


class Kind(enum.StrEnum):
    """Why lines may be missing."""

    NO_PROGRAM = "no-journalctl"
    NO_JOURNAL = "no-journal"
    FORBIDDEN = "forbidden"
    TIMED_OUT = "timed-out"
    TOO_MUCH = "too-much"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What kept lines from being read; `text` is for a person, without a full stop."""

    kind: Kind
    text: str


FORBIDDEN = Trouble(
    Kind.FORBIDDEN,
    "not permitted to read the system's journal: only root and members of group systemd-journal may, on Debian also "
    "those of adm",
)
NO_JOURNAL = Trouble(Kind.NO_JOURNAL, "this machine keeps no journal")
TIMED_OUT = Trouble(Kind.TIMED_OUT, "journalctl gave no answer in time")
TOO_MUCH = Trouble(Kind.TOO_MUCH, "there is more in the journal than is read")


def access() -> Trouble | None:
    """What keeps this process from all of the system's journal: there is none, or it may not; None if nothing does."""
    try:
        with open(_MACHINE_ID, encoding="ascii") as file:  # noqa: PTH123
            machine = file.read(64).strip()
    except (OSError, ValueError):
        return None
    is_there = False
    for directory in _DIRECTORIES:
        try:
            names = [name for name in os.listdir(f"{directory}/{machine}") if name.endswith(".journal")]  # noqa: PTH208
        except PermissionError:
            return FORBIDDEN
        except OSError:
            continue
        is_there = is_there or bool(names)
        system = [name for name in names if name.startswith("system")]
        if not all(os.access(f"{directory}/{machine}/{name}", os.R_OK) for name in system):
            return FORBIDDEN
    return None if is_there else NO_JOURNAL


def store(seconds: float) -> None:
    """Have journald store what it has been given so far, if it does so in time. Only root may ask for that."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            ["journalctl", "--sync"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=seconds, check=False,
        )  # fmt: skip


class Records:
    """Entries of the journal, each as its fields, the oldest first; to be iterated once.

    Args:
        arguments: which entries, as journalctl(1) takes it, and which fields of each.
        seconds: that journalctl may take, which is killed then; None for ever.
        most: bytes that are read at most; None for all.

    Attributes:
        trouble: why entries may be missing. Set when there are no more.
        count: how many entries there were.
        reader: to be set to a descriptor for a BrokenPipeError as soon as nobody reads that any more.
    """

    def __init__(self, arguments: Iterable[str], seconds: float | None = None, most: int | None = None) -> None:
        self._command = ["journalctl", "--output=export", "--all", "--no-pager", *arguments]
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._most = most
        self.reader = -1
        self.trouble: Trouble | None = None
        self.count = 0

    def __iter__(self) -> Iterator[dict[bytes, bytes]]:
        """Run journalctl, and yield its entries as they come."""
        self.trouble = access()
        said = os.memfd_create("journalctl")
        try:
            process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said,
                env={**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0"},
            )  # fmt: skip
        except OSError as error:
            os.close(said)
            self.trouble = Trouble(Kind.NO_PROGRAM, f"cannot run journalctl: {error.strerror}")
            return
        try:
            assert process.stdout is not None
            for record in records(self._blocks(process.stdout.fileno())):
                self.count += 1
                yield record
            if process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_PATIENCE)
            # Without permission it fails as well, and has told why.
            if process.returncode and self.trouble is None:
                self.trouble = Trouble(Kind.FAILED, _last_words(said) or f"journalctl exited with {process.returncode}")
        finally:
            _end(process)
            os.close(said)

    def _blocks(self, descriptor: int) -> Iterator[bytes]:
        """What journalctl writes, as it comes."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if self.reader >= 0:
            poll.register(self.reader, 0)  # it tells its end only
        total = 0
        while True:
            left = None if self._deadline is None else max(0.0, (self._deadline - time.monotonic()) * 1000)
            ready = {number for number, _ in poll.poll(left)}
            if self.reader in ready:
                raise BrokenPipeError
            if not ready or left == 0:  # there may be more for ever
                self.trouble = TIMED_OUT
                return
            block = os.read(descriptor, _BLOCK)
            if not block:
                return
            total += len(block)
            if self._most is not None and total > self._most:
                self.trouble = TOO_MUCH
                return
            yield block


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE)
    if process.stdout is not None:
        process.stdout.close()


def _last_words(descriptor: int) -> str:
    """The last line that journalctl wrote to its standard error."""
    lines = decoded(os.pread(descriptor, _BLOCK, 0)).strip().split("\n")
    return lines[-1]
