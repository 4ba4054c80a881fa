"""Locales of other encodings than UTF-8, for programs that are to get bytes right whatever the machine's locale is."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from lab.node import Node

# Each byte is a letter there, and a name of two bytes is two.
SINGLE_BYTE = "de_DE.ISO-8859-1"
LOCALES = ["C", "C.UTF-8", SINGLE_BYTE]
_IN_NODE = "/run/locales"


def compile_single_byte(directory: Path) -> None:
    """Make SINGLE_BYTE in a directory, where programs with LOCPATH in their environment find it."""
    subprocess.run(_localedef(str(directory)), check=True)


def compile_in_node(node: Node) -> None:
    """Make SINGLE_BYTE for a node's programs that have `environment_in_node`; the node has Debian's package locales."""
    node.run("mkdir", _IN_NODE)
    node.run(*_localedef(_IN_NODE))
    charmap = node.run("locale", "charmap", env=environment_in_node(SINGLE_BYTE)).stdout
    assert charmap == "ISO-8859-1\n"


def environment_in_node(locale: str) -> dict[str, str]:
    """What has a program in a node run with a locale."""
    return {"LANG": locale, "LOCPATH": _IN_NODE if locale == SINGLE_BYTE else ""}


def _localedef(directory: str) -> list[str]:
    language, _, encoding = SINGLE_BYTE.partition(".")
    return ["localedef", f"--inputfile={language}", f"--charmap={encoding}", f"{directory}/{SINGLE_BYTE}"]
