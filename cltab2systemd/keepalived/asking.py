"""Asking for the level of a group: the daemon, or systemd if that refuses or is not there.

A group that is to run is not taken to a level that the daemon refuses because the group does not have it: systemd would
stop everything. One that is to be stopped is stopped by systemd then.
"""

from __future__ import annotations

import time

from cltab2systemd.client.calls import ClientError
from cltab2systemd.client.requests import Client
from cltab2systemd.keepalived.log import LOG_ERR, LOG_NOTICE, log
from cltab2systemd.keepalived.states import State
from cltab2systemd.outputs import NoOutputError, ended
from cltab2systemd.text import decoded
from cltab2systemd.units.names import Names

# Seconds that systemctl may take, and bytes that it may write.
_PATIENCE, _MOST = 30.0, 65536
# The code of a refusal.
_NO_LEVEL = "undeclared-level"


def ask(group: str, level: str, why: str) -> bool:
    """Ask for a level, and do not wait for what comes of it.

    Args:
        group: the group.
        level: the level.
        why: the state of keepalived's that asks for it; stands before the line in the log.

    Returns:
        Whether it was accepted, or nobody needs to ask again.
    """
    try:
        answer = Client().tell(group, level)
        said, is_accepted = "; ".join([answer, *answer.notes]), True
    except (ClientError, OSError, ValueError) as error:
        # Refused, for the table has an error just now, or nobody answers: systemd still has the units applied last.
        where = getattr(error, "findings", ())[:1]  # in a refused table; or what may be meant
        told, is_accepted = [str(error), *where], False
        is_master = why == State.MASTER.value
        if not (is_master and getattr(error, "code", "") == _NO_LEVEL):
            target = Names().level(group, level)
            failure = _started(target)
            # Nobody needs to ask again while systemd stops everything.
            is_accepted = not failure or _is_going_down()
            told.append(f"systemctl start {target}: {failure or 'started'}")
        said = "; ".join(told)
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
