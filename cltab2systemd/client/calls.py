"""Calls of the daemon: finding it, sending a call, reading the replies; and the errors that a call may end with.

Imports nothing heavy, for `clinit` pays for it at each request (bench/client_start.py).
"""

from __future__ import annotations

import os
import time

from cltab2systemd import varlink
from cltab2systemd.client import transport
from cltab2systemd.locations import live_sockets, unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from cltab2systemd.locations import Locations

# The service of the system instance, where a package or an administrator puts it.
_UNITS = ("/usr/lib/systemd/system/clinit.service", "/lib/systemd/system/clinit.service",
          "/etc/systemd/system/clinit.service")  # fmt: skip


# No table can name a group so.
_NO_GROUP = ":"


class ClientError(Exception):
    """A request has failed. The text is fit for a person."""


class RefusedError(ClientError):
    """The daemon said no.

    Attributes:
        findings: those about the table, each as a person reads it.
        code: why, for programs: the code of a SwitchRefused, or the name of another error of varlink, as `NoSuchGroup`.
            clinit(8) has both. `still-listening` if systemd listens for a daemon that is halted. Empty if the daemon is
            too old to have codes.
        output: the last lines of a command that has the request refused, such as a preflight; each is printable.
    """

    def __init__(
        self, message: str, findings: tuple[str, ...] = (), code: str = "", output: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.findings = findings
        self.code = code
        self.output = output


class NoDaemonError(ClientError):
    """Nobody answers at the socket."""


class LostError(NoDaemonError):
    """Somebody answered, and then went away."""


class TimedOutError(ClientError):
    """The time was up before the end. What was requested goes on."""


class SupersededError(ClientError):
    """A later request or a halt took the group elsewhere.

    `code` says what did, as clinit(8) has it. It is empty if the daemon was restarted meanwhile and cannot tell.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class Caller:
    """Calls the daemon of one instance.

    Args:
        locations: of the instance.
    """

    def __init__(self, locations: Locations) -> None:
        self.locations = locations

    def replies(
        self,
        call: bytes,
        deadline: float | None = None,
        watch: Callable[[transport.Connection], None] | None = None,
        on_tick: Callable[[], object] | None = None,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> Iterator[dict[str, Any]]:
        """The parameters of each reply to a call.

        The first has to come in 30 s, or the daemon has to answer something else: it may be that a preflight runs. The
        others have to come before the deadline.

        Args:
            call: as `varlink.call` makes it.
            deadline: CLOCK_MONOTONIC in seconds; None for ever.
            watch: called with the connection, whose `sender` is the daemon, as soon as there is a reply.
            on_tick: called some times a second until there is one.
            meanwhile: called while the daemon thinks of its answer.

        All kinds of ClientError are raised.
        """
        if len(call) > varlink.LARGEST_REQUEST:
            raise RefusedError(f"the names are too long: a request has at most {varlink.LARGEST_REQUEST} bytes")
        path, connection = self.locations.socket, self._reached(deadline)
        try:
            connection.send(call, tell_sender=watch is not None)
            meanwhile()
            longest: float | None = transport.ANSWER_TIMEOUT
            while True:
                message = varlink.decode_reply(self._received(connection, deadline, longest, on_tick))
                if watch is not None:
                    watch(connection)
                yield answer(message)
                if message.get("continues") is not True:
                    return
                longest = None
        except TimeoutError:
            # Once it has answered, it is awaited for ever.
            raise timed_out(self.locations, deadline, is_answered=longest is None) from None
        except (OSError, varlink.ProtocolError) as error:
            raise LostError(f"the daemon at {path} went away: {_worded(error)}; see 'journalctl -u clinit'") from error
        finally:
            connection.close()

    def _received(
        self,
        connection: transport.Connection,
        deadline: float | None,
        longest: float | None,
        on_tick: Callable[[], object] | None,
    ) -> bytes:
        """The next reply. TimeoutError at the deadline, or if the daemon answers nothing at all for so long."""
        while True:
            try:
                return connection.receive_within(_remaining(deadline, longest), on_tick)
            except TimeoutError:
                is_over = longest is None or (deadline is not None and time.monotonic() >= deadline)
                if is_over or not self.answers_within(_remaining(deadline, longest) or 0.0):
                    raise

    def answers_within(self, seconds: float) -> bool:
        """Whether the daemon answers a question that costs it nothing within so many seconds, if by a refusal."""
        question = varlink.call("Status", {"group": _NO_GROUP})
        try:
            next(self.replies(question, time.monotonic() + seconds))
        except RefusedError:
            return True
        except ClientError:
            return False
        return True

    def connect(self, deadline: float | None = None) -> transport.Connection:
        """Connect in 30 s, or before the deadline. OSError as for `transport.connect`.

        This is at the table's socket, or at the old one of a daemon that has not read that table yet. NoDaemonError if
        neither is known.
        """
        return transport.connect(self._sockets(), _remaining(deadline, transport.ANSWER_TIMEOUT))

    def _reached(self, deadline: float | None) -> transport.Connection:
        """`connect`; whatever keeps it from that is a ClientError."""
        path = self.locations.socket
        try:
            return self.connect(deadline)
        except TimeoutError:
            raise timed_out(self.locations, deadline) from None
        except PermissionError as error:
            raise RefusedError(
                f"not permitted to connect to {path}: only root and members of group clinit may switch groups; "
                f"'clinit -v' shows how they are"
            ) from error
        except OSError as error:
            reason, start = error.strerror or error, start_command(self.locations)
            raise NoDaemonError(f"no daemon at {path}: {reason}; start it with '{start}'") from error

    def _sockets(self) -> Iterator[str]:
        first = [self.locations.socket] if self.locations.is_default else []
        yield from first  # what is noted is read only if nobody answers at the usual socket
        paths = live_sockets(self.locations)
        if not paths:
            raise NoDaemonError(unknown(self.locations))
        yield from (path for path in paths if path not in first)


def start_command(locations: Locations) -> str:
    """How a person starts the daemon of an instance."""
    if locations.is_system_instance and any(os.path.exists(path) for path in _UNITS):  # noqa: PTH110
        return "systemctl start clinit.service"
    return "clinit -d"


def answer(message: dict[str, object]) -> dict[str, Any]:
    """The parameters of a reply. An error reply is raised as the ClientError that it stands for."""
    parameters = message.get("parameters")
    if not isinstance(parameters, dict):
        parameters = {}
    error = message.get("error")
    if error is None:
        return parameters
    if error == f"{varlink.INTERFACE}.Superseded":
        raise SupersededError(str(parameters.get("message", "")), str(parameters.get("code", "")))
    findings = tuple(str(finding["text"]) for finding in parameters.get("findings", ()))
    if parameters.get("hint"):
        findings = (str(parameters["hint"]),)
    kind = str(error).rpartition(".")[2]
    code = str(parameters.get("code", "")) if kind == "SwitchRefused" else kind
    output = tuple(map(str, parameters.get("output") or ()))
    raise RefusedError(str(parameters.get("message") or f"{error} {parameters}"), findings, code, output)


def what_if_it_hangs(start: str) -> str:
    """What a person does about a daemon that gives no answer, which `start_command` starts."""
    if start.startswith("systemctl"):
        return "If it hangs, its watchdog restarts it, and 'systemctl restart clinit' does at once; what runs goes on"
    return f"If it hangs, end it, and start it with '{start}'; what runs goes on"


def timed_out(locations: Locations, deadline: float | None, *, is_answered: bool = False) -> ClientError:
    """The error for a timeout: the caller's time is up; or, if it is not, the daemon gives no answer."""
    if deadline is None or time.monotonic() < deadline:
        return NoDaemonError(
            f"the daemon at {locations.socket} gives no answer. {what_if_it_hangs(start_command(locations))}"
        )
    if is_answered:
        return TimedOutError("timed out; what was requested goes on (see 'clinitctl status')")
    doubt = "the daemon has not answered, and may yet do what was requested"
    return TimedOutError(f"timed out; {doubt} (see 'clinitctl status')")


def _remaining(deadline: float | None, otherwise: float | None) -> float | None:
    if deadline is None:
        return otherwise
    # A timeout of 0 would make the socket non-blocking.
    left = max(deadline - time.monotonic(), 0.001)
    return left if otherwise is None else min(left, otherwise)


def _worded(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    from cltab2systemd import oserrors  # noqa: PLC0415 - a request that is answered has no use for it

    return oserrors.worded(error)
