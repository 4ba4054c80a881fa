"""What a daemon that was started by hand hands on to its entries: its working directory and environment.

The ancestor's entries were its children, and inherited both. The daemon of the system instance, started by systemd,
hands on nothing: its entries run in `/`, with the environment that systemd gives to services.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.table import characters
from cltab2systemd.text import decoded
from cltab2systemd.units import unitfile

if TYPE_CHECKING:
    from collections.abc import Mapping

# What the units say themselves: a file would have the last word, and a login's own class take `su -` out of the entry.
_OF_UNITS = frozenset({"XDG_SESSION_CLASS", "CLINIT_THROTTLE"})
# What systemd tells a service about itself, and is not true of another (systemd.exec(5), ENVIRONMENT VARIABLES).
_OF_SYSTEMD = re.compile(
    "INVOCATION_ID|JOURNAL_STREAM|NOTIFY_SOCKET|LISTEN_(FDS|PID|FDNAMES|PIDFDID)|SYSTEMD_(EXEC_PID|LOG_.*|NSS_.*|BUS_TIMEOUT)|MAINPID"
    "|MANAGERPID(FDID)?|WATCHDOG_(PID|USEC)|FDSTORE|CREDENTIALS_DIRECTORY|(RUNTIME|STATE|CACHE|LOGS|CONFIGURATION)_DIRECTORY"
    "|MEMORY_PRESSURE_(WATCH|WRITE)|MONITOR_.*|TRIGGER_.*|SERVICE_RESULT|EXIT_(CODE|STATUS)|REMOTE_(ADDR|PORT)|_"
)
_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_SPECIAL = re.compile(r'["\\`$]')


@dataclass(frozen=True, slots=True)
class Surroundings:
    """For a unit file: `WorkingDirectory=` and `EnvironmentFile=`, each ready, or None to leave it out."""

    working_directory: str | None = None
    environment_file: str | None = None


def surroundings(directory: str, environment_file: str) -> Surroundings:
    """The surroundings of entries; a directory that no unit file can name is left out."""
    return Surroundings(unitfile.path(directory), unitfile.path(environment_file))


def environment_text(environment: Mapping[str, str]) -> str:
    """An environment as the content of an `EnvironmentFile=`, without systemd's own variables, and ours.

    Variables that systemd would refuse, and the whole file with them, are left out: those whose names are no names, or
    whose values are not UTF-8.
    """
    lines = [
        f'{name}="{_SPECIAL.sub(_escape, value)}"\n'
        for name, value in sorted(environment.items())
        if _NAME.fullmatch(name)
        and name not in _OF_UNITS
        and not _OF_SYSTEMD.fullmatch(name)
        and characters.is_utf8(value)
    ]
    return "".join(lines)


def environment(block: bytes) -> Mapping[str, str]:
    """The environment that a process was started with, from what /proc/PID/environ has.

    The environment that Python shows is another one: where no locale is set, it adds `LC_CTYPE`.
    """
    settings = (text.partition("=") for text in decoded(block).split("\0"))
    return {name: value for name, equals, value in settings if equals}


def _escape(match: re.Match[str]) -> str:
    return "\\" + match[0]
