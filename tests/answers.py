"""What a program has answered, compared so that a failure shows all of it, and which part is another."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from click.testing import Result


@dataclass(frozen=True, slots=True)
class Answer:
    """What is left of a program that has ended; text or bytes, as its output was read."""

    code: int
    out: Any
    err: Any


def reasons_of(errors: str) -> list[str]:
    """The lines of a standard error of `clinit --wait`, without those that bear out a reason, which are indented."""
    return [line for line in errors.splitlines() if not line.startswith("  ")]


def evidence_of(errors: str) -> list[str]:
    """The lines that bear out a reason, without their indentation."""
    return [line[2:] for line in errors.splitlines() if line.startswith("  ")]


def answered(
    done: subprocess.CompletedProcess[Any] | Result,
    *,
    code: int | None = None,
    out: str | bytes | None = None,
    err: str | bytes | None = None,
) -> None:
    """Assert what a program has answered, as far as it is given.

    Args:
        done: the program, or a command of click's that was run in this process.
        code: its exit code.
        out: all of its standard output.
        err: all of its standard error.
    """
    ended = done.returncode if isinstance(done, subprocess.CompletedProcess) else done.exit_code
    found = Answer(ended, done.stdout, done.stderr)
    expected = Answer(
        ended if code is None else code, found.out if out is None else out, found.err if err is None else err
    )
    assert found == expected
