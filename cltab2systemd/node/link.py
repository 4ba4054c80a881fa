"""The boot side of the pipe to a node's supervisor process."""

import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cltab2systemd.node.errors import NodeError
from cltab2systemd.node.spec import SUPERVISOR, NodeSpec

_PROGRAM = f"""\
import sys
sys.path.append({str(Path(__file__).resolve().parent.parent.parent)!r})
from {SUPERVISOR} import main
main()
"""

# Seconds for the kernel to kill what is left in a node.
_END_TIMEOUT = 30.0


class Link:
    """A running supervisor. It ends, and the node with it, when the link is closed or this process dies."""

    def __init__(self, spec: NodeSpec) -> None:
        """Start the supervisor."""
        # Without a name, so that nothing is left of it even if nobody closes it.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the link
        self._process = subprocess.Popen(
            # No site packages: half the time to start. The package is looked for behind the standard library.
            [sys.executable, "-I", "-S", "-c", _PROGRAM, spec.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            # Kills sent to our process group (Ctrl-C, timeout(1)) must leave it alive to clean up.
            start_new_session=True,
        )
        self._buffer = b""

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    def send(self, command: str) -> None:
        """Send one command. Raises NodeError if the supervisor is gone."""
        assert self._process.stdin is not None
        try:
            os.write(self._process.stdin.fileno(), f"{command}\n".encode())
        except BrokenPipeError:
            raise self._gone() from None

    def expect(self, event: str, timeout: float) -> str:
        """Wait up to timeout seconds for an event and return its argument ("" if it has none).

        Events before it are passed over, except the exit of the node: NodeError, as for a supervisor that is gone.
        Raises TimeoutError if nothing comes.
        """
        deadline = time.monotonic() + timeout
        while True:
            word, _, argument = self._line(deadline).partition(" ")
            if word == event:
                return argument
            if word == "exit":
                raise NodeError(f"the node ended with status {argument} before it was {event}\n{self.log()}")

    def log(self) -> str:
        """Return what the supervisor and systemd wrote to standard error so far."""
        return os.pread(self._log.fileno(), 1 << 20, 0).decode(errors="replace")

    def close(self) -> None:
        """End the node and wait until nothing is left of it. Raises NodeError if the supervisor failed to clean up."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            status = self._process.wait(_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise NodeError(f"the node's supervisor, process {self.pid}, cannot end the node\n{self.log()}") from None
        log = self.log()
        self._log.close()
        if status != 0:
            raise NodeError(f"the node's supervisor ended with status {status}\n{log}")

    def _line(self, deadline: float) -> str:
        assert self._process.stdout is not None
        while b"\n" not in self._buffer:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not select.select([self._process.stdout], [], [], remaining)[0]:
                raise TimeoutError
            data = os.read(self._process.stdout.fileno(), 4096)
            if not data:
                raise self._gone()
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    def _gone(self) -> NodeError:
        return NodeError(f"the node's supervisor is gone\n{self.log()}")
