"""Who has stopped an entry by hand, as far as the journal knows: through the daemon, or with sudo."""

from __future__ import annotations

import fnmatch
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd import journalctl
from cltab2systemd.events import RESTARTED_BY_HAND, STOPPED_BY_HAND
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Mapping

# A stop takes until its last signal. Seconds; and how exact times are.
_BEFORE = 120
_AFTER = 2
_MOST_BYTES = 4 * 1024 * 1024
_BY_DAEMON = {event.message_id for event in (STOPPED_BY_HAND, RESTARTED_BY_HAND)}
_FIELDS = (
    "MESSAGE", "MESSAGE_ID", "_EXE", "CLINIT_ASKED_UID", "CLINIT_ASKED_PID", "CLINIT_ASKED_COMMAND",
)  # fmt: skip
_SUDO = {f"{directory}/{name}" for directory in ("/usr/bin", "/bin", "/usr/local/bin") for name in ("sudo", "sudo-rs")}
# If somebody was refused, there is the reason first: `alice : command not allowed ; TTY=…`.
_SUDO_LINE = re.compile(
    r"\s*(?P<user>\S+)\s+: (?:(?:HOST|TTY|CHROOT|PWD|USER|GROUP|TSID|ENV)=.*? ; )*?COMMAND=(?P<command>.*)", re.DOTALL
)
# Commands of systemctl that end a unit, or keep it from running; and those that do so with `--now`.
_VERBS = {"stop", "kill", "mask", "isolate", "restart", "try-restart"}
_VERBS_WITH_NOW = {"disable"}


@dataclass(frozen=True, slots=True)
class Culprit:
    """Who has asked for it.

    Attributes:
        time: µs since 1970.
        user: by name, as sudo writes it; empty if only the number is known.
        uid: of a client of the daemon; None if it is not known.
        pid: likewise.
        command: what was called.
    """

    time: int
    user: str
    uid: int | None
    pid: int | None
    command: str


def culprit(unit: str, group_slice: str, since: int, seconds: float) -> Culprit | None:
    """Who was the last to ask for the end of a unit, shortly before that; None if nobody knows.

    Args:
        unit: an entry's.
        group_slice: the slice that it is in.
        since: when it ended, in µs since 1970.
        seconds: that it may take.
    """
    begin, end = since / 1e6 - _BEFORE, since / 1e6 + _AFTER
    of_daemon = [f"MESSAGE_ID={each}" for each in sorted(_BY_DAEMON)]
    arguments = [
        f"--since=@{begin:.6f}", f"--until=@{end:.6f}", f"--output-fields={','.join(_FIELDS)}",
        "_UID=0", f"CLINIT_UNIT={unit}", *of_daemon, "+", "_COMM=sudo", "+", "_COMM=sudo-rs",
    ]  # fmt: skip
    found = None
    for record in journalctl.Records(arguments, seconds, _MOST_BYTES):
        fields = {decoded(name): decoded(value) for name, value in record.items()}
        found = read(fields, unit, group_slice) or found
    return found


def read(fields: Mapping[str, str], unit: str, group_slice: str) -> Culprit | None:
    """Who asks for the end of a unit in a line of the journal; None if it tells of nobody who does."""
    time = int(fields.get("__REALTIME_TIMESTAMP", "0"))
    if fields.get("MESSAGE_ID") in _BY_DAEMON:
        uid, pid = (_number(fields.get(f"CLINIT_ASKED_{name}", "")) for name in ("UID", "PID"))
        command = fields.get("CLINIT_ASKED_COMMAND", "")
        return None if uid is None and not command else Culprit(time, "", uid, pid, command)
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
