"""`clinit`: the way in.

What programs ask for often, a switch (with or without `--wait`) and the status, is parsed here and never pays for
importing click; all else goes through `cltab2systemd.client.options`, which takes the same words in the same way.
"""

from __future__ import annotations

import os
import sys

from cltab2systemd.client import outcome
from cltab2systemd.client.requests import Client
from cltab2systemd.streams import go_on_in_utf8, stand_in_for_closed_streams

_WAIT = ("-w", "--wait")
_STATUS = ("-v", "--status")


def main() -> None:
    """Run `clinit` with the process's arguments, and exit."""
    go_on_in_utf8()
    stand_in_for_closed_streams()
    arguments = sys.argv[1:]
    words = [argument for argument in arguments if argument not in _WAIT]
    if 1 <= len(words) <= 2 and not any(not word or word.startswith("-") for word in words):
        sys.exit(switch(Client(), words, wait=len(words) < len(arguments)))
    if len(arguments) == 1 and arguments[0] in _STATUS:
        from cltab2systemd.client.status import show_status  # noqa: PLC0415 - a switch has no use for it

        sys.exit(show_status(Client()))
    from cltab2systemd.client.options import command  # noqa: PLC0415

    command()


def switch(
    client: Client, words: list[str], *, wait: bool = False, timeout: float | None = None, strict: bool = False
) -> int:
    """Carry out `[GROUP] LEVEL`: print what comes of it, and return the exit code. No group means the host's name."""
    *named, level = words
    group = named[0] if named else os.uname().nodename
    if not named and client.has_group(level):
        outcome.complain(
            f"clinit: {level} is a group; 'clinit {level} LEVEL' moves it, 'clinit -v' shows how it is. To move group "
            f"{group}, which is named like this host, to level {level}, name both"
        )
        return outcome.USAGE
    with outcome.Reported() as reported:
        if wait:
            state = client.wait(group, level, timeout, strict=strict)
            outcome.say(f"{group} {level} {state}")
            outcome.note(state)
            return outcome.FAILED if state == "FAILED" else outcome.FINE
        answer = client.tell(group, level, strict=strict)
        outcome.say(answer)
        outcome.note(answer)
    return reported.code
