"""Talking to the daemon: requests, their outcomes, and the status that anybody may read without it.

Imports nothing heavy, for `clinit` pays for it at each request (bench/client_start.py).
"""

from __future__ import annotations

import os
import time

from cltab2systemd import clstat as clstats
from cltab2systemd import varlink
from cltab2systemd.client import transport
from cltab2systemd.locations import has_group, live_clstat, live_sockets, locate
from cltab2systemd.text import decoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

# No table can name a group so.
_NO_GROUP = ":"
# Seconds before a daemon that went away is looked for again.
_PAUSE = 0.1
# The service of the system instance, where a package or an administrator puts it.
_UNITS = ("/usr/lib/systemd/system/clinit.service", "/lib/systemd/system/clinit.service",
          "/etc/systemd/system/clinit.service")  # fmt: skip


class Answer(str):  # noqa: SLOT000 - few are made
    """The daemon's answer, with notes for whoever asked, and with what is wrong with the group.

    Attributes:
        notes: what else whoever asks should know.
        reasons: what is wrong, each as a line for a person.
        details: the same in parts, for programs: objects of the type Reason, as `varlink.DESCRIPTION` has it.
        level: where the group is, if whoever asked did not say so.
    """

    notes: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    details: tuple[dict[str, Any], ...] = ()
    level = ""


class ClientError(Exception):
    """A request has failed. The text is fit for a person."""


class RefusedError(ClientError):
    """The daemon said no.

    Attributes:
        findings: those about the table, each as a person reads it.
        code: why, for programs: the code of a SwitchRefused, or the name of another error of varlink, as `NoSuchGroup`.
            clinit(8) has both. `still-listening` if systemd listens for a daemon that is halted. Empty if the daemon is
            too old to have codes.
    """

    def __init__(self, message: str, findings: tuple[str, ...] = (), code: str = "") -> None:
        super().__init__(message)
        self.findings = findings
        self.code = code


class NoDaemonError(ClientError):
    """Nobody answers at the socket."""


class _LostError(NoDaemonError):
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


