"""One try of a probe, or of a command that asks in its place: whether it holds, and what was answered; bounded in time.

Each try is a process group of its own, also a probe: to look up a name, or to look into a directory of a dead server,
takes as long as it likes, and only SIGKILL ends that. Nothing of a try is left behind when it is over.

Imports nothing heavy: the prober is started for each entry that is asked about. `_socket` is what `socket` wraps, as in
`client.transport`.
"""

from __future__ import annotations

import errno
import os
import select
from _socket import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    IPPROTO_TCP,
    SO_LINGER,
    SOCK_CLOEXEC,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    SOL_SOCKET,
    getaddrinfo,
    socket,
)
from time import monotonic

from cltab2systemd import clstat
from cltab2systemd.probing import forms
from cltab2systemd.probing.contents import beginning
from cltab2systemd.text import decoded, encoded, escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cltab2systemd.probing.forms import Form

_THIS_MACHINE = ((AF_INET, "127.0.0.1"), (AF_INET6, "::1"))
_MOST_ADDRESSES = 8
# Close at once, and leave no port behind that waits.
_AT_ONCE = b"\1\0\0\0\0\0\0\0"
# Bytes that are kept of what a command writes, and that a pipe may have in it.
_LONGEST_OUTPUT = 4096
_PIPE = 65536
# Bytes that are read: of an answer, of a status line, of clstat.
_LONGEST_WORDS = 500
_LONGEST_LINE = 4096
_LONGEST_FILE = 4 * 1024 * 1024
# Seconds for what was killed to be gone.
_PATIENCE = 1.0
# SIGPIPE and SIGXFSZ, as numbers: to import signal takes as long as all else here.
_IGNORED = (13, 25)
_SIGKILL = 9
NO_ANSWER = "no answer within"
_SYSTEMCTL = "/usr/bin/systemctl"


class Answer:
    """What a try has come to.

    Attributes:
        holds: whether what was asked for is so.
        words: what was answered, for a person: `connection refused`, `exited with 2`, `no answer within 5 s`.
    """

    __slots__ = ("holds", "words")

    def __init__(self, holds: bool, words: str) -> None:
        self.holds, self.words = holds, words


class _Refused(Exception):  # noqa: N818 - no error: it is the answer
    """It does not hold, with the words for that."""


def ask(check: Sequence[str], limit: float, instance: str = "", *, onto: int = -1) -> Answer:
    """Try once whether something is so.

    Args:
        check: a probe of `forms`, one word; or the argument vector of a command, which holds if it exits with 0.
        limit: how long it may take, in seconds. Then all of it is killed, and it does not hold.
        instance: the state directory of the instance, for probes of groups: it says where its clstat is.
        onto: the descriptor that gets what a command writes as well; none if it is negative.

    Returns:
        The answer, a second after the limit at the latest. It does not hold either if nothing could be started. If it
        does not hold, the words end with the last line that a command has written.
    """
    reader, writer = os.pipe()
    try:
        pid = _start(check, limit, instance, writer)
    except (OSError, ValueError) as error:
        os.close(reader)
        return Answer(False, f"cannot be asked: {_worded(error)}")
    finally:
        os.close(writer)
    try:
        in_time, said = _ended(pid, limit, reader, onto)
        _kill(pid)  # also what it has left behind; it is not reaped yet, so no other group has its number
        if not in_time and not _ended(pid, _PATIENCE, reader, -1)[0]:
            return Answer(False, f"{NO_ANSWER} {limit:.3g} s, and it cannot be killed")
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(reader)
    ending = _ending(status) if in_time else f"{NO_ANSWER} {limit:.3g} s"
    holds = in_time and status == 0
    if is_probe(check):  # what it says is all; it may have said at the last moment that its time is over
        return Answer(holds, decoded(said) if said and in_time else ending)
    return Answer(holds, ending + ("" if holds else _last_line(said)))


def is_probe(check: Sequence[str]) -> bool:
    """Whether what is asked is a fixed probe, and not a command."""
    return len(check) == 1 and forms.is_probe(check[0])


