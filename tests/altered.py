"""The project in a node with some of its text replaced, as an older version of it, or one whose times are short."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.node import Node


def alter(node: Node, module: str, old: str, new: str) -> None:
    """Replace a text wherever it stands in a module that is installed in a node, for programs that start later."""
    path = node.run("python3", "-c", f"import {module} as module; print(module.__file__)").stdout.strip()
    text = node.read(path)
    assert old in text
    node.write(path, text.replace(old, new))
