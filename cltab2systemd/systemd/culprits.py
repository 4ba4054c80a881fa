"""Who has stopped an entry by hand, as far as the journal knows: through the daemon, or with sudo."""

from __future__ import annotations

import asyncio
import fnmatch
import glob
import shlex
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from cltab2systemd import journalctl
from cltab2systemd.events import RESTARTED_BY_HAND, STOPPED_BY_HAND
from cltab2systemd.exportformat import number
from cltab2systemd.groups.culprit import Culprit
from cltab2systemd.systemd.inthread import in_thread
from cltab2systemd.systemd.users import user_name
from cltab2systemd.terminal import shortened
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cltab2systemd.groups.culprit import Run

# A stop takes until its last signal. Journald may take a line some time after it was written; who asked for a stop has
# said so before that. µs.
_BEFORE = 120_000_000
_STORED_AFTER = 2_000_000
_AFTER = 100_000
# Seconds for journald to store what it has been given, for the journal to be read, and for all of it, for there may be
# a name service that is stuck.
_STORE = 1.0
_SECONDS = 2.0
_PATIENCE = 10.0
_MOST_BYTES = 4 * 1024 * 1024
# Longer command lines than people type, for each word of which units are looked for.
_LONGEST = 4096
_MOST_WORDS = 50
_BY_DAEMON = {event.message_id for event in (STOPPED_BY_HAND, RESTARTED_BY_HAND)}
_FIELDS = (
    "MESSAGE", "MESSAGE_ID", "_EXE", "_UID", "_SOURCE_REALTIME_TIMESTAMP",
    "CLINIT_UNIT", "CLINIT_ASKED_UID", "CLINIT_ASKED_PID", "CLINIT_ASKED_COMMAND",
)  # fmt: skip
_SUDO = {f"{directory}/{name}" for directory in ("/usr/bin", "/bin", "/usr/local/bin") for name in ("sudo", "sudo-rs")}
# What sudo tells before the command. If somebody was refused, there is the reason first: `alice : command not allowed ;
# TTY=…`.
_TOLD_BEFORE = ("HOST=", "TTY=", "CHROOT=", "PWD=", "USER=", "GROUP=", "TSID=", "ENV=")
# Commands of systemctl that end a unit; those that do so with `--now`; options with which they do not, or somewhere
# else; and signals that a process does not live through by their meaning.
_VERBS = {"stop", "kill", "isolate", "restart", "try-restart"}
_VERBS_WITH_NOW = {"disable", "mask"}
_ELSEWHERE = ("--user", "--host", "--machine", "-H", "-M", "--dry-run", "--help", "-h", "--global", "--root")
_SIGNALS = {"TERM", "INT", "QUIT", "ABRT", "KILL", "15", "2", "3", "6", "9"}


async def search(runs: Sequence[Run]) -> Mapping[str, Culprit]:
    """`culprits`, in a thread, after journald has stored what it has; nobody, if the journal cannot be read."""

    def work() -> Mapping[str, Culprit]:
        journalctl.store(_STORE)
        return culprits(runs, _SECONDS)

    try:
        async with asyncio.timeout(_PATIENCE):
            return await in_thread(work)
    except (OSError, RuntimeError):  # a TimeoutError is an OSError
        return {}


def culprits(runs: Sequence[Run], seconds: float) -> Mapping[str, Culprit]:
    """Who was the last to ask for the end of each run, during it and shortly before its end, by unit.

    Args:
        runs: at least one.
        seconds: that it may take.
    """
    until = time.monotonic() + seconds
    found: dict[str, Culprit] = {}
    for some in _together(runs):
        if (left := until - time.monotonic()) > 0:
            found |= _culprits(some, left)
    return found


