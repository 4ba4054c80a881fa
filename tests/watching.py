"""Calls with `more` over varlink, from within a node: all replies, each with the time at which it came."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.node import Node

_SCRIPT = """\
import json, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
s.connect("/run/clinit/clinit.s")
s.sendall(sys.stdin.buffer.read() + b"\\0")
data, stop = b"", sys.argv[1]
while True:
    more = s.recv(65536)
    data += more
    *messages, data = data.split(b"\\0")
    for message in messages:
        print(message.decode(), flush=True)
        reply = json.loads(message)
        if not reply.get("continues") or (stop and stop in message.decode()):
            sys.exit()
    if not more:
        sys.exit()
"""


def replies(node: Node, method: str, *, until: str = "", **parameters: object) -> list[dict[str, Any]]:
    """The replies to a call with `more`, to the last one, or until one that has some text in it."""
    call = {"method": f"org.clinit.Manager.{method}", "parameters": parameters, "more": True}
    done = node.run("python3", "-c", _SCRIPT, until, input=json.dumps(call))
    return [json.loads(line) for line in done.stdout.splitlines()]


def progress_of(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The progress in replies to Switch."""
    return [reply["parameters"]["progress"] for reply in found if "progress" in reply["parameters"]]
