"""`clinit -v`: what clstat says, and whether it can be trusted. Imports nothing heavy, and asks no daemon."""

from __future__ import annotations

import os
import time

from cltab2systemd import clstat
from cltab2systemd.client import outcome
from cltab2systemd.client.calls import start_command
from cltab2systemd.locations import NOTED_REASONS, is_served, live_clstat, noted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cltab2systemd.client.requests import Client

# The daemon writes clstat every 30 to 34 s. Seconds.
STALE = 45


def show_status(client: Client, group: str | None = None, *, is_halted: bool = False) -> int:
    """Print what clstat says. Print to the standard error what is wrong with the groups, and with clstat itself.

    Args:
        client: of the instance.
        group: the only one that is looked at; None for all.
        is_halted: whether the daemon was just told to end. Then nothing is said if it is gone.

    Returns:
        The exit code: FINE, FAILED if some group is, NO_DAEMON if nobody keeps clstat true, REFUSED if it could not be
        printed.
    """
    lines = [line for line in client.status().split("\n") if line]
    text = "".join(f"{line}\n" for line in lines if group is None or line.startswith(f"{group} "))
    if group is not None and not text:
        outcome.complain(f"clinit: {group} was never at a level, as far as is known")
    if not outcome.say(text, end=""):
        return outcome.REFUSED
    reasons = noted(client.locations, NOTED_REASONS)
    failed = False
    for name, level, state in (line.split(" ") for line in text.split("\n") if line):
        start = f"{name} {level} "
        found = [reason[len(start) :] for reason in reasons if reason.startswith(start)]
        if state == "FAILED":
            failed = True
            found = found or [f"{name}: nobody has noted why it is FAILED; see 'journalctl -u clinit'"]
        for reason in found if state in clstat.SETTLED else ():
            outcome.complain(reason)
    if not is_halted and (problem := doubt(client)):
        outcome.complain(f"clinit: {problem}")
        return outcome.NO_DAEMON
    return outcome.FAILED if failed else outcome.FINE


def doubt(client: Client) -> str:
    """Why clstat cannot be trusted; empty if it can."""
    path = live_clstat(client.locations)
    start = f"start the daemon with '{start_command(client.locations)}'"
    try:
        age = int(time.time() - os.stat(path).st_mtime)  # noqa: PTH116
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return f"{path}: {reason}; no daemon has told how the groups are; {start}"
    if age < -STALE:
        return f"{path} is of the future: the clock was set back, and it is not known how old it is"
    served = is_served(client.locations)
    if served is False:
        return f"the daemon is gone, and {path} says how the groups were {max(age, 0)} s ago; {start}"
    if age > STALE:
        return f"{path} is {age} s old: the daemon does not keep it true; see 'systemctl status clinit'"
    return ""
