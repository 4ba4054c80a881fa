"""promtool, of Debian's package prometheus: unpacked, for whoever installs that gets a server."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from lab import debs

if TYPE_CHECKING:
    from pathlib import Path


def promtool(*arguments: str | Path, text: str = "", directory: Path | None = None) -> None:
    """Assert that promtool has nothing to say against what it is given.

    Args:
        arguments: what follows its name.
        text: its standard input.
        directory: where it runs.
    """
    layer = debs.unpacked(None, "prometheus")
    done = subprocess.run(
        [layer / "usr/bin/promtool", *arguments],
        input=text,
        cwd=directory,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
