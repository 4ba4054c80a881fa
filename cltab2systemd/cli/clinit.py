"""`clinit`: the way in.

What programs ask for often, a switch (with or without `--wait`) and the status, is parsed here and never pays for
importing click; all else goes through `cltab2systemd.cli.options`, which takes the same words in the same way.
"""

from __future__ import annotations

import os
import sys

from cltab2systemd.cli import outcome, stand_in_for_closed_streams
from cltab2systemd.client import Client

_WAIT = ("-w", "--wait")
_STATUS = ("-v", "--status")


def main() -> None:
    """Run `clinit` with the process's arguments, and exit."""
    stand_in_for_closed_streams()
    arguments = sys.argv[1:]
    words = [argument for argument in arguments if argument not in _WAIT]
    if 1 <= len(words) <= 2 and not any(not word or word.startswith("-") for word in words):
        sys.exit(switch(Client(), words, wait=len(words) < len(arguments)))
    if len(arguments) == 1 and arguments[0] in _STATUS:
        sys.exit(show_status(Client()))
    from cltab2systemd.cli.options import command  # noqa: PLC0415

    command()


def show_status(client: Client) -> int:
    """Print what clstat says, and return the exit code."""
    return outcome.FINE if outcome.say(client.status(), end="") else outcome.REFUSED


def switch(client: Client, words: list[str], *, wait: bool = False, timeout: float | None = None) -> int:
    """Carry out `[GROUP] LEVEL`: print what comes of it, and return the exit code. No group means the host's name."""
    *named, level = words
    group = named[0] if named else os.uname().nodename
    with outcome.Reported() as reported:
        if wait:
            state = client.wait(group, level, timeout)
            outcome.say(f"{group} {level} {state}")
            return outcome.FAILED if state == "FAILED" else outcome.FINE
        outcome.say(client.tell(group, level))
    return reported.code
