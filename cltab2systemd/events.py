"""What the daemon says to its log: each kind of line with its text, its priority, its MESSAGE_ID and its fields.

A line is said by a call, such as `events.REQUESTED(group="web", level="3")`. `packaging/clinit.catalog` explains each
kind to a reader of `journalctl -x`. What is of use only to us is logged at priority debug, and is no kind of its own.
"""

from __future__ import annotations

import enum
import logging
import secrets
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from typing import Unpack

log = logging.getLogger(__name__)


class By(enum.StrEnum):
    """On whose account a group moves."""

    CLIENT = "client"  # somebody has asked for it
    BOOT = "boot"  # the machine boots, and the group has a boot level
    RESUMED = "resumed"  # an earlier daemon has not finished it
    TABLE = "table"  # the group has left the table
    HALT = "halt"  # all groups are halted
    TRIAL = "trial"  # its trial was not confirmed, and it goes back


@dataclass(frozen=True, slots=True)
class Asker:
    """Who has asked for something: on whose account, and the process, if one has asked over the socket.

    `command` is the command line of the process, as one printable line. It is empty if it is not known any more.
    `user` is the name of the user. It is empty if nobody has asked for it.
    """

    by: By = By.CLIENT
    uid: int | None = None
    pid: int | None = None
    command: str = ""
    user: str = ""


class Values(TypedDict, total=False):
    """What a line tells: its fields, and words for its text. What is None or empty is left out of the fields."""

    group: str
    level: str
    origin: str | None  # the level that the group comes from
    state: str
    entry: str  # a tag
    mode: str
    unit: str
    reason: str  # a code: of `Cause`, `Refusal` or `Supersession`, or one of those below
    action: str  # what is done to entries: of `core.entryrequest.Action`
    request: str  # what `new_request` gave
    duration: int | None  # of a request, in µs
    asker: Asker | None
    stopped_by: str  # the user who has stopped an entry by hand
    stopped_with: str  # with which command
    why: object  # words only
    path: object  # likewise


# CLINIT_REASON of what is refused before there is a request.
NO_SUCH_GROUP = "no-such-group"
TABLE_REFUSED = "table-refused"
NOT_PERMITTED = "not-permitted"

# The field of each value. clinit(8) says what they mean.
FIELDS = {
    "group": "CLINIT_GROUP",
    "level": "CLINIT_LEVEL",
    "origin": "CLINIT_FROM",
    "state": "CLINIT_STATE",
    "entry": "CLINIT_ENTRY",
    "mode": "CLINIT_MODE",
    "unit": "CLINIT_UNIT",
    "reason": "CLINIT_REASON",
    "action": "CLINIT_ACTION",
    "request": "CLINIT_REQUEST",
    "duration": "CLINIT_DURATION_USEC",
    "stopped_by": "CLINIT_STOPPED_BY",
    "stopped_with": "CLINIT_STOPPED_WITH",
}
ASKER_FIELDS = {
    "by": "CLINIT_ASKED_BY",
    "uid": "CLINIT_ASKED_UID",
    "pid": "CLINIT_ASKED_PID",
    "command": "CLINIT_ASKED_COMMAND",
}
INSTANCE_FIELD = "CLINIT_INSTANCE"
# What else it is about: journald shows the line among those of this unit as well.
OBJECT_FIELD = "OBJECT_SYSTEMD_UNIT"


