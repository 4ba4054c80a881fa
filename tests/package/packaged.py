"""What the tests of the Debian package share: which releases, which version, and how it is installed."""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING

from lab.install import PROJECT

if TYPE_CHECKING:
    from lab.node import Node

RELEASES = os.environ.get("RELEASES", "bookworm").split()
PACKAGES = "/packages"
"""Where nodes have the directory of the packages."""


def version() -> str:
    """The version of the project."""
    found = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    assert isinstance(found, str)
    return found


def install(node: Node, which: str | None = None) -> None:
    """Install a version of the package with dpkg, which has to be content."""
    node.run("dpkg", "--force-downgrade", "--install", f"/packages/cltab2systemd_{which or version()}_all.deb")
