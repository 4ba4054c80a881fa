"""docs/screens.md: what tmux captures from a terminal of a node is what the document shows.

`make screens` writes what it captures into the document.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from typing import TYPE_CHECKING

import pytest
from documents import block, blocks
from shipped import Shipped

from lab.install import PROJECT
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

DOCUMENT = PROJECT / "docs/screens.md"
WRITES = os.environ.get("SCREENS") == "write"
WIDTHS = (80, 120)
COMMANDS = {
    "status": "clinitctl status",
    "moving": "clinitctl status db",
    "watch": "clinitctl watch",
    "progress": "clinit --wait db prod",
}
# The last thing that each is to show before it is captured.
AWAITED = {
    "status": "mail: level prod",
    "moving": "database  waiting",
    "watch": "starting, 1 of 3 done",
    "progress": "starting, 1 of 3 done",
}
_TMUX = ("tmux", "-u", "-L", "screens")
_ENVIRONMENT = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}


@pytest.fixture(scope="module")
def daemon(node: Node) -> Shipped:
    """The groups of the document: one that is FAILED, one that is degraded, and one that is on its way."""
    node.write("/etc/cltab", block(DOCUMENT, "table", "screens"))
    daemon = Shipped(node).start()
    for group, level in (("web", "prod"), ("mail", "prod"), ("db", "stop")):
        daemon.clinit("--wait", group, level)

    def is_slow() -> bool:
        groups = json.loads(node.run("clinitctl", "status", "--json", "mail", check=False).stdout)["groups"]
        return "backing-off" in {entry["state"] for entry in groups[0]["entries"]}

    wait_until(is_slow, what="the entry backs off", timeout=30)
    return daemon


def capture(node: Node, name: str, width: int) -> str:
    """What a terminal of so many columns shows of a command, without blanks at the ends of lines."""
    script = f"clear; {COMMANDS[name]}; sleep 1000"
    size = ("-x", str(width), "-y", "45")
    node.run(*_TMUX, "new-session", "-d", *size, shlex.join(("sh", "-c", script)), env=_ENVIRONMENT)

    def shown() -> str:
        lines = node.run(*_TMUX, "capture-pane", "-p", env=_ENVIRONMENT).stdout.splitlines()
        return "\n".join(map(str.rstrip, lines)).strip("\n") + "\n"

    try:
        wait_until(lambda: AWAITED[name] in shown() and (name == "moving" or ") 0s" not in shown()), what=name)
        return shown()
    finally:
        node.run(*_TMUX, "kill-server", env=_ENVIRONMENT)


def equal(screen: str) -> list[str]:
    """A screen without what is another way each time: times, numbers of processes, what the kernel counts."""
    text = re.sub(r"(?<!\S)\d+(\.\d+)?[BKMGT](?!\S)|MEMORY", "", screen)
    text = re.sub(r"(\d+(d|h|min|ms|s)\b ?)+", "# ", text)
    return [" ".join(re.sub(r"\d+", "#", line).split()) for line in text.splitlines()]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_screen(daemon: Shipped, name: str, width: int) -> None:
    """It is as shown, but for times and the like."""
    if name in {"moving", "watch"}:
        daemon.clinit("db", "prod")
    try:
        screen = capture(daemon.node, name, width)
    finally:
        daemon.clinit("--wait", "db", "stop")

    if WRITES:
        write(f"{name} {width}", screen)
    assert equal(block(DOCUMENT, "screen", f"{name} {width}")) == equal(screen)
    assert max(map(len, screen.splitlines())) <= width


def write(name: str, screen: str) -> None:
    """Put a screen into the document."""
    text, comment = DOCUMENT.read_text(), f"<!-- screen: {name} -->\n"
    head, _, rest = text.partition(f"{comment}```\n")
    assert rest, name
    _, _, behind = rest.partition("```\n")
    DOCUMENT.write_text(f"{head}{comment}```\n{screen}```\n{behind}")


def test_every_screen_is_captured() -> None:
    """The document has no other."""
    shown = [found.name for found in blocks(DOCUMENT) if found.kind == "screen"]
    assert [f"{name} {width}" for name in COMMANDS for width in WIDTHS] == shown