class Client:
    """A client of one instance.

    Args:
        cltab: the table, whose settings name the socket and clstat; None for /etc/cltab.
        socket: the socket, unless the table names one; None for /run/clinit/clinit.s.
        clstat: the clstat, unless the table names one; None for /run/clinit/clstat.

    Every request raises NoDaemonError if nobody answers at the socket or within 30 s, and RefusedError if the daemon
    says no.
    """

    def __init__(self, cltab: str | None = None, socket: str | None = None, clstat: str | None = None) -> None:
        self.locations = locate(cltab, socket, clstat)

    def tell(self, group: str, level: str, *, strict: bool = False) -> Answer:
        """Move a group to a level. Returns the daemon's message when the transition has started.

        Args:
            group: the group.
            level: the level.
            strict: whether a level that no entry names is refused; else it stops everything.
        """
        return _answer(next(self._replies(varlink.switch_call(group, level, strict=strict))))

    def wait(
        self,
        group: str,
        level: str,
        timeout: float | None = None,
        *,
        strict: bool = False,
        on_progress: Callable[[dict[str, Any]], object] | None = None,
        on_tick: Callable[[], object] | None = None,
    ) -> Answer:
        """Move a group to a level, and wait for its end.

        Args:
            group: the group.
            level: the level.
            timeout: seconds for the whole of it; None for ever.
            strict: whether a level that no entry names is refused.
            on_progress: called at each change of how far the switch has come, with an object of type Progress as
                `varlink.DESCRIPTION` has it. Its phase is `disconnected` while the daemon is away. A daemon of an
                older version does not tell any.
            on_tick: called some times a second meanwhile, for clocks.

        Returns:
            The state that the level settled in: DONE, PASSED or FAILED; with the reasons for it.

        Raises:
            TimedOutError: the time was up; the switch goes on.
            SupersededError: another request or a halt took the group elsewhere.

        A daemon may go away meanwhile and come back, as in an upgrade. Then it is asked how the switch went on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        parameters: dict[str, object] = {"group": group, "level": level}
        parameters |= ({"strict": True} if strict else {}) | ({"progress": True} if on_progress else {})
        # None once the switch has begun, so that it is not asked for twice.
        switch: bytes | None = varlink.call("Switch", parameters, more=True)
        # Until when a daemon that went away may come back; None if it has answered since.
        patience: float | None = None
        notes: tuple[str, ...] = ()
        last: dict[str, Any] = {}
        while True:
            try:
                asked = switch and self._replies(switch, deadline, on_tick=on_tick)
                for reply in asked or self._followed(group, level, deadline, on_progress, on_tick):
                    patience, last = None, reply
                    if reply.get("message") != varlink.PREPARING:
                        switch = None
                    if on_progress and "progress" in reply:
                        on_progress(reply["progress"])
                    notes = notes or _notes(reply)
                return _outcome(last.get("status", {"state": clstats.STOPPED}), notes)  # halted, if there is none
            except _LostError:
                patience = patience or time.monotonic() + transport.ANSWER_TIMEOUT
            except NoDaemonError:
                if patience is None:
                    raise
            if on_progress:
                on_progress(_disconnected(group, level))
            self._await_daemon(deadline, patience, on_tick)

    def _followed(
        self,
        group: str,
        level: str,
        deadline: float | None,
        on_progress: Callable[[dict[str, Any]], object] | None,
        on_tick: Callable[[], object] | None,
    ) -> Iterator[dict[str, Any]]:
        """Follow a group. Yields the daemon's answers, and last the status that settles it. Raises as `wait` does."""
        parameters: dict[str, object] = {"group": group} | ({"progress": True} if on_progress else {})
        for reply in self._replies(varlink.call("Status", parameters, more=True), deadline, on_tick=on_tick):
            yield reply
            status: dict[str, Any] = reply["groups"][0] if reply["groups"] else {"level": "", "state": clstats.STOPPED}
            if on_progress and status.get("progress"):
                on_progress(status["progress"])
            if status["state"] in clstats.SETTLED and status["level"] == level:
                yield {"status": status}
                return
            if status["state"] in clstats.SETTLED:
                raise SupersededError(f"{group} was taken to level {status['level']} instead")
            if status["state"] == clstats.STOPPED:
                raise SupersededError(f"{group} was stopped before it reached level {level}")
        raise _LostError(f"the daemon at {self.locations.socket} went away")

    def _await_daemon(self, deadline: float | None, patience: float, on_tick: Callable[[], object] | None) -> None:
        """Wait until a daemon listens again. NoDaemonError when patience ends, TimedOutError at the deadline."""
        while True:
            try:
                self._connect(_remaining(deadline, transport.ANSWER_TIMEOUT)).close()
            except TimeoutError:
                raise _timed_out(self.locations.socket, deadline) from None
            except OSError as error:
                if deadline is not None and time.monotonic() >= deadline:
                    raise _timed_out(self.locations.socket, deadline) from None
                if time.monotonic() >= patience:
                    raise NoDaemonError(
                        f"the daemon at {self.locations.socket} went away, and none came back"
                    ) from error
                time.sleep(_PAUSE)
                if on_tick:
                    on_tick()
            else:
                return

    def describe(self, groups: Iterable[str] = (), timeout: float | None = None) -> dict[str, Any]:
        """All groups, or those that are named, with their entries, the table, and the daemon: see varlink's Describe.

        TimedOutError if the daemon has not answered after so many seconds; None waits for 30.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        parameters: dict[str, object] = {"groups": [*groups]} if groups else {}
        return next(self._replies(varlink.call("Describe", parameters), deadline))

    def answers_within(self, seconds: float) -> bool:
        """Whether the daemon answers a question that costs it nothing within so many seconds."""
        question = varlink.call("Status", {"group": _NO_GROUP})
        try:
            next(self._replies(question, time.monotonic() + seconds))
        except ClientError:
            return False
        return True

    def act(self, group: str, action: str, tags: list[str]) -> Answer:
        """Do something to single entries of a group, `restart` or `stop`, and wait for its end.

        Returns:
            The state of the group afterwards; with the reasons for it. Its `level` is that of the group.

        Raises:
            SupersededError: a request for the group has taken over, or a halt.
        """
        call = varlink.call("Entries", {"group": group, "action": action, "tags": tags}, more=True)
        *_, reply = self._replies(call)
        outcome = _outcome(reply["status"], ())
        outcome.level = str(reply["status"]["level"])
        return outcome

    def reread(self) -> Answer:
        """Have the daemon read its table again. Returns its notes with an empty answer."""
        return _answer(next(self._replies(varlink.call("Reread", {}))))

    def shutdown(self) -> str:
        """Stop all groups, then the daemon. Returns its message at once."""
        return _message(next(self._replies(varlink.call("Halt", {}))))

    def shutdown_and_wait(self, timeout: float | None = None) -> str:
        """Stop all groups, then the daemon. Returns when the daemon has gone, and nobody listens at its sockets.

        TimedOutError as for `wait`. RefusedError if systemd still listens there.
        """
        from cltab2systemd.client.departure import Departure, StillThereError  # noqa: PLC0415 - slow to import

        deadline = None if timeout is None else time.monotonic() + timeout
        departure = Departure(live_sockets(self.locations))
        *_, reply = self._replies(varlink.call("Halt", {}, more=True), deadline, departure.watch)
        try:
            departure.wait(deadline)
        except StillThereError as error:
            raise RefusedError(str(error), code="still-listening") from None
        except TimeoutError as error:
            raise TimedOutError(f"timed out; all groups are stopped, but {error}") from None
        return _message(reply)

    def has_group(self, name: str) -> bool:
        """Whether the table on disk, in force or not, has an entry of a group."""
        return has_group(self.locations.table, name)

    def status(self, group: str | None = None, level: str | None = None) -> str:
        """What clstat says, by the rules of `cltab2systemd.clstat.select`; needs no daemon."""
        return status(group, level, live_clstat(self.locations))

    def _connect(self, timeout: float | None) -> transport.Connection:
        """Connect to the daemon: at the table's socket, or at its old one if it has not read that table yet."""
        failure: OSError | None = None
        for path in self._sockets():
            try:
                return transport.Connection(path, timeout)
            except (PermissionError, TimeoutError):
                raise
            except OSError as error:
                failure = failure or error
        if failure is None:
            table = self.locations.table
            raise NoDaemonError(f"no daemon has the table {table}, which names no socket; name the daemon's with -s")
        raise failure

    def _sockets(self) -> Iterator[str]:
        usual = self.locations.socket
        if self.locations.is_default:  # what is noted is read only if nobody answers at the usual socket
            yield usual
            yield from (path for path in live_sockets(self.locations) if path != usual)
        else:
            yield from live_sockets(self.locations)

    def start_command(self) -> str:
        """How a person starts the daemon."""
        if self.locations.is_system_instance and any(os.path.exists(path) for path in _UNITS):  # noqa: PTH110
            return "systemctl start clinit.service"
        return "clinit -d"

    def _replies(
        self,
        call: bytes,
        deadline: float | None = None,
        watch: Callable[[transport.Connection], None] | None = None,
        on_tick: Callable[[], object] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """The parameters of each reply to a call. The first has to come in 30 s, the others before the deadline.

        `watch` is called with the connection, whose `sender` is the daemon, as soon as there is a reply; `on_tick` some
        times a second until there is one.
        """
        if len(call) > varlink.LARGEST_REQUEST:
            raise RefusedError(f"the names are too long: a request has at most {varlink.LARGEST_REQUEST} bytes")
        path = self.locations.socket
        try:
            connection = self._connect(_remaining(deadline, transport.ANSWER_TIMEOUT))
        except TimeoutError:
            raise _timed_out(path, deadline) from None
        except PermissionError as error:
            raise RefusedError(
                f"not permitted to connect to {path}: only root and members of group clinit may switch groups; "
                f"'clinit -v' shows how they are"
            ) from error
        except OSError as error:
            reason = error.strerror or error
            raise NoDaemonError(f"no daemon at {path}: {reason}; start it with '{self.start_command()}'") from error
        try:
            connection.send(call, tell_sender=watch is not None)
            longest: float | None = transport.ANSWER_TIMEOUT
            while True:
                message = varlink.decode_reply(connection.receive_within(_remaining(deadline, longest), on_tick))
                if watch is not None:
                    watch(connection)
                yield answer(message)
                if message.get("continues") is not True:
                    return
                longest = None
        except TimeoutError:
            raise _timed_out(path, deadline) from None
        except (OSError, varlink.ProtocolError) as error:
            raise _LostError(f"the daemon at {path} went away: {_worded(error)}; see 'journalctl -u clinit'") from error
        finally:
            connection.close()


def _disconnected(group: str, level: str) -> dict[str, Any]:
    """An object of type Progress, in a phase that no daemon tells: there is none."""
    nothing: dict[str, Any] = {"origin": None, "done": 0, "total": 0, "waiting": 0, "awaited": []}
    return {"group": group, "level": level, "phase": "disconnected", **nothing}


def _worded(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    from cltab2systemd import oserrors  # noqa: PLC0415 - a request that is answered has no use for it

    return oserrors.worded(error)


def answer(message: dict[str, object]) -> dict[str, Any]:
    """The parameters of a reply. An error reply is raised as the ClientError that it stands for."""
    parameters = message.get("parameters")
    if not isinstance(parameters, dict):
        parameters = {}
    error = message.get("error")
    if error is None:
        return parameters
    if error == f"{varlink.INTERFACE}.Superseded":
        raise SupersededError(_message(parameters), str(parameters.get("code", "")))
    findings = tuple(str(finding["text"]) for finding in parameters.get("findings", ()))
    if parameters.get("hint"):
        findings = (str(parameters["hint"]),)
    kind = str(error).rpartition(".")[2]
    code = str(parameters.get("code", "")) if kind == "SwitchRefused" else kind
    raise RefusedError(_message(parameters) or f"{error} {parameters}", findings, code)


def status(group: str | None = None, level: str | None = None, clstat: str | None = None) -> str:
    """What a clstat says, by the rules of `cltab2systemd.clstat.select`; an empty string if there is no such file."""
    try:
        with open(clstat or live_clstat(locate()), "rb") as file:  # noqa: PTH123
            text = decoded(file.read())
    except (OSError, ValueError):  # no such file, or no name of one
        return ""
    return clstats.select(clstats.parse(text), group, level)


def _answer(parameters: dict[str, Any]) -> Answer:
    answer = Answer(_message(parameters))
    answer.notes = _notes(parameters)
    return answer


def _outcome(status: dict[str, Any], notes: tuple[str, ...]) -> Answer:
    outcome = Answer(status["state"])
    outcome.notes = notes
    outcome.details = tuple(status.get("reasons", ()))
    outcome.reasons = tuple(str(reason["text"]) for reason in outcome.details)
    return outcome


def _notes(parameters: dict[str, Any]) -> tuple[str, ...]:
    return tuple(map(str, parameters.get("notes", ())))


def _message(parameters: dict[str, Any]) -> str:
    return str(parameters.get("message", ""))


def _remaining(deadline: float | None, otherwise: float | None) -> float | None:
    if deadline is None:
        return otherwise
    # A timeout of 0 would make the socket non-blocking.
    left = max(deadline - time.monotonic(), 0.001)
    return left if otherwise is None else min(left, otherwise)


def _timed_out(path: str, deadline: float | None) -> ClientError:
    """The error for a timeout: the caller's time is up; or, if it is not, the daemon gives no answer."""
    if deadline is not None and time.monotonic() >= deadline:
        return TimedOutError("timed out; what was requested goes on (see 'clinit -v')")
    return NoDaemonError(f"the daemon at {path} gives no answer; see 'journalctl -u clinit'")
