"""The client's end of the control socket: connect, send one message, receive messages; bounded in size and time.

Imports nothing heavy. `_socket` is what `socket` wraps: the wrapper adds enums, selectors and files that a request of
two messages has no use for, and costs as much CPU time as starting the interpreter (bench/client_start.py).
"""

from __future__ import annotations

from _socket import (
    AF_UNIX,
    CMSG_SPACE,
    SCM_CREDENTIALS,
    SO_PASSCRED,
    SOCK_CLOEXEC,
    SOCK_STREAM,
    SOL_SOCKET,
    socket,
)
from sys import byteorder
from time import monotonic, sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LARGEST_MESSAGE = 16 * 1024 * 1024
ANSWER_TIMEOUT = 30.0
_PAUSE = 0.02
_TICK = 0.25
_UCRED = 12  # bytes of a struct ucred: pid, uid, gid


class Connection:
    """A connection to the daemon. Every method raises OSError (TimeoutError after `timeout` seconds in silence)."""

    def __init__(self, path: str, timeout: float | None = ANSWER_TIMEOUT) -> None:
        self._received = b""
        # The pid of the sender of what was received last. 0 if nobody asked for it, or if we cannot see that process.
        self.sender = 0
        self._tells_sender = False
        deadline = monotonic() + (ANSWER_TIMEOUT if timeout is None else timeout)
        self._socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
        self.set_timeout(timeout)
        try:
            while True:
                try:
                    self._socket.connect(path)
                except BlockingIOError:  # the backlog is full
                    if monotonic() >= deadline:
                        raise TimeoutError from None
                    sleep(_PAUSE)
                else:
                    return
        except OSError:
            self.close()
            raise

    def set_timeout(self, timeout: float | None) -> None:
        """Set how many seconds each step may take from now on; None is for ever."""
        self._socket.settimeout(timeout)

    def send(self, message: bytes, *, tell_sender: bool = False) -> None:
        """Send a whole message.

        If the daemon refuses the client before it reads, the write fails. That is ignored, for the answer says why.

        With `tell_sender`, `sender` is set to the pid of whoever answers. The kernel tells it with the answer. The peer
        of the socket is no help: it may be systemd, which opened the socket.
        """
        if tell_sender:
            self._socket.setsockopt(SOL_SOCKET, SO_PASSCRED, 1)
            self._tells_sender = True
        try:
            self._socket.sendall(message)
        except BrokenPipeError:
            return

    def receive(self) -> bytes:
        """Receive one message, without its NUL. ConnectionResetError if the daemon closes before the message ends."""
        while b"\0" not in self._received:
            data = self._receive_some()
            if not data:
                raise ConnectionResetError("the daemon closed the connection without an answer")
            self._received += data
            if len(self._received) > LARGEST_MESSAGE:
                raise ConnectionResetError(f"the daemon's answer is longer than {LARGEST_MESSAGE} bytes")
        message, _, self._received = self._received.partition(b"\0")
        return message

    def receive_within(self, seconds: float | None, on_tick: Callable[[], object] | None) -> bytes:
        """`receive`, in silence for at most so many seconds; None is for ever.

        `on_tick` is called some times a second meanwhile, for whoever shows a clock.
        """
        end = None if seconds is None else monotonic() + seconds
        while True:
            left = None if end is None else max(end - monotonic(), 0.001)  # 0 would make the socket non-blocking
            self.set_timeout(left if on_tick is None else _TICK if left is None else min(_TICK, left))
            try:
                return self.receive()
            except TimeoutError:
                if on_tick is None or (end is not None and monotonic() >= end):
                    raise
            on_tick()

    def _receive_some(self) -> bytes:
        if not self._tells_sender:
            return self._socket.recv(65536)
        data, told, *_ = self._socket.recvmsg(65536, CMSG_SPACE(_UCRED))
        for _, kind, content in told:
            if kind == SCM_CREDENTIALS:
                self.sender = int.from_bytes(content[:4], byteorder)
        return data

    def close(self) -> None:
        """Close the connection; harmless when it is closed."""
        self._socket.close()


def connect(paths: Iterable[str], timeout: float | None = ANSWER_TIMEOUT) -> Connection:
    """Connect at the first of some paths at which somebody listens.

    Raises:
        OSError: nobody does; as at the first of them. PermissionError, TimeoutError: somebody does.
    """
    failure: OSError | None = None
    for path in paths:
        try:
            return Connection(path, timeout)
        except (PermissionError, TimeoutError):
            raise
        except OSError as error:
            failure = failure or error
    raise failure or FileNotFoundError("no socket is known")