def _together(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs parted by the times that the journal is asked about: what overlaps is together. The latest come first."""
    parted: list[list[Run]] = []
    for run in sorted(runs, key=lambda each: each.ended, reverse=True):
        if parted and run.ended + _STORED_AFTER >= min(map(_first, parted[-1])):
            parted[-1].append(run)
        else:
            parted.append([run])
    return parted


def _culprits(runs: Sequence[Run], seconds: float) -> Mapping[str, Culprit]:
    begin, end = min(map(_first, runs)), max(run.ended for run in runs) + _STORED_AFTER
    arguments = [
        f"--since=@{begin / 1e6:.6f}", f"--until=@{end / 1e6:.6f}", f"--output-fields={','.join(_FIELDS)}",
        "_UID=0", *(f"MESSAGE_ID={each}" for each in sorted(_BY_DAEMON)), "+", "_COMM=sudo", "+", "_COMM=sudo-rs",
    ]  # fmt: skip
    found: dict[str, Culprit] = {}
    reading = journalctl.Records(arguments, seconds, _MOST_BYTES)
    for record in reading:
        claim = read({decoded(name): decoded(value) for name, value in record.items()})
        if claim is None:
            continue
        for run in runs:
            is_then = _first(run) <= claim.culprit.time <= run.ended + _AFTER
            if is_then and claim.is_about(run.unit, run.group_slice):
                found[run.unit] = claim.culprit
    # What was not read is later, and may tell of another one.
    return {} if reading.trouble in {journalctl.TIMED_OUT, journalctl.TOO_MUCH} else found


def _first(run: Run) -> int:
    return max(run.began, run.ended - _BEFORE)


@dataclass(frozen=True, slots=True)
class Claim:
    """A line of the journal by which somebody asks for the end of units.

    Attributes:
        culprit: who.
        patterns: the units, as systemctl takes them.
    """

    culprit: Culprit
    patterns: tuple[str, ...]

    def is_about(self, unit: str, group_slice: str) -> bool:
        """Whether a unit, or the slice that it is in, is among them."""
        return any(fnmatch.fnmatchcase(each, pattern) for each in (unit, group_slice) for pattern in self.patterns)


def read(fields: Mapping[str, str]) -> Claim | None:
    """What a line of the journal claims; None if it tells of nobody who asks for the end of units, or if it is forged.

    Anybody can write lines. Only journald's own fields, with `_`, tell whose they are.
    """
    time_usec = int(fields.get("_SOURCE_REALTIME_TIMESTAMP") or fields.get("__REALTIME_TIMESTAMP", "0"))
    if fields.get("MESSAGE_ID") in _BY_DAEMON:
        uid, pid = (number(fields.get(f"CLINIT_ASKED_{name}", "")) for name in ("UID", "PID"))
        if uid is None or fields.get("_UID") != "0":
            return None
        culprit = Culprit(time_usec, user_name(uid), uid, pid, fields.get("CLINIT_ASKED_COMMAND", ""))
        return Claim(culprit, (glob.escape(fields.get("CLINIT_UNIT", "")),))
    message = fields.get("MESSAGE", "")
    if fields.get("_EXE") not in _SUDO or len(message) > _LONGEST:
        return None
    user, _, told = message.strip().partition(" : ")
    before, _, command = told.partition("COMMAND=")
    is_plain = not before or (before.startswith(_TOLD_BEFORE) and before.endswith(" ; "))
    # Who the user is, a name service may have to tell. So that is asked last.
    if not is_plain or not (patterns := _ended_by(command)) or not _is_of(fields.get("_UID", ""), user := user.strip()):
        return None
    return Claim(Culprit(time_usec, shortened(user), None, None, shortened(command)), patterns)


def _is_of(uid: str, user: str) -> bool:
    """Whether a line of sudo's is by root or by the user whom it names: others may make a program look like sudo."""
    owner = number(uid)
    return owner == 0 or (owner is not None and user_name(owner) == user)


def _ended_by(command: str) -> tuple[str, ...]:
    """The units that a command line, as sudo writes it, has systemctl end, as patterns; none if it is another one."""
    try:
        program, *words = shlex.split(command)
    except ValueError:
        return ()
    if program.rpartition("/")[2] != "systemctl" or len(words) > _MOST_WORDS:
        return ()
    if any(word.startswith(_ELSEWHERE) for word in words):
        return ()
    verbs = _VERBS | _VERBS_WITH_NOW if "--now" in words else _VERBS
    verb, *units = [word for word in words if not word.startswith("-")] or [""]
    if verb not in verbs or (verb == "kill" and not _is_deadly(words)):
        return ()
    return (*units, *(f"{unit}.service" for unit in units))


def _is_deadly(words: Sequence[str]) -> bool:
    """Whether `systemctl kill` with these words sends a signal that ends a process; by itself it sends SIGTERM."""
    signals = [word.partition("=")[2] for word in words if word.startswith("--signal=")]
    signals += [word[2:] or after for word, after in pairwise([*words, ""]) if word.startswith("-s")]
    return all(signal.upper().removeprefix("SIG") in _SIGNALS for signal in signals)
