"""What the system's journal has of units: their lines, and whose each is."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cltab2systemd.journalctl import Records, Trouble
from cltab2systemd.pausing import PAUSES
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# What an excerpt is made of at most. Bytes.
_MOST_OF_EXCERPT = 8 * 1024 * 1024
# Lines that are looked through for those of one run.
_LOOKED_THROUGH = 200

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
# Fields of journald, which nobody can write, and those by which others say which unit they write about.
_FIELDS = (
    "MESSAGE", "MESSAGE_ID", "PRIORITY", "SYSLOG_IDENTIFIER", "INVOCATION_ID", "_SYSTEMD_INVOCATION_ID",
    "_SYSTEMD_UNIT", "_PID", "_UID", "_COMM", "_EXE", "_LINE_BREAK", "UNIT", "CLINIT_UNIT", "OBJECT_SYSTEMD_UNIT",
    "COREDUMP_UNIT",
)  # fmt: skip
# Programs of systemd that become the program of a unit. Anybody may call a program so elsewhere.
_EXECUTORS = {b"/usr/lib/systemd/systemd", b"/usr/lib/systemd/systemd-executor", b"/lib/systemd/systemd"}


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


class Writer(enum.StrEnum):
    """Who has written a line."""

    ENTRY = "entry"  # a process of the unit
    SYSTEMD = "systemd"  # systemd or another part of the system, about the unit
    CLINIT = "clinit"  # our daemon, about the unit


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
        writer: who has written it.
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
    writer: Writer
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

    What our daemon says is not among them.

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


def before_invocation(unit: str, invocation: str, lines: int = 5, seconds: float = 2.0) -> Excerpt:
    """The last lines of the run before one, which is perhaps the latest; else as for `of_invocation`.

    What a run says of its own pause is not among them.
    """
    reading = Reading(Selection((unit,), lines=_LOOKED_THROUGH), seconds, _MOST_OF_EXCERPT)
    found = [*_with_invocations(reading.lines())]
    run = _run_before(found, invocation)
    kept = [line for line in found if line.invocation == run and not _tells_pause(line)] if run else []
    if not any(line.writer is Writer.ENTRY for line in kept):
        kept += _of_one_gone(found, invocation)
    return _excerpt(kept, lines, reading)


def _run_before(found: list[JournalLine], invocation: str) -> str:
    """The run before one; empty if it is not known.

    The lines of systemd are in order. Those of the unit's processes come over sockets of their own, earlier or later.
    """
    places = [place for place, line in enumerate(found) if line.invocation == invocation]
    begun = [place for place in places if found[place].writer is Writer.SYSTEMD] or places or [len(found)]
    earlier = [line for line in found[: begun[0]] if line.invocation != invocation]
    of_systemd = [line for line in earlier if line.writer is Writer.SYSTEMD]
    return next((line.invocation for line in reversed(of_systemd or earlier)), "")


def _of_one_gone(found: list[JournalLine], invocation: str) -> list[JournalLine]:
    """What the last process before a pause wrote that was gone when journald looked: journald takes it for the pause's.

    A run that pauses has one process.
    """
    own = [line for line in found if line.invocation == invocation and line.writer is Writer.ENTRY]
    pausing = {line.pid for line in own if _tells_pause(line)}
    others = [line for line in own if line.pid not in pausing]
    return [line for line in others if line.pid == others[-1].pid] if pausing else []


def _tells_pause(line: JournalLine) -> bool:
    return line.writer is Writer.ENTRY and line.message.endswith(f" {PAUSES}".encode())


def _excerpt(found: list[JournalLine], lines: int, reading: Reading) -> Excerpt:
    kept = [line for line in found if not line.is_routine and line.writer is not Writer.CLINIT]
    return Excerpt(tuple(kept[max(0, len(kept) - lines) :]), reading.trouble)


def _with_invocations(lines: Iterable[JournalLine]) -> Iterator[JournalLine]:
    """Lines, each with its run. Of a process that ended at once journald knows none: it is that of the line before.

    Of the first lines it is that of the line after: journald was late, and has them before what systemd says of them.
    """
    found = [*lines]
    last = next((line.invocation for line in found if line.invocation), "")
    for line in found:
        last = line.invocation or last
        yield line if line.invocation else replace(line, invocation=last)


class Reading(Records):
    """The lines of a selection; as `Records`, whose other arguments it takes."""

    def __init__(self, selection: Selection, seconds: float | None = None, most: int | None = None) -> None:
        super().__init__(_arguments(selection), seconds, most)
        self._units = frozenset(selection.units)

    def lines(self) -> Iterator[JournalLine]:
        """Run journalctl, and yield its lines as they come."""
        lines = (_line(record, self._units) for record in self)
        return (line for line in lines if line.unit in self._units)  # root may name a unit in lines of another


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
    return [*command, *_matches(selection.units, selection.invocation)]


def _matches(units: tuple[str, ...], run: str) -> Iterator[str]:
    """The lines of units, and about them, as `journalctl --unit` has them, and more: all of root's that name a unit.

    journald does not know of which unit a child of systemd was that had ended before journald looked.
    """
    yield from (f"_SYSTEMD_UNIT={unit}" for unit in units)
    yield from (f"_SYSTEMD_INVOCATION_ID={run}",) if run else ()
    for field in ("UNIT", "OBJECT_SYSTEMD_UNIT", "COREDUMP_UNIT"):
        yield from ("+", "_UID=0")
        yield from (f"{field}={unit}" for unit in units)
        yield from (f"INVOCATION_ID={run}",) if run else ()


def _line(record: dict[bytes, bytes], units: frozenset[str]) -> JournalLine:
    writer, unit = _written_by(record, units)
    message, is_of_manager = record.get(b"MESSAGE", b""), writer is Writer.SYSTEMD and record.get(b"_PID") == b"1"
    run = b"_SYSTEMD_INVOCATION_ID" if writer is Writer.ENTRY else b"INVOCATION_ID"
    return JournalLine(
        _number(record.get(b"__REALTIME_TIMESTAMP", b"")),
        unit,
        decoded(record.get(b"SYSLOG_IDENTIFIER", b"")),
        _number(record.get(b"_PID", b"")),
        _number(record.get(b"PRIORITY", b"6")),
        message,
        writer,
        is_of_manager and record.get(b"MESSAGE_ID") in _ROUTINE,
        is_of_manager and record.get(b"MESSAGE_ID") in _ENDS and not message.startswith(b"Dependency failed"),
        record.get(b"_LINE_BREAK") != b"line-max",
        decoded(record.get(run, b"")),
    )


def _written_by(record: dict[bytes, bytes], units: frozenset[str]) -> tuple[Writer, str]:
    """Who has written an entry, and of which unit it is or which it is about.

    Anybody may name any unit. As with `journalctl --unit`, it counts if systemd does it; or root, in its own fields.
    """

    def named(field: bytes) -> str:
        return decoded(record.get(field, b""))

    is_root, unit = record.get(b"_UID") == b"0", named(b"UNIT") or named(b"_SYSTEMD_UNIT")
    is_systemds = record.get(b"_PID") == b"1" or _is_of_executor(record, is_root=is_root) or _is_of_one_gone(record)
    if unit in units and is_systemds:
        return Writer.SYSTEMD, unit
    if is_root and (unit := named(b"CLINIT_UNIT")) in units:
        return Writer.CLINIT, unit
    for field in (b"OBJECT_SYSTEMD_UNIT", b"COREDUMP_UNIT"):
        if is_root and (unit := named(field)) in units:
            return Writer.SYSTEMD, unit
    return Writer.ENTRY, named(b"_SYSTEMD_UNIT")


def _is_of_executor(record: dict[bytes, bytes], *, is_root: bool) -> bool:
    """Whether the child of systemd has written it that was to become the program of a unit, such as `(sh)`.

    Perhaps it has given up root's rights already. A user's process can pretend all of this, but of its own unit only.
    That of systemd 262 names the unit in some of its lines only, the run in all.
    """
    own, unit = record.get(b"_SYSTEMD_UNIT"), record.get(b"UNIT")
    is_executor = record.get(b"_EXE") in _EXECUTORS and (not unit or unit == own)
    is_named = bool(unit or record.get(b"INVOCATION_ID"))
    return record.get(b"_COMM", b"").startswith(b"(") and is_named and (is_root or is_executor)


def _is_of_one_gone(record: dict[bytes, bytes]) -> bool:
    """Whether such a child has written it that had ended before journald looked: then journald tells only whose it was.

    A process of root's that ends as soon can pretend this, too. It could as well write in root's own fields.
    """
    is_unknown = not any(record.get(field) for field in (b"_SYSTEMD_UNIT", b"_COMM", b"_EXE"))
    is_named = record.get(b"SYSLOG_IDENTIFIER", b"").startswith(b"(") and bool(record.get(b"INVOCATION_ID"))
    return is_unknown and is_named and record.get(b"_UID") == b"0"


def _number(value: bytes) -> int:
    return int(value) if value.isdigit() and len(value) < 20 else 0
