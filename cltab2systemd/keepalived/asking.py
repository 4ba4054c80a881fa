"""Asking for the level of a group: the daemon, or systemd if that refuses or is not there."""

from __future__ import annotations

import time

from cltab2systemd.client.calls import ClientError
from cltab2systemd.client.requests import Client
from cltab2systemd.keepalived.log import LOG_ERR, LOG_NOTICE, log
from cltab2systemd.outputs import NoOutputError, ended
from cltab2systemd.text import decoded
from cltab2systemd.units.names import Names

# Seconds that systemctl may take, and bytes that it may write.
_PATIENCE, _MOST = 30.0, 65536


def ask(group: str, level: str, why: str) -> bool:
    """Ask for a level, and do not wait for what comes of it.

    Args:
        group: the group.
        level: the level.
        why: stands before the line in the log.

    Returns:
        Whether it was accepted, or nobody needs to ask again.
    """
    try:
        said, is_accepted = str(Client().tell(group, level)), True
    except (ClientError, OSError, ValueError) as error:
        # Refused, for the table has an error just now, or nobody answers: systemd still has the units applied last.
        where = getattr(error, "findings", ())[:1]  # in a refused table; or what may be meant
        target = Names().level(group, level)
        failure = _started(target)
        # Nobody needs to ask again while systemd stops everything.
        is_accepted = not failure or _is_going_down()
        said = "; ".join([str(error), *where, f"systemctl start {target}: {failure or 'started'}"])
    priority = LOG_NOTICE if is_accepted else LOG_ERR
    log(priority, f"{why}: {group} to level {level}: {' '.join(said.split())}")
    return is_accepted


def _started(target: str) -> str:
    """Have systemd start a target, and do not wait for it; why it does not, empty if it does."""
    status, said = _systemctl("start", "--no-block", "--", target)
    return said or f"exit status {status}" if status else ""


def _is_going_down() -> bool:
    """Whether the machine is going down: nothing can be started then, and all groups are stopped."""
    return _systemctl("is-system-running")[1] == "stopping"


def _systemctl(*words: str) -> tuple[int, str]:
    """Run systemctl; its exit status, and what it says."""
    try:
        status, said = ended(["systemctl", *words], time.monotonic() + _PATIENCE, _MOST, with_errors=True)
    except NoOutputError as error:
        return 1, str(error)
    return status, decoded(said).strip()