@dataclass(frozen=True, slots=True)
class Event:
    """A kind of line.

    Args:
        message_id: its MESSAGE_ID. It never changes its meaning, and is never used again for another.
        level: its priority, as `logging` has it.
        words: its text, with names of values in braces.
    """

    message_id: str
    level: int
    words: str

    def __call__(self, *, trace: bool = False, **values: Unpack[Values]) -> None:
        """Say a line; with `trace`, the exception that is being handled as well."""
        if log.isEnabledFor(self.level):
            log.handle(self.record(trace=trace, **values))

    def record(self, *, trace: bool = False, **values: Unpack[Values]) -> logging.LogRecord:
        """A line that is to be said. Its `fields` are pairs of names and values."""
        text, traced = self.words.format_map(values), sys.exc_info() if trace else None
        return log.makeRecord(
            log.name, self.level, __file__, 0, "%s", (text,), traced, extra={"fields": self._fields(values)}
        )

    def _fields(self, values: Values) -> tuple[tuple[str, str], ...]:
        """The fields of a line, in the order of `FIELDS`."""
        asker = values.get("asker")
        pairs: list[tuple[str, object]] = [("MESSAGE_ID", self.message_id)]
        pairs += [(field, values.get(name)) for name, field in FIELDS.items()]
        pairs += [(field, getattr(asker, name, None)) for name, field in ASKER_FIELDS.items()]
        pairs.append((OBJECT_FIELD, values.get("unit")))
        return tuple((field, str(value)) for field, value in pairs if value is not None and value != "")


def new_request() -> str:
    """What a request is known by in all of its lines: 16 digits at random, the same ones nowhere else."""
    return secrets.token_hex(8)


_INFO, _WARNING, _ERROR = logging.INFO, logging.WARNING, logging.ERROR

# A request begins.
REQUESTED = Event("7252e3b875c98790b30b7bbac047b472", _INFO, "{group}: going to level {level}")
RESUMED = Event("609702ac3941902557dd5807ef9da895", _INFO, "{group}: going on {why}")
RETIRED = Event("fb91965e3b025f2a3d3e9c519f0f0d7c", _INFO, "{group}: left the table, stopping")
HALTING = Event("82c98b2370ba64facec3d2fc0638ef14", _INFO, "{group}: halting")
TAKEN_BACK = Event("7cfdc94ce0b97efd301848da3a067ba6", _WARNING, "{group}: its trial was not confirmed; going back")

# A request ends. The first two also tell of a group that has changed by itself, or by hand; then there is no request.
DONE = Event("9ebca8759fc5e5aec65a0b1bb4e54eaf", _INFO, "{group}: level {level} {state}")
FAILED = Event("cd3061ca9ad653cc7d188f45403b9bb7", _ERROR, "{group}: level {level} {state}")
STOPPED = Event("9016071d73c567ac9252ff99701e04f8", _INFO, "{group}: stopped")
SUPERSEDED = Event("40e17da797e18d83edb5e40aa74be651", _INFO, "{group}: did not reach level {level}: {why}")
REFUSED = Event("1726bb7e6fec3f6471f9c185304c9c17", _ERROR, "{group}: {why}")
# A request is refused before anything is begun. So it has this line only.
REJECTED = Event("87c4f402151ec1662e8cc910da69271f", _WARNING, "{group}: level {level} is refused: {why}")

# A level is on trial: a request has begun that is taken back, unless somebody confirms it in time.
ON_TRIAL = Event("a3319d6376d7c45ae70e7c7d386114f9", _INFO, "{group}: level {level} is on trial {why}")
TRIAL_KEPT = Event("c11d71272216591531db508fd14a9afc", _INFO, "{group}: level {level} is kept: its trial is confirmed")
TRIAL_ENDED = Event("f7b37024db2ea4e1e60b56d200c116a3", _INFO, "{group}: the trial of level {level} has ended: {why}")
TRIAL_FAILED = Event("e0180bbe47b5cd52aedf1324148442dc", _ERROR, "{group}: it cannot go back after its trial: {why}")
TRIAL_WITHOUT = Event(
    "bbfbe42fd358dc1be424ff15c5b255f3",
    _WARNING,
    "{group}: goes back without some entries that it had, for they are another group's by now: {why}",
)
TRIAL_REMAINS = Event(
    "eb99458530eefcf5e0800ee2bbb5a4e0", _WARNING, "{group}: the note of its trial remains for now: {why}"
)
NO_TRIAL_TIMER = Event(
    "f67374b638bff01a82ae37b386d9f978", _WARNING, "{group}: nothing starts the daemon at the end of the trial: {why}"
)