def _ended(pid: int, limit: float, reader: int, onto: int) -> tuple[bool, bytes]:
    """Wait for a child, for some seconds; whether it has ended, and can be reaped, and the last that it has written.

    All that it writes is read, so that it does not wait for a reader.
    """
    deadline, said, descriptor = monotonic() + limit, b"", os.pidfd_open(pid)
    try:
        news = select.poll()
        news.register(descriptor, select.POLLIN)
        news.register(reader, select.POLLIN)
        while True:
            found = [number for number, _ in news.poll(max(0.0, deadline - monotonic()) * 1000)]
            if reader in found:
                block = os.read(reader, _PIPE)
                said = (said + block)[-_LONGEST_OUTPUT:]
                _pass_on(block, onto)
                if not block:  # nobody can write any more
                    news.unregister(reader)
            # What it wrote before it ended has been read; a process in the background may write on for ever.
            if descriptor in found or monotonic() >= deadline:
                return descriptor in found, said
    finally:
        os.close(descriptor)


def _pass_on(block: bytes, onto: int) -> None:
    try:
        while block and onto >= 0:
            block = block[os.write(onto, block) :]
    except OSError:  # nobody reads there any more
        pass


def _last_line(said: bytes) -> str:
    """The last line that is not blank, to stand behind other words; empty if there is none."""
    from cltab2systemd.terminal import printable  # noqa: PLC0415 - most tries need none

    lines = [line.strip() for line in decoded(said).splitlines() if line.strip()]
    return f": {printable(lines[-1])[:_LONGEST_WORDS]}" if lines else ""


def _kill(group: int) -> None:
    try:  # noqa: SIM105 - contextlib is slow to import
        os.killpg(group, _SIGKILL)
    except OSError:  # nobody is left, or it is another user's by now
        pass


def _ending(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"was killed by signal {os.WTERMSIG(status)}"
    return f"exited with {os.waitstatus_to_exitcode(status)}"


def _worded(error: Exception, limit: float = 0.0) -> str:
    """What is wrong, as words in the middle of a sentence; within how many seconds, if it is the time that was over."""
    if isinstance(error, TimeoutError) and not error.errno:  # the socket's own; the kernel's has a number
        return f"{NO_ANSWER} {limit:.3g} s"
    reason = str(getattr(error, "strerror", None) or "")
    return reason[:1].lower() + reason[1:] if reason else str(error) or type(error).__name__


def _start(check: Sequence[str], limit: float, instance: str, writer: int) -> int:
    """Start a try as the first of a process group of its own. OSError or ValueError if that cannot be."""
    if not is_probe(check):
        # Python itself ignores these signals.
        output = [(os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_DUP2, writer, 2)]
        return os.posix_spawn(check[0], [*check], os.environ, file_actions=output, setpgroup=0, setsigdef=_IGNORED)
    form = forms.form(check[0])
    pid = os.fork()
    if pid == 0:
        _be_probe(form, limit, instance, writer)
    try:  # noqa: SIM105
        os.setpgid(pid, pid)
    except OSError:  # it has ended, and has done so itself before
        pass
    return pid


def _be_probe(form: Form, limit: float, instance: str, writer: int) -> None:
    """Be the try of a probe, in the child: it writes what it was answered, and ends with 0 if that holds."""
    status = 1
    try:
        os.setpgid(0, 0)
        try:
            words, holds = _PROBES[form.scheme](form, limit, instance), True
        except (_Refused, OSError, ValueError) as error:  # ValueError: a host that can be no name
            words, holds = _worded(error, limit), False
        os.write(writer, encoded(words)[:_LONGEST_WORDS])
        status = 0 if holds else 1
    finally:
        os._exit(status)


def _tcp(form: Form, limit: float, _instance: str) -> str:
    _connected(form, limit).close()
    return f"port {form.port} accepts connections"


def _connected(form: Form, limit: float) -> socket:
    """A connection to a port: to the first address that accepts one. OSError of the last one if none does."""
    addresses = [*_addresses(form)][:_MOST_ADDRESSES]
    refusal = OSError(errno.EADDRNOTAVAIL, "the host has no address")
    for family, address in addresses:
        try:
            connection = socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP)
            connection.settimeout(limit / len(addresses))
            connection.connect(address)
        except OSError as error:
            refusal = error
            continue
        if connection.getsockname() != connection.getpeername():
            return connection
        # Nobody listens, and the kernel has chosen that very port for this end: TCP connects such a socket to itself.
        connection.setsockopt(SOL_SOCKET, SO_LINGER, _AT_ONCE)
        connection.close()
        refusal = OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    raise refusal


