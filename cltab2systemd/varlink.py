"""Varlink (https://varlink.org): the messages on the control socket, and the interface that they belong to.

A message is a JSON object and a NUL. The client's plain request, the plain answer to it and the question how groups are
are texts here, so that the client need not import `json` before it asks: that costs more CPU time than starting the
interpreter.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

INTERFACE = "org.clinit.Manager"
SERVICE = "org.varlink.service"

# Bytes that the daemon takes, with the NUL.
LARGEST_REQUEST = 64 * 1024

STARTED = "level transition started"
PREPARING = "level transition being prepared"  # only with progress
STARTED_REPLY = b'{"parameters":{"message":"' + STARTED.encode() + b'"}}'

DESCRIPTION = """\
# Moves resource groups of /etc/cltab to runlevels, on one node.
interface org.clinit.Manager

# How a main process ended: kind is exited, killed or dumped, or none if it was never started; the exit status or the
# signal's number; the signal's name; what systemd calls it; and when, in µs since 1970.
type Ending (kind: string, status: int, signal: ?string, result: string, at_usec: ?int)

# Who has stopped an entry by hand, or had it killed: by name, or else the number; the process; its command, if that
# is known; and when, in µs since 1970.
type Culprit (user: string, uid: ?int, pid: ?int, command: string, time_usec: int)

# What is wrong with a group: a code, the unit, the tag, mode and command of the entry if it is about one; what is wrong
# in words, and the same as a whole line for a person; since when (in µs since 1970); how its process ended; who has
# done that by hand, if somebody has, and it is known; the id of that run, by which the journal has its lines
# (_SYSTEMD_INVOCATION_ID=); what to do. One that is no failure is only worth a look, and does not make the group
# FAILED.
type Reason (
  code: string, failure: bool, unit: string, tag: ?string, mode: ?string, words: string, text: string,
  command: ?string, since_usec: ?int, ending: ?Ending, by: ?Culprit, invocation: ?string, cure: ?string
)

# A group that was ever told a level: CONFIGURED, STOPPING, STARTING, DONE, PASSED, FAILED or HALTING.
# The progress is there if it is asked for, and the group is on its way.
type GroupStatus (group: string, level: string, state: string, reasons: []Reason, progress: ?Progress)

# An entry that is waited for. What it does is "queued", "starting", "stopping" or "checking" (its preflight runs, and
# "unit" is the service that runs it). "elapsed_usec" is for how long it has
# done so, or has been in this stage of its stop, when the reply is made; "limit_usec" is for how long it may. While it
# is stopping: the signal that was sent last, and the one that is sent at the limit. "says" is STATUS= of sd_notify(3).
type Awaited (
  tag: string, mode: string, unit: string, doing: string, elapsed_usec: ?int, limit_usec: ?int, signal: ?string,
  next_signal: ?string, says: ?string, ready_of: ?string
)

# How far a group has come from one level to another. The phase is "checking", "waiting", "stopping", "loading",
# "starting", "restarting" (single entries, at the same level) or "settling". "done" and "total" count entries in this
# phase; a total of 0 says nothing. "waiting" is how many are waited for; "awaited" has the first of these. Without an
# origin it was at no level, or nobody knows; without a level it goes to none.
type Progress (
  group: string, origin: ?string, level: ?string, phase: string, done: int, total: int, waiting: int,
  awaited: []Awaited
)

# How far a halt has come, or an update of all groups: how many of the groups have come to its end, of how many, and how
# far the first of the others have come.
type HaltProgress (done: int, total: int, groups: []Progress)

# The table: its path; why the file that was read last was refused; whether the file has changed and not been read; and
# the digest of the one in force. A digest is the first 16 hexadecimal digits of SHA-256.
type TableFile (path: string, refusal: ?string, unread: bool, digest: ?string)

# How often requests for a group have ended so, since the daemon's start; and how long the last one took whose group
# came to the end of its way, and was neither refused nor superseded. "stopped" are those that stopped it for good.
type Transitions (
  done: int, passed: int, failed: int, stopped: int, refused: int, superseded: int, last_usec: ?int
)

# A level on trial: where the group goes back to, or nowhere if it is stopped again, and when (in µs since 1970).
type Trial (level: string, back: ?string, until_usec: int)

