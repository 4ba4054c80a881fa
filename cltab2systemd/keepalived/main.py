"""The program keepalived-follow: has resource groups follow VRRP instances of keepalived.

keepalived tells each change of state in a line of a FIFO, so changes cannot overtake each other. Of those that have
piled up, only the last one counts. What cannot be done now, since the daemon is being restarted or the table has an
error, is tried again until it can, or until the state changes.

As a service, clinit-keepalived.service, it makes the FIFO, and keeps beside it what it was told last. keepalived can
start it as well, without `--service`, and adds the FIFO's name. At a reload of its own it starts another one, and once
killed it is not started again. docs/high-availability.md has both.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from cltab2systemd.keepalived import rules
from cltab2systemd.keepalived.asking import ask
from cltab2systemd.keepalived.fifo import Fifo
from cltab2systemd.keepalived.follower import Follower
from cltab2systemd.keepalived.log import LOG_ERR, log, set_up
from cltab2systemd.keepalived.memory import Memory
from cltab2systemd.keepalived.reader import Reader
from cltab2systemd.oserrors import worded
from cltab2systemd.systemd.activation import tell

# Seconds for what the last states ask for, when it is to end.
_LAST_REQUESTS = 10.0
_SERVICE = "--service"
_USAGE = f"""\
usage: {{program}} [{_SERVICE}] INSTANCE=GROUP:LEVEL:STOP-LEVEL... FIFO
With {_SERVICE}, as clinit-keepalived.service, the words come from FOLLOW in /etc/default/clinit-keepalived.\
"""


def main() -> None:
    """Follow until systemd says that it ends, or keepalived. Exits with 2 if it is not said, or badly, who follows."""
    set_up()
    ended = _told_to_end()
    is_service = sys.argv[1:2] == [_SERVICE]
    words = sys.argv[2:] if is_service else sys.argv[1:]
    try:
        followed = rules.parse(words[:-1])
        path = Path(words[-1])
        reader = Reader(Fifo(path, is_ours=is_service), ended, is_service=is_service)
    except (ValueError, OSError) as error:
        why = worded(error) if isinstance(error, OSError) else str(error)
        log(LOG_ERR, why)
        print(f"{why}\n{_USAGE.format(program=sys.argv[0])}", file=sys.stderr)
        sys.exit(2)
    # keepalived waits for this in its start: the FIFO is there, and ours.
    if is_service:
        tell("READY=1")
    if not reader.lock():
        return
    memory = Memory(path.with_name(f"{path.name}.states") if is_service else None)
    followers = [Follower(rule, memory, ask) for rule in followed]
    for follower in followers:
        follower.start()
    reader.follow(followers)
    deadline = time.monotonic() + _LAST_REQUESTS
    for follower in followers:
        follower.finish(deadline)


def _told_to_end() -> int:
    """What becomes readable at SIGTERM. Other signals, which a terminal or keepalived may send, end nothing."""
    ended, end = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(end, b"."))
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    return ended
