"""A program for entries that tells systemd how it is, as sd_notify(3) does, and how to have it in a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instance import Group

    from lab.node import Node

PROGRAM = "/srv/says"
# Each of its words is done in turn.
_SCRIPT = """\
#!/usr/bin/python3
import os, signal, socket, sys, time


def tell(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])

signal.signal(signal.SIGINT, signal.SIG_DFL)
for word in sys.argv[1:]:
    what, _, value = word.partition("=")
    if what == "exit":
        sys.exit(int(value))
    elif what == "until":  # a file is there
        while not os.path.exists(value):
            time.sleep(0.02)
    elif what == "sleep":
        time.sleep(float(value))
    elif what == "deaf":
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    elif what == "fork":  # and go on in the child, which is the main process then
        if child := os.fork():
            tell(f"MAINPID={child}")
            os._exit(0)
    else:
        tell(word)
"""


def install(node: Node) -> None:
    """Write the program into a node."""
    node.write(PROGRAM, _SCRIPT, mode=0o755)


def says(*words: str) -> str:
    """A command that does this: `READY=1` and the like, `sleep=S`, `until=FILE`, `exit=N`, `fork`, `deaf`.

    What comes to its end exits with 0.
    """
    return " ".join((PROGRAM, *words))


FOR_EVER = "sleep=1000"


NOTIFY = ("Type=notify",)


def given(group: Group, *directives: str, tag: str = "app") -> str:
    """The lines of a table that give an entry of a group directives."""
    return "".join(f":::service.{group.name}.{tag}:{line}\n" for line in directives or NOTIFY)


def define(group: Group, *lines: str, directives: tuple[str, ...] = NOTIFY) -> None:
    """Put entries into the table of a group, and directives of its `app`.

    Args:
        group: the group.
        lines: as `Group.define` has them.
        directives: as `Name=value`.
    """
    install(group.node)
    group.define(*lines)
    group.instance.write_table(group.instance.table + given(group, *directives))