def _addresses(form: Form) -> Iterator[tuple[int, tuple[object, ...]]]:
    if not form.where:
        yield from ((family, (host, form.port)) for family, host in _THIS_MACHINE)
        return
    for family, _, _, _, address in getaddrinfo(form.where, form.port, 0, SOCK_STREAM):
        yield family, address


def _unix(form: Form, _limit: float, _instance: str) -> str:
    address = encoded(form.where)
    address = b"\0" + address[1:] if address.startswith(b"@") else address
    try:
        _connect_to_path(SOCK_STREAM, address)
    except OSError as error:
        if error.errno != errno.EPROTOTYPE:  # it is of another type
            raise
        _connect_to_path(SOCK_SEQPACKET, address)
    return "the socket accepts connections"


def _connect_to_path(kind: int, address: bytes) -> None:
    """Connect to a socket. Where its backlog is full, that waits for as long as the try may take."""
    connection = socket(AF_UNIX, kind | SOCK_CLOEXEC)
    connection.connect(address)
    connection.close()


def _http(form: Form, limit: float, _instance: str) -> str:
    connection = _connected(form, limit)
    host = f"[{form.where}]" if ":" in form.where else form.where
    target = "".join(chr(byte) if 0x20 < byte < 0x7F else f"%{byte:02X}" for byte in encoded(form.rest))
    request = f"GET {target} HTTP/1.0\r\nHost: {host}:{form.port}\r\nUser-Agent: cltab2systemd\r\nAccept: */*\r\n\r\n"
    connection.sendall(encoded(request))
    answer = b""
    while b"\n" not in answer and len(answer) < _LONGEST_LINE:
        block = connection.recv(_LONGEST_LINE)
        if not block:
            break
        answer += block
    version, _, rest = answer.partition(b"\n")[0].strip().partition(b" ")
    status = rest[:3]
    if not version.startswith(b"HTTP/") or len(status) != 3 or not status.isdigit():
        raise _Refused("the answer is not HTTP" if answer else "the connection was closed without an answer")
    if status[:1] not in {b"2", b"3"}:
        raise _Refused(f"HTTP status {decoded(status)}")
    return f"HTTP status {decoded(status)}"


def _file(form: Form, _limit: float, _instance: str) -> str:
    os.stat(form.where)  # noqa: PTH116 - pathlib is slow to import
    return "the file is there"


def _group(form: Form, _limit: float, instance: str) -> str:
    """A group is at a level if clstat says so, and systemd: a clstat may be that of a daemon that has been killed."""
    if not instance:
        raise _Refused("no daemon has said where its clstat is")
    noted = beginning(f"{instance}/clstat").removesuffix(b"\n")
    lines = clstat.parse(decoded(beginning(noted, _LONGEST_FILE)))
    level, state = next(((line[1], line[2]) for line in lines if line[0] == form.where), ("", ""))
    if not state:
        raise _Refused(f"clstat has no line for group {form.where}")
    told = f"{form.where} is {state} at level {level}"
    if state not in {"DONE", "PASSED"} or form.rest not in {"", level}:
        raise _Refused(told)
    prefix = decoded(beginning(f"{instance}/prefix").strip()) + escape(form.where)
    target = f"{prefix}@{escape(level)}.target"
    if not _is_active(target):
        raise _Refused(f"clstat says that {told}, and systemd that {target} is not active")
    # As `Names.unnamed`: a group that was stopped is DONE as well, but is not what others need.
    if not form.rest and _is_active(f"{prefix}-unnamed.target"):
        raise _Refused(f"{told}, which no entry names")
    return told


def _is_active(unit: str) -> bool:
    pid = os.posix_spawn(_SYSTEMCTL, [_SYSTEMCTL, "is-active", "--quiet", "--", unit], os.environ)
    return os.waitpid(pid, 0)[1] == 0


_PROBES = {forms.TCP: _tcp, forms.UNIX: _unix, forms.HTTP: _http, forms.FILE: _file, forms.GROUP: _group}
