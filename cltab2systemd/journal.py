"""What the system's journal has of units: read by journalctl, bounded in bytes and time.

Whatever keeps lines from being read is told as a value, `Trouble`, so that whoever asks can say so, and show the rest.
"""

from __future__ import annotations

import contextlib
import enum
import os
import select
import subprocess
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# No value of a field is kept beyond this; the rest is dropped. Bytes.
LONGEST_VALUE = 16 * 1024 * 1024
# What an excerpt is made of at most. Bytes.
_MOST_OF_EXCERPT = 8 * 1024 * 1024
# Lines that are looked through for those of one run.
_LOOKED_THROUGH = 200
_DIRECTORIES = ("/run/log/journal", "/var/log/journal")
_MACHINE_ID = "/etc/machine-id"
_BLOCK = 65536
# Seconds for a journalctl that was killed to be gone.
_PATIENCE = 1.0

# By these systemd says in every run that a unit is started, stopped and so on, which is no news. systemd has them in
# sd-messages.h.
_ROUTINE = frozenset({
    b"7d4958e842da4a758f6c1cdc7b36dcc5",  # Starting
    b"39f53479d3a045ac8e11786248231fbf",  # Started, Finished
    b"de5b426a63be47a7b6ac3eaac82e2f6f",  # Stopping
    b"9d1aaa27d60140bd96365438aad20286",  # Stopped
    b"7ad2d189f7e94e70a38c781354912448",  # Deactivated successfully
    b"0e4284a0caca4bfc81c0bb6786972673",  # Condition check resulted in … being skipped
    b"ae8f7b866b0347b9af31fe1c80b127c0",  # Consumed … CPU time
    b"5eb03494b6584870a536b337290809b3",  # Scheduled restart job
    b"d34d037fff1847e6ae669a370e694725",  # Reloading
    b"7b05ebc668384222baa8881179cfda54",  # Reloaded
})  # fmt: skip
# By these it says how a unit ended, in its own words.
_ENDS = frozenset({
    b"98e322203f7a4ed290d09fe03c09fe15",  # Main process exited
    b"d9b373ed55a64feb8242e02dbe79a49c",  # Failed with result
    b"be02cf6855d2428ba40df7e9d022f03d",  # Failed to start, Dependency failed
})  # fmt: skip
# Fields that name a unit: its processes' own, and those of others that write about it.
_OWN = b"_SYSTEMD_UNIT"
_ABOUT = (b"UNIT", b"OBJECT_SYSTEMD_UNIT", b"COREDUMP_UNIT")
_FIELDS = (
    "MESSAGE", "MESSAGE_ID", "PRIORITY", "SYSLOG_IDENTIFIER", "INVOCATION_ID", "_SYSTEMD_INVOCATION_ID", "_PID",
    "_LINE_BREAK", _OWN.decode(), *(name.decode() for name in _ABOUT),
)  # fmt: skip


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


@dataclass(frozen=True, slots=True)
class Selection:
    """Which lines are wanted.

    Attributes:
        units: those that the lines are of, or about.
        lines: the last so many; None for all.
        since: from when on, as journalctl(1) takes it; empty for the beginning.
        until: up to when, likewise; empty for the end.
        is_this_boot: whether those of earlier boots are left out.
        follows: whether to go on with what is written from now on.
        invocation: the one run of the units that is wanted, as systemd's InvocationID; empty for all.
    """

    units: tuple[str, ...]
    lines: int | None = None
    since: str = ""
    until: str = ""
    is_this_boot: bool = False
    follows: bool = False
    invocation: str = ""


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One line.

    Attributes:
        time: when it was written, in µs since 1970.
        unit: which of the units it is of, or about.
        identifier: what its writer calls itself.
        pid: of its writer; 0 if that is not known.
        priority: from 0, an emergency, to 7, of use for debugging only.
        message: as it was written, without the newline.
        is_of_systemd: whether systemd or another part of the system writes about the unit, not the unit itself.
        is_routine: whether systemd says so in every run.
        tells_end: whether systemd says how the unit ended, or that it could not be started, and no more.
        is_whole: whether the line ends here; journald cuts lines that are longer than 48 KiB.
        invocation: the run that it is of, as systemd's InvocationID; empty if that is not known.
    """

    time: int
    unit: str
    identifier: str
    pid: int
    priority: int
    message: bytes
    is_of_systemd: bool
    is_routine: bool
    tells_end: bool
    is_whole: bool
    invocation: str


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A few lines, and what kept more from being read, if anything did."""

    lines: tuple[JournalLine, ...] = ()
    trouble: Trouble | None = None


def of_invocation(unit: str, invocation: str, lines: int = 5, seconds: float = 2.0) -> Excerpt:
    """The last lines of one run of a unit: what its processes wrote, and what systemd says that is no routine.

    Args:
        unit: its name.
        invocation: the run, as systemd's InvocationID.
        lines: so many at most.
        seconds: that it may take.
    """
    deadline = time.monotonic() + seconds
    reading = Reading(Selection((unit,), lines=_LOOKED_THROUGH), seconds, _MOST_OF_EXCERPT)
    found = [line for line in _with_invocations(reading.lines()) if line.invocation == invocation]
    if not found and reading.count >= _LOOKED_THROUGH:  # it was long ago
        selection = Selection((unit,), lines=_LOOKED_THROUGH, invocation=invocation)
        reading = Reading(selection, max(0.0, deadline - time.monotonic()), _MOST_OF_EXCERPT)
        found = [*reading.lines()]
    return _excerpt(found, lines, reading)


def of_unit(unit: str, lines: int = 5, seconds: float = 2.0) -> Excerpt:
    """The last lines of a unit and about it, also if it was never started; else as for `of_invocation`."""
    reading = Reading(Selection((unit,), lines=_LOOKED_THROUGH), seconds, _MOST_OF_EXCERPT)
    return _excerpt([*reading.lines()], lines, reading)


