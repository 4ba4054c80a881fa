"""The demo is a promise of the README's first line."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from lab.install import PROJECT

if TYPE_CHECKING:
    from pathlib import Path


def test_the_demo_shows_what_it_says(project_layer: Path) -> None:
    """Every step of the demo is as it says."""
    done = subprocess.run(
        [sys.executable, "-m", "demo"], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("All as it says: ")
