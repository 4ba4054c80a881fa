"""The project's Debian packages as a layer for nodes: built from the sources as they are, and installed by dpkg.

They are installed over the running root and Debian's programs (lab.programs), with which their dependencies come. The
layers lie in the project's build/packaged. Nodes have the packages in PACKAGES.
"""

import hashlib
import subprocess
import tempfile
from pathlib import Path

from lab.errors import LabError
from lab.install import PROJECT
from lab.layers import made
from lab.roots import build_package

PACKAGES = Path("/usr/src/packages")
"""Where nodes have the packages themselves."""

_STORE = PROJECT / "build/packaged"
_TIMEOUT = 300.0
# As in lab.programs, with a copy of its layer: overlayfs refuses a lower directory that lies in another one. No systemd
# is to be seen, so what the packages enable is enabled, and nothing is started.
_INSTALL = """
    stage=$1 layer=$2 debian=$3 packages=$4
    mount -t tmpfs tmpfs "$stage"
    mkdir "$stage/upper" "$stage/work" "$stage/root"
    cp -a "$debian" "$stage/debian"
    root=$stage/root
    mount -t overlay overlay -o "lowerdir=$stage/debian:/,upperdir=$stage/upper,workdir=$stage/work" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/run"
    mount -t tmpfs tmpfs "$root/tmp"
    mkdir "$root/usr/src/packages"
    cp "$packages"/*.deb "$root/usr/src/packages"
    chroot "$root" sh -ec 'dpkg --install /usr/src/packages/*.deb'
    umount -R "$root"
    rm -rf "$stage/upper/var/cache" "$stage/upper/var/log"
    cp -a "$stage/upper/." "$layer"
"""


def installed(debian: Path) -> Path:
    """Return a layer with the project's packages, to be laid over one of lab.programs.

    Made in seconds if the packages or the programs are others. Raises LabError if they cannot be built or installed.
    """
    _STORE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_STORE.parent, prefix="packaged-") as name:
        build_package(Path(name))
        packages = sorted(Path(name).glob("*.deb"))
        made_from = [debian.name.encode(), _INSTALL.encode(), *(path.read_bytes() for path in packages)]
        digest = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in made_from)).hexdigest()[:16]
        return made(_STORE, digest, lambda layer: _install(debian, Path(name), layer))


def _install(debian: Path, packages: Path, layer: Path) -> None:
    stage, new = packages / "stage", packages / "layer"
    for path in (stage, new):
        path.mkdir(mode=0o755)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", _INSTALL, "sh", stage, new, debian, packages],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
        umask=0o022,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(f"the project's packages cannot be installed:\n{(done.stdout + done.stderr)[-4000:]}")
    new.chmod(0o755)
    new.rename(layer)
