"""Installing: what a person gets from `pip install .`."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from answers import answered

from lab.install import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = "/usr/bin/python3"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the project installed, from a copy as git would clone it."""
    top = tmp_path_factory.mktemp("install")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True).stdout.split("\0")[:-1]
    subprocess.run(["cp", "--archive", "--parents", *files, str(top)], cwd=PROJECT, check=True)
    venv = top / "venv"
    subprocess.run([PYTHON, "-m", "venv", "--system-site-packages", venv], check=True)
    # Debian's own build tools and dependencies: a test needs no network.
    options = ["--quiet", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run([venv / "bin/pip", "install", *options, str(top)], check=True)
    return venv


def test_commands_are_installed_and_work(environment: Path, tmp_path: Path) -> None:
    """`pip install .` into a virtual environment gives both commands, and the templates come along."""
    table = tmp_path / "cltab"
    table.write_text("web:a:1:respawn:sleep 1000\n")
    clinit = subprocess.run([environment / "bin/clinit", "--version"], capture_output=True, text=True, check=True)
    output = tmp_path / "units"
    command = [str(environment / "bin/cltab2systemd"), "compile", str(table), "--output", str(output)]
    subprocess.run(command, cwd=tmp_path, check=True)

    assert clinit.stdout.startswith("clinit, version ")
    assert "ExecStart=/bin/sh " in (output / "clinit-web@a.service").read_text()


def test_no_client_is_told_where_there_is_no_daemon(environment: Path, tmp_path: Path) -> None:
    """The installed client says that there is no daemon, and exits with 3."""
    socket = str(tmp_path / "socket")
    done = subprocess.run(
        [environment / "bin/clinit", "-s", socket, "web", "1"], capture_output=True, text=True, check=False
    )

    answered(done, code=3)
    assert f"no daemon at {socket}" in done.stderr
