"""Who has stopped an entry by hand, as far as the journal knows: through the daemon, or with sudo."""

from __future__ import annotations

import fnmatch
import re
import shlex
from typing import TYPE_CHECKING

from cltab2systemd import journalctl
from cltab2systemd.events import RESTARTED_BY_HAND, STOPPED_BY_HAND
from cltab2systemd.groups.culprit import Culprit
from cltab2systemd.systemd.inthread import in_thread
from cltab2systemd.systemd.users import user_name
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cltab2systemd.groups.culprit import Run

# A stop takes until its last signal; and how exact times are. µs.
_BEFORE = 120_000_000
_AFTER = 2_000_000
# Seconds for journald to store what it has been given, and for the journal to be read.
_STORE = 1.0
_SECONDS = 2.0
_MOST_BYTES = 4 * 1024 * 1024
_BY_DAEMON = {event.message_id for event in (STOPPED_BY_HAND, RESTARTED_BY_HAND)}
_FIELDS = (
    "MESSAGE", "MESSAGE_ID", "_EXE", "CLINIT_UNIT", "CLINIT_ASKED_UID", "CLINIT_ASKED_PID", "CLINIT_ASKED_COMMAND",
)  # fmt: skip
_SUDO = {f"{directory}/{name}" for directory in ("/usr/bin", "/bin", "/usr/local/bin") for name in ("sudo", "sudo-rs")}
# If somebody was refused, there is the reason first: `alice : command not allowed ; TTY=…`.
_SUDO_LINE = re.compile(
    r"\s*(?P<user>\S+)\s+: (?:(?:HOST|TTY|CHROOT|PWD|USER|GROUP|TSID|ENV)=.*? ; )*?COMMAND=(?P<command>.*)", re.DOTALL
)
# Commands of systemctl that end a unit; and those that do so with `--now`.
_VERBS = {"stop", "kill", "isolate", "restart", "try-restart"}
_VERBS_WITH_NOW = {"disable", "mask"}


async def search(runs: Sequence[Run]) -> Mapping[str, Culprit]:
    """`culprits`, in a thread, after journald has stored what it has; nobody, if the journal cannot be read."""

    def work() -> Mapping[str, Culprit]:
        journalctl.store(_STORE)
        return culprits(runs, _SECONDS)

    try:
        return await in_thread(work)
    except (OSError, RuntimeError):
        return {}


def culprits(runs: Sequence[Run], seconds: float) -> Mapping[str, Culprit]:
    """Who was the last to ask for the end of each run, during it and shortly before its end, by unit.

    Args:
        runs: at least one.
        seconds: that it may take.
    """
    begin, end = min(map(_first, runs)), max(map(_last, runs))
    arguments = [
        f"--since=@{begin / 1e6:.6f}", f"--until=@{end / 1e6:.6f}", f"--output-fields={','.join(_FIELDS)}",
        "_UID=0", *(f"MESSAGE_ID={each}" for each in sorted(_BY_DAEMON)), "+", "_COMM=sudo", "+", "_COMM=sudo-rs",
    ]  # fmt: skip
    found: dict[str, Culprit] = {}
    for record in journalctl.Records(arguments, seconds, _MOST_BYTES):
        fields = {decoded(name): decoded(value) for name, value in record.items()}
        time = int(fields.get("__REALTIME_TIMESTAMP", "0"))
        for run in runs:
            if _first(run) <= time <= _last(run) and (one := read(fields, run.unit, run.group_slice)):
                found[run.unit] = one
    return found


def _first(run: Run) -> int:
    return max(run.began, run.ended - _BEFORE)


def _last(run: Run) -> int:
    return run.ended + _AFTER


def read(fields: Mapping[str, str], unit: str, group_slice: str) -> Culprit | None:
    """Who asks for the end of a unit in a line of the journal; None if it tells of nobody who does."""
    time = int(fields.get("__REALTIME_TIMESTAMP", "0"))
    if fields.get("MESSAGE_ID") in _BY_DAEMON:
        uid, pid = (_number(fields.get(f"CLINIT_ASKED_{name}", "")) for name in ("UID", "PID"))
        if uid is None or fields.get("CLINIT_UNIT") != unit:
            return None
        return Culprit(time, user_name(uid), uid, pid, fields.get("CLINIT_ASKED_COMMAND", ""))
    line = _SUDO_LINE.fullmatch(fields.get("MESSAGE", ""))
    if line is None or fields.get("_EXE") not in _SUDO or not _ends(line["command"], unit, group_slice):
        return None
    return Culprit(time, line["user"], None, None, line["command"])


def _ends(command: str, unit: str, group_slice: str) -> bool:
    """Whether a command line, as sudo writes it, has systemctl end a unit."""
    try:
        program, *words = shlex.split(command)
    except ValueError:
        return False
    verbs = _VERBS | _VERBS_WITH_NOW if "--now" in words else _VERBS
    words = [word for word in words if not word.startswith("-")]
    if program.rpartition("/")[2] != "systemctl" or not words or words[0] not in verbs:
        return False
    patterns = [*words[1:], *(f"{word}.service" for word in words[1:])]
    return any(fnmatch.fnmatchcase(each, pattern) for each in (unit, group_slice) for pattern in patterns)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
