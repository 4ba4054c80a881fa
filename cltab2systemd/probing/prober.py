"""The prober, what runs as the readiness of an entry, or asks how it is; see docs/unit-scheme.md.

Imports nothing heavy; see `asking`.
"""

from __future__ import annotations

import os
import sys
from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, socket

from cltab2systemd.probing.asking import ask
from cltab2systemd.probing.leftovers import Leftovers
from cltab2systemd.probing.polling import poll
from cltab2systemd.probing.subject import Subject
from cltab2systemd.text import encoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cltab2systemd.probing.asking import Answer

USAGE = 2


def main() -> None:
    """Run as a program, and exit as `exits` or `health` says, by the first word."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments say.

    Args:
        arguments: `ready` or `health`, options as NAME=VALUE, `--`, and the words of the check. Both know the options
            `of`, the unit that is asked about; `pause`, the program that this is while it pauses; `instance`, the state
            directory of the instance; and `timeout`, in seconds. For those of `health` see there.

    Returns:
        The exit status.
    """
    if len(arguments) < 3 or arguments[0] not in {"ready", "health"} or "--" not in arguments:
        sys.stderr.write("usage: prober ready|health NAME=VALUE... -- CHECK\n")
        return USAGE
    end = arguments.index("--")
    options = dict(argument.split("=", 1) for argument in arguments[1:end])
    check = arguments[end + 1 :]
    if arguments[0] == "ready":
        return _ready(options, check)
    from cltab2systemd.probing import health  # noqa: PLC0415 - each is started for itself, and often

    return health.run(options, check)


def _ready(options: Mapping[str, str], check: Sequence[str]) -> int:
    """Ask until the unit is ready; without one, until the check holds."""
    instance, leftovers = options.get("instance", ""), Leftovers()

    def tried(limit: float) -> Answer:
        answer = ask(check, limit, instance, onto=1)  # so the journal has what it writes as well
        leftovers.end()
        return answer

    ending = Subject(options["of"], options.get("pause", "")).ending if "of" in options else _goes_on
    return poll(tried, float(options["timeout"]), ending, _notifier(os.environ.pop("NOTIFY_SOCKET", "")))


def _goes_on() -> str:
    return ""


def _notifier(address: str) -> Callable[[str], None]:
    """What tells systemd what was answered, as STATUS= of sd_notify(3)."""

    def say(words: str) -> None:
        if not address:
            return
        end = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
        end.settimeout(1.0)  # systemd may be slow to read; it is told when the words change again
        try:
            end.sendto(b"STATUS=" + encoded(words).replace(b"\n", b" "), place)
        except OSError:
            pass
        finally:
            end.close()

    place = encoded(address)
    place = b"\0" + place[1:] if place.startswith(b"@") else place
    return say