# A group with its entries: its level, or none; its state as in GroupStatus, and since when (in µs since 1970); its
# health: well, degraded (something is worth a look), failed, moving or at-rest; how far it has come, if it is on its
# way; the level to which it comes at boot; the levels that it declares, in which nothing runs; whether the table has
# it; the digest of the lines that its units were made from, the same on every node that has the same lines; the tags of
# entries that change at its next request; its trial, if it is on one; how its requests have ended.
type Group (
  group: string, level: ?string, state: string, since_usec: ?int, health: string, progress: ?Progress,
  boot_level: ?string, declared: []string, in_table: bool, digest: ?string, pending: []string, trial: ?Trial,
  transitions: ?Transitions, reasons: []Reason, entries: []Entry
)

# An entry: its line; how it is, as clinitctl(8) has it; whether the level has it; its unit, as systemd has it, and
# since when; its main process; how often systemd has restarted it; how its last main process ended, and how the one
# before the one that runs; what it uses, as far as systemd has the kernel count it; and what it says of itself, with
# Type=notify: STATUS= of sd_notify(3).
type Entry (
  tag: string, levels: string, mode: string, command: string, state: string, in_level: bool, unit: string,
  load: ?string, active: ?string, sub: ?string, since_usec: ?int, pid: ?int, restarts: int, healthy: ?bool,
  ending: ?Ending, previous_ending: ?Ending, memory_bytes: ?int, cpu_usec: ?int, tasks: ?int, ready_of: ?string,
  says: ?string
)

# What is done to an entry: start, stop, restart, or rerun (of one that has ended badly).
type Change (tag: string, effect: string)

# What an update does to a group, at a level, or without one to a group that has left the table and is stopped; and how
# it has ended: with a status, or with an error, its code and its output, as those of Switch.
type Update (
  group: string, level: ?string, changes: []Change, status: ?GroupStatus, error: ?string, code: ?string,
  output: ?[]string
)

# A finding about the table: what, how bad (error, warning), where (from 1), and the finding as a person reads it.
type Finding (code: string, severity: string, path: string, line: int, column: int, message: string, text: string)

# Move one group to one level. Replies when the transition has started; with "more", a second reply tells the end. With
# "strict", a level that no entry names is refused; with "known", one that the group does not declare either. The notes
# say what else whoever asks should know. With "progress" and "more", there are also replies with progress, at each
# change: before the first of these two, and between them.
method Switch(group: string, level: string, strict: ?bool, known: ?bool, progress: ?bool) -> (
  message: string, notes: ?[]string, status: ?GroupStatus, progress: ?Progress
)

# The same on trial: the group goes back to where it was so many µs from now, with the lines that it had, unless "Keep"
# comes in time. It does so whatever becomes of the client and of the daemon, also while it is on its way, or FAILED. A
# later request that is not refused ends the trial. µs in which the machine sleeps do not count.
method Try(group: string, level: string, usec: int, strict: ?bool, known: ?bool, progress: ?bool) -> (
  message: string, notes: ?[]string, status: ?GroupStatus, progress: ?Progress
)

# Confirm the trial of a group: it stays. Refused with "no-trial" if it is over.
method Keep(group: string) -> (message: string)

# Do something to single entries of a group that is at its level: the action is "restart" or "stop". Replies when this
# has begun; with "more", a second reply tells how the group is then. Entries are stopped all at once. They are
# restarted one after the other in the order of the table, a wait or test up to its end. A request for the group takes
# over. The notes say of a restarted entry that the table has it another way by now. With "progress" and "more", there
# are replies with progress between these two, at each change.
method Entries(group: string, action: string, tags: []string, progress: ?bool) -> (
  message: string, notes: ?[]string, status: ?GroupStatus, progress: ?Progress
)

# Read the table again.
method Reread() -> (notes: ?[]string)

# Read the table again, and have each group that runs with other lines than the table's take these, at the level where
# it is, or to which it is on its way. Groups that have left the table are stopped. Replies when that has begun, with
# what is done to the entries of each such group, or why that is refused. A group that is on its way with these lines
# already is told as well, without changes. With "more", the last reply tells how it has ended for each. With "progress"
# and "more", there are also replies with "progress" between these two, at each change, and with groups that have ended
# since. The first reply and the last one have as "failed" the groups that are FAILED and have no update, or one that
# was refused. Without it there are none, or the daemon is of an older version.
method Apply(progress: ?bool) -> (
  message: string, groups: []Update, notes: ?[]string, failed: ?[]GroupStatus, progress: ?HaltProgress
)

