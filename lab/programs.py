"""Debian's programs as a layer for nodes: installed over the running root with all that they depend on.

Other than what `debs` unpacks, they are configured: their users and directories are there. Nothing of them is started,
and no unit of theirs is enabled. The layers lie in the project's build/programs.
"""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from lab.errors import LabError
from lab.install import PROJECT
from lab.layers import made

_STORE = PROJECT / "build/programs"
_TIMEOUT = 600.0
# What dpkg changes in an overlay over the root becomes the layer. Its upper directory is on a tmpfs: overlayfs refuses
# one that lies in its lower directory, here /. With a /run of its own, nothing is told to the running systemd.
_INSTALL = """
    stage=$1 layer=$2
    shift 2
    mount -t tmpfs tmpfs "$stage"
    mkdir "$stage/upper" "$stage/work" "$stage/root"
    root=$stage/root
    mount -t overlay overlay -o "lowerdir=/,upperdir=$stage/upper,workdir=$stage/work" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/run"
    mount -t tmpfs tmpfs "$root/tmp"
    if [ -d /run/systemd/resolve ]; then
        mkdir -p "$root/run/systemd"
        cp -a /run/systemd/resolve "$root/run/systemd/"
    fi
    rm -f "$root/usr/sbin/policy-rc.d"
    printf '#!/bin/sh\\nexit 101\\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    chroot "$root" sh -ec '
        apt-get -qq --option APT::Sandbox::User=root update
        exec apt-get -qq --option APT::Sandbox::User=root --option Dpkg::Use-Pty=0 \\
            install --yes --no-install-recommends --no-upgrade "$@"' sh "$@"
    umount -R "$root"
    cd "$stage/upper"
    rm -rf etc/systemd etc/init.d etc/rc?.d usr/sbin/policy-rc.d usr/lib/systemd/system-generators usr/share/doc \\
        usr/share/man usr/share/locale var/cache var/lib/apt var/lib/systemd var/log/apt var/log/dpkg.log
    cp -a . "$layer"
"""


def installed(*packages: str) -> Path:
    """Return a layer with packages of the running root's release, made within a minute or two when it is not there.

    It is made anew if the packages of the running root are others. Raises LabError if that fails; the text says why.
    """
    return made(_STORE, _digest(packages), lambda layer: _install(packages, layer))


def _digest(packages: tuple[str, ...]) -> str:
    made_from = (_INSTALL, *packages, Path("/var/lib/dpkg/status").read_text(encoding="utf-8"))
    return hashlib.sha256("\0".join(made_from).encode()).hexdigest()[:16]


def _install(packages: tuple[str, ...], layer: Path) -> None:
    with tempfile.TemporaryDirectory(dir=_STORE, prefix="new-") as name:
        stage, new = Path(name, "stage"), Path(name, "layer")
        for path in (stage, new):
            path.mkdir(mode=0o755)
        try:
            done = subprocess.run(
                ["unshare", "--mount", "sh", "-ec", _INSTALL, "sh", stage, new, *packages],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT,
                env={**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
                umask=0o022,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"installing {' '.join(packages)} takes longer than {_TIMEOUT:g} s") from error
        if done.returncode != 0:
            raise LabError(f"{' '.join(packages)} cannot be installed:\n{(done.stdout + done.stderr)[-4000:]}")
        new.chmod(0o755)
        new.rename(layer)
