"""What another program writes, bounded in bytes and time."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BLOCK = 65536
# Seconds for a program that was killed to be gone.
_PATIENCE = 1.0
_NO_SETTINGS: Mapping[str, str] = {}


class NoOutputError(Exception):
    """The program is not there, fails, takes too long, or writes too much; the text says which, for a person."""


def not_understood(program: str, error: ValueError) -> NoOutputError:
    """The error for a program that has written what cannot be read, and why."""
    return NoOutputError(f"what {program} writes is not understood: {error}")


def output(command: Sequence[str], deadline: float, most: int, environment: Mapping[str, str] = _NO_SETTINGS) -> bytes:
    """Run a program, and return what it writes to its standard output.

    Args:
        command: its name, which is looked for in PATH, and its arguments.
        deadline: when it is killed, by the clock that nobody sets, in seconds.
        most: bytes that it may write.
        environment: beside this process's own; the locale is C.

    Raises:
        NoOutputError: it has no whole output, or fails.
    """
    status, said = ended(command, deadline, most, environment)
    if status:
        raise NoOutputError(f"{command[0]} exits with {status}")
    return said


def ended(
    command: Sequence[str],
    deadline: float,
    most: int,
    environment: Mapping[str, str] = _NO_SETTINGS,
    *,
    with_errors: bool = False,
) -> tuple[int, bytes]:
    """Run a program as `output` does, also one that fails.

    Args:
        command: as there, as all that is not said here.
        deadline: likewise.
        most: likewise.
        environment: likewise.
        with_errors: whether what it writes to its standard error counts as well.

    Returns:
        Its exit status, negative for a signal, and what it has written.

    Raises:
        NoOutputError: it is not there, takes too long, or writes too much.
    """
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if with_errors else subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C", **environment},
        )  # fmt: skip
    except OSError as error:
        raise NoOutputError(f"cannot run {command[0]}: {error.strerror}") from error
    assert process.stdout is not None
    said = b""
    try:
        while block := _block(process.stdout.fileno(), deadline):
            said += block
            if len(said) > most:
                raise NoOutputError(f"{command[0]} writes more than {most} bytes")
        process.wait(max(0.0, deadline - time.monotonic()))
    except (subprocess.TimeoutExpired, TimeoutError):
        raise NoOutputError(f"{command[0]} gives no answer in time") from None
    finally:
        process.kill()
        process.stdout.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
    return process.returncode, said


def _block(descriptor: int, deadline: float) -> bytes:
    """What comes next; nothing at the end. TimeoutError when the time is up."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError
    return os.read(descriptor, _BLOCK)