# Stop all groups, then the daemon. Replies at once; with "more", a second reply tells the end. With "progress" and
# "more", there are also replies with "halt" between these two, at each change.
method Halt(progress: ?bool) -> (message: string, halt: ?HaltProgress)

# The groups and their levels. With "more", again at every change. With "progress", also how far they have come.
method Status(group: ?string, level: ?string, progress: ?bool) -> (groups: []GroupStatus)

# The daemon, its table, and the groups that are named, or all, with their entries. With "more", again when their status
# has changed, at most five times a second.
method Describe(groups: ?[]string) -> (version: string, pid: int, table: TableFile, groups: []Group)

error NoSuchGroup (message: string, group: string, hint: ?string)
error TableRefused (message: string, findings: []Finding)

# Beside each text for a person is a code for programs, which stays what it is. clinit(8) has all of them. The output is
# the last lines of a command that has the switch refused.
error SwitchRefused (message: string, code: string, output: ?[]string)
error Superseded (message: string, code: string)

# Only root and members of group clinit may change anything; everybody who can connect may read the status.
error NotPermitted (message: string)
error TooManyConnections (message: string)
"""

SERVICE_DESCRIPTION = """\
# What every varlink service offers.
interface org.varlink.service

method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)

method GetInterfaceDescription(interface: string) -> (description: string)

error InterfaceNotFound (interface: string)
error MethodNotFound (method: string)
error MethodNotImplemented (method: string)
error InvalidParameter (parameter: string)
error PermissionDenied ()
error ExpectedMore ()
"""


class ProtocolError(Exception):
    """A message that is not varlink's; the text says what is wrong with it."""


def encode(message: dict[str, object]) -> bytes:
    """A message with its terminating NUL."""
    import json  # noqa: PLC0415

    return json.dumps(message, separators=(",", ":")).encode() + b"\0"


def decode(message: bytes) -> dict[str, object]:
    """A message without its NUL, as received; ProtocolError if it is not a JSON object."""
    import json  # noqa: PLC0415

    try:
        value = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not a JSON message: {error}") from error
    if not isinstance(value, dict):
        raise ProtocolError("a message is a JSON object")
    return value


def decode_reply(message: bytes) -> dict[str, object]:
    """`decode`; for the plain answer to a plain request, without importing `json`."""
    return {"parameters": {"message": STARTED}} if message == STARTED_REPLY else decode(message)


def call(method: str, parameters: dict[str, object], *, more: bool = False) -> bytes:
    """A call of a method of our interface, with its terminating NUL."""
    message: dict[str, object] = {"method": f"{INTERFACE}.{method}", "parameters": parameters}
    if more:
        message["more"] = True
    return encode(message)


def switch_call(group: str, level: str, *, strict: bool = False, known: bool = False) -> bytes:
    """`call("Switch", …)`; for names that JSON writes as they are, without importing it."""
    wish = "strict" if strict else "known" if known else ""
    if _is_plain(group) and _is_plain(level):
        told = f',"{wish}":true' if wish else ""
        return (
            f'{{"method":"{INTERFACE}.Switch","parameters":{{"group":"{group}","level":"{level}"{told}}}}}\0'.encode()
        )
    return call("Switch", {"group": group, "level": level} | ({wish: True} if wish else {}))


def try_call(group: str, level: str, seconds: float, *, strict: bool = False, known: bool = False) -> bytes:
    """`call("Try", …)`. A daemon that knows no trials refuses it, where it would take a `Switch` for one for good."""
    wishes = {"strict": True} if strict else {"known": True} if known else {}
    return call("Try", {"group": group, "level": level, "usec": int(seconds * 1_000_000), **wishes})


def describe_call(groups: Sequence[str]) -> bytes:
    """`call("Describe", …)` for some groups or, if there are none, for all; likewise."""
    if not all(map(_is_plain, groups)):
        return call("Describe", {"groups": [*groups]})
    names = ",".join(f'"{group}"' for group in groups)
    parameters = f'{{"groups":[{names}]}}' if groups else "{}"
    return f'{{"method":"{INTERFACE}.Describe","parameters":{parameters}}}\0'.encode()


def _is_plain(name: str) -> bool:
    """Whether JSON writes a name as it is."""
    return name.isascii() and (name.isalnum() or not name)
