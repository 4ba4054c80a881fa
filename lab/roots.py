"""Roots of other Debian releases for nodes, made once each with mmdebstrap, and the project's package in them.

They lie in the project's build/roots, or where the environment variable LAB_ROOTS says, a directory for each release.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError
from lab.install import PROJECT
from lab.layers import keep, remove_unused

RELEASES = ("bookworm", "trixie", "unstable")
"""What the package is for, oldest first."""

# What the project depends on, and what its tests run in nodes.
_PACKAGES = (
    "bsdutils,curl,dbus,iproute2,jq,libxml2-utils,locales,man-db,mount,passwd,perl,procps,python3,python3-click,"
    "python3-jinja2,python3-pystemd,systemd,systemd-sysv,util-linux"
)
_OPTIONS = (
    "--mode=root",
    "--variant=apt",
    "--components=main",
    f"--include={_PACKAGES}",
    '--aptopt=APT::Install-Recommends "false"',
    # A mirror may stand still.
    '--aptopt=Acquire::Check-Valid-Until "false"',
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    # What is installed later comes with its documentation, and without a network.
    '--customize-hook=rm -rf "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap "$1"/var/lib/apt/lists/* "$1"/etc/apt/sources.list*',
)
_BUILD_TIMEOUT = 900.0


def root(release: str) -> Path:
    """Return the root of a release; it is made, within a minute or two, if it is not there or was made otherwise.

    Raises LabError if that fails, or if it is none of RELEASES; the text says why.
    """
    if release not in RELEASES:
        raise LabError(f"no release that this is for: {release!r} ({', '.join(RELEASES)})")
    store = _store()
    with _locked(store / f"{release}.lock"):
        made = store / release
        recipe = store / f"{release}.recipe"
        if made.is_dir() and recipe.exists() and recipe.read_text() == _digest():
            return made
        new = store / f"{release}.new"
        for leftover in (new, made):
            _remove(leftover)
        _build(release, new)
        new.rename(made)
        recipe.write_text(_digest())
    return made


def package_layer(release: str, package: Path) -> Path:
    """Return a layer for nodes over the root of a release: the package installed, its units not enabled.

    The resource agent's package, if it lies beside it, is unpacked only: the root has not what it depends on. Made anew
    if the packages are others, or those of the root; layers of others are removed, except those that a running process
    has asked for. Raises LabError if dpkg fails.
    """
    base = root(release)
    agent = package.with_name(package.name.replace("cltab2systemd_", "clinit-resource-agent_"))
    made_from = [path for path in (base / "var/lib/dpkg/status", package, agent) if path.exists()]
    digest = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in made_from)).hexdigest()[:16]
    layer = _store() / f"{release}.{digest}"
    with _locked(_store() / f"{release}.lock"):
        if not layer.is_dir():
            _install(base, package, agent if agent.exists() else None, layer)
        keep(layer)
        remove_unused(_store().glob(f"{release}.{'[0-9a-f]' * 16}"))
    return layer


def installed_package(release: str) -> Path:
    """Return package_layer of the sources as they are. Raises LabError if they cannot be built or installed."""
    with _locked(_store() / "package.lock"):
        return package_layer(release, build_package(_store() / "package"))


def build_package(directory: Path) -> Path:
    """Build the project's Debian package into a directory, and return it.

    Raises LabError with the end of the output if that fails.
    """
    done = _run(PROJECT / "packaging/build-deb", directory)
    return Path(next(line for line in done.splitlines() if Path(line).name.startswith("cltab2systemd_")))


def _store() -> Path:
    store = Path(os.environ.get("LAB_ROOTS") or PROJECT / "build/roots")
    store.mkdir(parents=True, exist_ok=True)
    return store.absolute()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest() -> str:
    return hashlib.sha256("\n".join(_OPTIONS).encode()).hexdigest() + "\n"


def _build(release: str, directory: Path) -> None:
    if not shutil.which("mmdebstrap"):
        raise LabError("there is no mmdebstrap to make roots with: apt install mmdebstrap")
    try:
        _run("unshare", "--mount", "mmdebstrap", *_OPTIONS, release, directory, mirror())
    except LabError:
        _remove(directory)
        raise


def mirror() -> str:
    """The mirror of Debian that apt uses on this machine. Raises LabError if there is none."""
    form = "$(ORIGIN) $(LABEL) $(REPO_URI)"
    for update in (False, True):
        if update:  # apt has no lists, and so does not know whose mirrors these are
            _run("apt-get", "-qq", "update")
        for line in _run("apt-get", "indextargets", "--format", form, "Created-By: Packages").splitlines():
            origin, label, *uri = line.split()
            if (origin, label) == ("Debian", "Debian"):
                return uri[0]
    raise LabError("apt on this machine has no mirror of Debian to make roots from")


def _install(base: Path, package: Path, agent: Path | None, layer: Path) -> None:
    # The layer is what dpkg changes in an overlay over the root.
    with tempfile.TemporaryDirectory(dir=layer.parent, prefix=f"{layer.name}.") as name:
        upper, work, merged = (Path(name, part) for part in ("upper", "work", "root"))
        for path in (upper, work, merged):
            path.mkdir(mode=0o755)
        script = """
            mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"
            mount -t proc proc "$4/proc"
            mount --rbind /dev "$4/dev"
            cp "$5" "$4/tmp/package.deb"
            chroot "$4" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -ec '
                dpkg --install /tmp/package.deb
                rm /tmp/package.deb
                systemctl disable clinit.service clinit.socket'
            [ -z "$6" ] || dpkg-deb --fsys-tarfile "$6" | tar --extract --directory="$4" --keep-directory-symlink
        """
        _run("unshare", "--mount", "sh", "-ec", script, "sh", base, upper, work, merged, package, agent or "")
        upper.rename(layer)


def _remove(directory: Path) -> None:
    # Only its own filesystem: whatever somebody has mounted there is not ours.
    if directory.exists():
        _run("rm", "-rf", "--one-file-system", directory)


def _run(*argv: str | Path) -> str:
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_BUILD_TIMEOUT,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            umask=0o022,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{argv[0]}: {error}") from error
    if done.returncode != 0:
        raise LabError(f"{Path(argv[0]).name} failed:\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout
