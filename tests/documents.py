"""The examples in documents: they are found, and typed into a node."""

from __future__ import annotations

import contextlib
import re
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.node import Node

# What may want a moment until it shows what was just done.
READERS = (
    "clinit -v", "clinitctl why ", "clinitctl metrics ", "journalctl ", "systemctl is-active ",
    "systemctl list-units ",
)  # fmt: skip


class Block(NamedTuple):
    """A fenced block of a document: what the comment before it says, the language, and the text."""

    kind: str
    name: str
    language: str
    text: str


def blocks(document: Path) -> list[Block]:
    """All fenced blocks of a document, also those in lists; without a comment, kind and name are empty."""
    found = re.findall(
        r"^( *)(?:<!-- (\w+): (.*?) -->\n\1)?```(\w*)\n(.*?)^\1```$", document.read_text(), re.MULTILINE | re.DOTALL
    )
    return [Block(kind, name, language, textwrap.dedent(text)) for _, kind, name, language, text in found]


def block(document: Path, kind: str, name: str) -> str:
    """The only block of a document with this comment before it."""
    (found,) = (block.text for block in blocks(document) if (block.kind, block.name) == (kind, name))
    return found


def dialogue(session: str) -> Iterator[tuple[str, str]]:
    """The commands of a session, and what each prints."""
    for part in re.split(r"^# ", session, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed


def answer(node: Node, command: str, printed: str) -> str:
    """What a command prints, as a terminal has it: its errors in between.

    A reader is asked until it prints what it should, or for long enough.
    """

    def ask() -> str:
        return node.run("sh", "-c", f"exec 2>&1; cd /root; {command}", check=False).stdout

    if command.startswith(READERS):
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: timeless(ask()) == timeless(printed))
    return ask()


def timeless(text: str) -> str:
    """Text with one and the same moment in place of each, and one duration in place of each."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-11-26 12:38:01", text)
    text = re.sub(r"\d+\.\d s(?: at most \(.*\))?", "0.1 s", text)  # of a rehearsal, with the move that took longest
    text = re.sub(r"\buntil (?:2026-11-26 12:38:01|\d\d:\d\d:\d\d)", "until 12:38:01", text)
    return re.sub(r"(, | for )(?:\d+(?:d|h|min|s|ms) ?)+( ago|,|$)", r"\g<1>3s\2", text, flags=re.MULTILINE)


def play(node: Node, session: str) -> None:
    """Type a session as printed, in /root; every command has to answer as printed, but for times."""
    shown = "".join(f"# {command}\n{answer(node, command, printed)}" for command, printed in dialogue(session))

    assert timeless(session).splitlines() == timeless(shown).splitlines()