# Somebody does something to single entries. Each has a line when that begins, and one when it ends.
RESTARTED_BY_HAND = Event("8b355b08d6d26d862bd233a7c933a7df", _INFO, "{group}: restarting {entry}, as asked for")
STOPPED_BY_HAND = Event("9488119a630b056806eb2a6ac65b7f61", _INFO, "{group}: stopping {entry}, as asked for")
ACTION_ENDED = Event(
    "12bb77f2d3cd80cc282032e239e9638c", _INFO, "{group}: {action} of {entry} has ended: level {level} {state}"
)
ACTION_SUPERSEDED = Event("1aa603318594e29c231d6cf3f6caa92a", _INFO, "{group}: {action} of {entry} was given up: {why}")
# Also before anything is begun. Then an entry has this line only.
ACTION_REFUSED = Event("fa24870339dd9d6e7d68a45f3afbb3ea", _WARNING, "{group}: {action} of {entry} is refused: {why}")

# Why a group is not well.
NOT_WELL = Event("e9980d00307783c68538cdf35e841bd2", _ERROR, "{why}")
REMARK = Event("05539b76d5e8613e108298a994aa4425", _WARNING, "{why}")
RESTARTED_UNHEALTHY = Event(
    "4d76e1cdf7f84b77423e3aeb7128811f", _WARNING, "{group}: {entry} is unhealthy, and is restarted: {why}"
)
WELL_AGAIN = Event("2e47f73dcaface67e668051729eb5242", _INFO, "{group}: {entry} is well again, says its health check")
KILLED = Event(
    "2420676ed620e03bb9365a6f74c145ba", _WARNING, "{group}: processes of {entry} did not end in time, and were killed"
)
OUTLIVED = Event(
    "310534f034881431c60395a4ac167419", _ERROR,
    "{group}: processes have outlived SIGKILL, see 'systemctl status {unit}'",
)  # fmt: skip
NOT_TRIED = Event("5c9f714de4eda947833328b1a528241d", _WARNING, "{unit} cannot be tried again now: {why}")

# Groups and the table.
LEFT_TO_CLUSTER = Event(
    "91f37e908ab77870e0179f9511723fc5", _WARNING,
    "{group}: left the table; it stays until the cluster that started it stops it",
)  # fmt: skip
REFUSED_TABLE = Event("80a1f78557bcd202c7fd533a05676514", _ERROR, "{why}")
ACCEPTED_TABLE = Event("fb7a929901b0b477433007cd00c39552", _INFO, "{path} is accepted again")
OLD_LINES = Event(
    "87e2624bcb19becc4e56db88cdc1af4f", _WARNING, "applied by another version, and refused by this one: {why}"
)
NO_COPY = Event(
    "26200ae55b504a19dcbffffb60af1e74", _WARNING, "cannot keep a copy of the table, for a boot with a bad one: {why}"
)
LATE_COPY = Event(
    "1de60bed5ed5c5fd4546bdbf9191caf0", _WARNING,
    "the copy of the table, for a boot with a bad one, is not on disk yet; going on without",
)  # fmt: skip
NOT_KEPT = Event("2997188d48b523f3a47e5bd61afc70a4", _WARNING, "cannot keep the table for a rollback: {why}")
UNITS_REMAIN = Event("a8509aa7accf68307ae9dc606f4720f4", _ERROR, "{group}: its units cannot be removed now: {why}")
LIMITS_LATE = Event("d2cf56c0393d73ae04f091c752c9632b", _WARNING, "limits of {group} may not be in force yet: {why}")
MARK_REMAINS = Event(
    "baf256b4e25edfc7f798248727ac362b", _WARNING, "{group}: the mark of a switch that has begun remains for now: {why}"
)
HELD_REMAINS = Event("ecb4583c189628744404fa733ca14661", _WARNING, "{group}: what was held stays so for now: {why}")

