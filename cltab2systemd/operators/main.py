"""`clinitctl`: the way in.

`clinitctl status [--json] [GROUP]…` is asked most, and at bad times. It is parsed here, so that nobody waits for click.
All else goes through `cltab2systemd.operators.program`, which takes the same words the same way.
"""

import sys

from cltab2systemd.streams import go_on_in_utf8, stand_in_for_closed_streams


def main() -> None:
    """Run `clinitctl` with the process's arguments, and exit."""
    go_on_in_utf8()
    stand_in_for_closed_streams()
    command, *arguments = sys.argv[1:] or [""]
    words = [argument for argument in arguments if argument != "--json"]
    if command == "status" and not any(word.startswith("-") for word in words):
        from cltab2systemd.client import outcome  # noqa: PLC0415 - the other commands import it when they need it
        from cltab2systemd.client.requests import Client  # noqa: PLC0415 - likewise
        from cltab2systemd.operators.statusview import show  # noqa: PLC0415 - likewise

        try:
            sys.exit(show(Client(), words, as_json=len(words) < len(arguments)))
        except KeyboardInterrupt:
            sys.exit(outcome.INTERRUPTED)
    from cltab2systemd.operators.program import group  # noqa: PLC0415 - slow to import

    group(prog_name="clinitctl")
