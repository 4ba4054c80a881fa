"""The reader's log, by syslog(3): where keepalived has started it, nobody reads its standard error."""

from __future__ import annotations

import syslog
from syslog import LOG_ERR, LOG_NOTICE, LOG_WARNING

from cltab2systemd.terminal import printable

__all__ = ["LOG_ERR", "LOG_NOTICE", "LOG_WARNING", "log", "set_up"]


def set_up() -> None:
    """Say who it is that logs."""
    syslog.openlog("keepalived-follow", syslog.LOG_PID, syslog.LOG_DAEMON)


def log(priority: int, text: str) -> None:
    """Write a line, with a priority of syslog(3)."""
    syslog.syslog(priority, printable(text))
