"""Debian's packages of other programs, as yardsticks: downloaded and unpacked into `build/bench`, never installed."""

import subprocess
from pathlib import Path

from lab.install import PROJECT

_STORE = PROJECT / "build/bench"


def unpacked(package: str) -> Path:
    """The tree that a package holds. OSError or subprocess.SubprocessError if it cannot be had."""
    tree = _STORE / package
    if not tree.exists():
        _STORE.mkdir(parents=True, exist_ok=True)
        if not list(_STORE.glob(f"{package}_*.deb")):
            _run("apt-get", "--quiet", "download", package)
        _run("dpkg", "-x", max(_STORE.glob(f"{package}_*.deb")), f"{tree}.new")
        Path(f"{tree}.new").rename(tree)
    return tree


def _run(*argv: str | Path) -> None:
    subprocess.run(argv, cwd=_STORE, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=120)
