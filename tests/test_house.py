"""The house rules, as tests: linters, formatting, types."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.install import PROJECT


@pytest.mark.parametrize("command", ["ruff check", "ruff format --check", "mypy"])
def test_linters_are_content(command: str) -> None:
    """The linters have nothing to say about any file."""
    program, *arguments = command.split()
    found = shutil.which(program, path=f"{PROJECT}/.venv/bin:{Path(sys.executable).parent}")
    if found is None:
        assert not os.environ.get("CI"), f"no {program}; run 'make test'"
        pytest.skip(f"no {program}; run 'make test'")
    done = subprocess.run([found, *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


# Modules that say by themselves how bytes become text: the one way, unit names (ASCII), the ancestor's wire, and a log.
SURROGATES = {"text.py", "names.py", "storable.py", "logs.py"}


def test_one_module_turns_text_into_bytes() -> None:
    """Text becomes bytes by `cltab2systemd.text`, the same in every locale."""
    package = PROJECT / "cltab2systemd"
    found = {path.name for path in package.rglob("*.py") if '"surrogateescape"' in path.read_text()}

    assert found == SURROGATES
