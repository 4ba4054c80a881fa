"""A program of a node on a terminal of its own: what it draws, keys, and changes of the terminal's size."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import termios
import time
from typing import TYPE_CHECKING, Self

from cltab2systemd.node import command
from lab.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from types import TracebackType

    from lab.node import Node

ENVIRONMENT = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
# How clinit draws its line of progress, and leaves the cursor at the beginning of it.
_FRAME = re.compile(r"\r([^\r\n\x1b]+)\x1b\[J\r")


def on_terminal(node: Node, command: str, environment: dict[str, str], columns: int = 80, rows: int = 24) -> list[str]:
    """The lines that a command writes to a terminal of so many columns and rows."""
    script = f"stty cols {columns} rows {rows}; {command}"
    done = node.run(
        "script", "--quiet", "--command", script, "/dev/null", env={"TERM": "xterm", "LC_ALL": "C.UTF-8"} | environment
    )
    return done.stdout.replace("\r\n", "\n").splitlines()


class Terminal:
    """A program on a terminal, which controls it."""

    def __init__(self, node: Node, *argv: str, columns: int = 80, env: dict[str, str] | None = None) -> None:
        self._master, slave = os.openpty()
        self._is_hung_up = False
        os.set_blocking(self._master, False)
        self.resize(columns)
        self._began = time.monotonic()
        self._program = node.popen(
            "setsid", "--ctty", "--wait", *argv, env=ENVIRONMENT | (env or {}), stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        self.output = ""
        self.took = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._program.poll() is None:
            command.kill(self._program)
        self.hang_up()

    def hang_up(self) -> None:
        """Have the terminal go away, as when its window is closed or the line is lost; the kernel sends SIGHUP."""
        if not self._is_hung_up:
            self._is_hung_up = True
            os.close(self._master)

    def resize(self, columns: int) -> None:
        """Give the terminal another width; the kernel sends SIGWINCH."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def _read(self) -> None:
        if self._is_hung_up:
            return
        try:
            while data := os.read(self._master, 65536):
                self.output += data.decode()
        except OSError:  # nothing more for now, or ever
            return

    def shows(self, text: str) -> bool:
        """Whether the program has written some text so far."""
        self._read()
        return text in self.output

    def wait_for(self, text: str) -> None:
        """Wait until the program writes some text."""
        wait_until(lambda: self.shows(text), what=f"the terminal shows {text!r}, and not only {self.output!r}")

    def ended(self, timeout: float = 60.0) -> int:
        """Wait for the end of the program, and note how long it took; its exit code."""

        def is_over() -> bool:
            self._read()
            return self._program.poll() is not None

        wait_until(is_over, timeout=timeout, what="the program on the terminal ends")
        self.took = time.monotonic() - self._began
        self._read()
        return self._program.wait(PATIENCE)

    @property
    def frames(self) -> list[str]:
        """The lines that were drawn in place, one over the other."""
        return _FRAME.findall(self.output)

    @property
    def left(self) -> str:
        """What is left on the screen: what was drawn in place is gone."""
        return re.sub(r"[^\n]*\r\x1b\[K\x1b\[J", "", _FRAME.sub("", self.output)).replace("\r\n", "\n")