# All groups are halted.
HALT_BEGINS = Event("6e235ea92693a5890b7c7a37a7195a5c", _INFO, "halting all groups")
HALT_ENDED = Event("88c146e8d25c51c71bf46d357d382b89", _INFO, "all groups are halted")
HALT_FAILED = Event("aa185ab53da016d34a491cc4770ffcff", _ERROR, "not all groups can be halted: {why}")

# What a unit of the administrator's is told.
NOT_NOTIFIED = Event(
    "4a35193740ea5eaec73863362b2be52f", _WARNING, "{group}: the unit that tells of it cannot be started: {why}"
)

# The daemon and its files.
SERVING = Event("ac04ab4957af83615310207c4bc4c385", _INFO, "{why}")
FAULT = Event("dd3a4688e95d9cf95e59c61c3e76f07b", _ERROR, "a fault of the daemon, {why}")
SLOW_END = Event("843bf1385a264367b2800166d8aa54b9", _WARNING, "the end waits for {why}; ending without")
NO_CLSTAT = Event("eec4f2b6ef8e24131bf753002efd0eb8", _ERROR, "cannot write clstat: {why}; trying again until it works")
CLSTAT_AGAIN = Event("3aaa1c124d5209befe051a8a176fe5ce", _INFO, "clstat is written again")
NO_LOG = Event("17203847f83f7a8b7065b5ae07176f19", _ERROR, "cannot log to {path}, which the table names: {why}")
LINES_LOST = Event(
    "9128438c7eee1dfe06356781b3db94e2", _WARNING, "{why} log lines were lost: they could not be written in time"
)
NOT_LISTENING = Event(
    "5e3ade14c82d2284ce7cac4f2392b5ac", _ERROR, "cannot listen at {path}, which the table names: {why}"
)
NOT_PUBLISHING = Event("54d586b2ae4e45c480430abccc749732", _WARNING, "cannot start or stop {unit}: {why}")
SOCKET_REMAINS = Event("92341204218c8def1e93def309f9490e", _WARNING, "cannot remove the socket: {why}")
SOCKET_LISTENS = Event(
    "f83e38e06d78e62081795a05dd3bce7e", _ERROR,
    "cannot stop {unit}, and the next request starts the daemon again: {why}",
)  # fmt: skip

# Clients.
DENIED = Event("237f1a3b6752c78abd4a9eaac87fa6d4", _WARNING, "refused {why}")
UNKNOWN_CLIENT = Event("09f4b399b246b91056ad98a94467eb7d", _WARNING, "a client that nobody knows: {why}")
BAD_CLIENT = Event("9eba27f6f193237c6fa9daacaf072040", _INFO, "client with {why}")
TOO_MANY_CLIENTS = Event("19532969a8c6a0c520306c67db2f5d11", _WARNING, "{why}")

# systemd.
SYSTEMD_LOST = Event("8c58bb9ed9d056e1b5718abd9808fb4b", _INFO, "connection to systemd lost ({why}); connecting again")
SYSTEMD_AWAY = Event("181871befdbb15ce83c083a66309a309", _WARNING, "cannot reach systemd: {why}; trying until it works")
SYSTEMD_BACK = Event("68e8f6ba0c5a39c34d29fcac1f63b513", _INFO, "systemd can be reached again")
SYSTEMD_SILENT = Event("ceccf41e74997d7d447e1cf72e8ad099", _WARNING, "cannot ask systemd for the state of units: {why}")
LONG_RELOAD = Event(
    "2456fa2a0c09e50c0eb715d55be69739", _WARNING,
    "systemd began to reload {why} s ago, and has not said that it has ended",
)  # fmt: skip

# All kinds by their names; and the names by their MESSAGE_IDs.
EVENTS = {name: value for name, value in list(globals().items()) if isinstance(value, Event)}
KINDS = {event.message_id: name for name, event in EVENTS.items()}
