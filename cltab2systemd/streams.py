"""Standard streams that are closed, or that nobody reads, and the encoding of a process. Light."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


def stand_in_for_closed_streams() -> None:
    """Reopen closed standard streams (`>&-`) on /dev/null, so that prints do not fail."""
    while (descriptor := os.open("/dev/null", os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name, mode, descriptor in (("stdin", "r", 0), ("stdout", "w", 1), ("stderr", "w", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115 - it stays open


def go_on_in_utf8() -> None:
    """Start the process anew in Python's UTF-8 mode, unless its paths and arguments are UTF-8 already.

    A table is UTF-8 whatever the locale is. So the names of groups on the command line are, too, and the paths that
    the table names. What a package installs starts in that mode by its first line, and is never started twice.
    """
    if sys.getfilesystemencoding() != "utf-8":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - no shell is meant


def give_up_output(stream: TextIO | None = None) -> None:
    """Send to /dev/null what a stream cannot take, or else the standard output. Python would try again at its end."""
    null = os.open("/dev/null", os.O_WRONLY)
    os.dup2(null, (stream or sys.stdout).fileno())
    os.close(null)
