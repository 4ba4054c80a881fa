"""Packages of Debian as layers for nodes: unpacked and not installed, so that nothing is configured or started.

They lie in the project's build/debs, a directory for each release.
"""

import fcntl
import platform
import subprocess
from pathlib import Path

from lab.errors import LabError
from lab.install import PROJECT
from lab.roots import mirror

_TIMEOUT = 300.0
_STORE = PROJECT / "build/debs"
# Where / has links into /usr, a directory of that name in a layer would hide the link.
_UNPACK = 'dpkg-deb --fsys-tarfile "$1" | tar -x -p -C "$2" --exclude=./usr/share/doc "$3" ./'
_MERGED = r"--transform=s,^\./\(lib\|lib64\|bin\|sbin\)\b,./usr/\1,"


def unpacked(release: str | None, *packages: str) -> Path:
    """Return a layer with packages of a release, of the running root's without one; without what they depend on.

    Raises LabError if they cannot be had; the text says why.
    """
    codename = release or platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    layer = _STORE / codename / "+".join(packages)
    layer.parent.mkdir(parents=True, exist_ok=True)
    with (layer.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not layer.is_dir():
            new = layer.with_name(f"{layer.name}.new")
            _run("rm", "-rf", new)
            new.mkdir(mode=0o755)
            for package in packages:
                deb = _downloaded(codename, package, layer.parent)
                _run("sh", "-ec", _UNPACK, "sh", deb, new, _MERGED)
            new.rename(layer)
    return layer


def _downloaded(codename: str, package: str, directory: Path) -> Path:
    """The newest package of a release: by lists of our own, for those of the machine are of its own release."""
    apt = directory / "apt"
    for part in ("state/lists/partial", "cache/archives/partial"):
        (apt / part).mkdir(parents=True, exist_ok=True)
    (apt / "sources.list").write_text(f"deb {mirror()} {codename} main\n")
    (apt / "status").touch()
    options = (
        f"Dir::Etc::sourcelist={apt}/sources.list",
        "Dir::Etc::sourceparts=/dev/null",
        f"Dir::State={apt}/state",
        f"Dir::State::status={apt}/status",
        f"Dir::Cache={apt}/cache",
        "Acquire::Check-Valid-Until=false",
        "APT::Sandbox::User=root",
    )
    command = ("apt-get", "--quiet", *(f"-o{option}" for option in options))
    if not any((apt / "state/lists").glob("*Packages*")):
        _run(*command, "update")
    _run("sh", "-ec", 'cd "$1"; shift; exec "$@"', "sh", directory, *command, "download", package)
    found = sorted(directory.glob(f"{package}_*.deb"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise LabError(f"apt has not downloaded {package}")
    return found[-1]


def _run(*argv: str | Path) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    if done.returncode != 0:
        raise LabError(f"{Path(argv[0]).name} failed:\n{(done.stdout + done.stderr)[-4000:]}")
