"""`clinit`: the way in.

Programs often ask for a switch (with or without `--wait`) or for the status. These are parsed here, so that they do not
pay for importing click. All else goes through `cltab2systemd.client.options`, which takes the same words the same way.
"""

import sys

from cltab2systemd.client.outcome import switch
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