def _excerpt(found: list[JournalLine], lines: int, reading: Reading) -> Excerpt:
    kept = [line for line in found if not line.is_routine]
    return Excerpt(tuple(kept[max(0, len(kept) - lines) :]), reading.trouble)


def _with_invocations(lines: Iterable[JournalLine]) -> Iterator[JournalLine]:
    """Lines, each with its run. Of a process that ended at once journald knows none: it is that of the line before."""
    last = ""
    for line in lines:
        last = line.invocation or last
        yield line if line.invocation else replace(line, invocation=last)


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


class Records:
    """Entries of the journal, each as its fields, the oldest first; to be iterated once.

    Args:
        arguments: which entries, as journalctl(1) takes it, and which fields of each.
        seconds: that journalctl may take, which is killed then; None for ever.
        most: bytes that are read at most; None for all.

    Attributes:
        trouble: why entries may be missing. Set when there are no more.
        count: how many entries there were.
    """

    def __init__(self, arguments: Iterable[str], seconds: float | None = None, most: int | None = None) -> None:
        self._command = ["journalctl", "--output=export", "--all", "--no-pager", *arguments]
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._most = most
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
        total = 0
        while True:
            left = None if self._deadline is None else max(0.0, (self._deadline - time.monotonic()) * 1000)
            if not poll.poll(left):
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


class Reading(Records):
    """The lines of a selection; as `Records`, whose other arguments it takes."""

    def __init__(self, selection: Selection, seconds: float | None = None, most: int | None = None) -> None:
        super().__init__(_arguments(selection), seconds, most)
        self._units = frozenset(selection.units)

    def lines(self) -> Iterator[JournalLine]:
        """Run journalctl, and yield its lines as they come."""
        return (_line(record, self._units) for record in self)


def _arguments(selection: Selection) -> list[str]:
    command = [f"--output-fields={','.join(_FIELDS)}",
               f"--lines={'all' if selection.lines is None else selection.lines}"]  # fmt: skip
    if selection.follows:
        command.append("--follow")
    if selection.is_this_boot:
        command.append("--boot")
    if selection.since:
        command.append(f"--since={selection.since}")
    if selection.until:
        command.append(f"--until={selection.until}")
    command += [f"--unit={unit}" for unit in selection.units]
    if run := selection.invocation:
        command += [f"_SYSTEMD_INVOCATION_ID={run}", "+", f"INVOCATION_ID={run}"]
    return command


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


def _line(record: dict[bytes, bytes], units: frozenset[str]) -> JournalLine:
    own, message = decoded(record.get(_OWN, b"")), record.get(b"MESSAGE", b"")
    about = next((unit for name in _ABOUT if (unit := decoded(record.get(name, b""))) in units), "")
    return JournalLine(
        _number(record.get(b"__REALTIME_TIMESTAMP", b"")),
        about or own,
        decoded(record.get(b"SYSLOG_IDENTIFIER", b"")),
        _number(record.get(b"_PID", b"")),
        _number(record.get(b"PRIORITY", b"6")),
        message,
        bool(about),
        bool(about) and record.get(b"MESSAGE_ID") in _ROUTINE,
        bool(about) and record.get(b"MESSAGE_ID") in _ENDS and not message.startswith(b"Dependency failed"),
        record.get(b"_LINE_BREAK") != b"line-max",
        decoded(record.get(b"INVOCATION_ID" if about else b"_SYSTEMD_INVOCATION_ID", b"")),
    )


def _number(value: bytes) -> int:
    return int(value) if value.isdigit() and len(value) < 20 else 0


class _Stream:
    """Bytes that come in blocks, taken by lines and by lengths."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._block = b""
        self._at = 0

    def line(self) -> bytes | None:
        """The next line without its newline, cut at `LONGEST_VALUE`; None at the end, also of half a line."""
        parts: list[bytes] = []
        kept = 0
        while (end := self._block.find(b"\n", self._at)) < 0:
            kept += self._keep(parts, kept, self._block[self._at :])
            if not self._next():
                return None
        self._keep(parts, kept, self._block[self._at : end])
        self._at = end + 1
        return b"".join(parts)

    def exactly(self, length: int) -> bytes | None:
        """So many bytes, cut at `LONGEST_VALUE`; None if there are fewer."""
        parts: list[bytes] = []
        kept = 0
        while len(self._block) - self._at < length:
            length -= len(self._block) - self._at
            kept += self._keep(parts, kept, self._block[self._at :])
            if not self._next():
                return None
        self._keep(parts, kept, self._block[self._at : self._at + length])
        self._at += length
        return b"".join(parts)

    @staticmethod
    def _keep(parts: list[bytes], kept: int, part: bytes) -> int:
        part = part[: LONGEST_VALUE - kept]
        parts.append(part)
        return len(part)

    def _next(self) -> bool:
        self._block, self._at = next(self._blocks, b""), 0
        return bool(self._block)


def records(blocks: Iterator[bytes]) -> Iterator[dict[bytes, bytes]]:
    """The entries in systemd's Journal Export Format, each as its fields; of a field that is there twice, the first.

    Args:
        blocks: the text, cut anywhere. What is not whole at its end is left out.
    """
    stream = _Stream(blocks)
    found: dict[bytes, bytes] = {}
    while (line := stream.line()) is not None:
        if not line:
            if found:
                yield found
            found = {}
            continue
        name, equals, value = line.partition(b"=")
        if not equals:
            size = stream.exactly(8)
            content = None if size is None else stream.exactly(int.from_bytes(size, "little"))
            if content is None or stream.exactly(1) is None:
                return
            value = content
        found.setdefault(name, value)
