"""Whether this host can run nodes."""

import os
import re
import shutil
from pathlib import Path

from cltab2systemd.node import kernel
from cltab2systemd.node.cgroups import missing_limits
from cltab2systemd.node.spec import NodeSpec
from cltab2systemd.node.users import Users

_CAP_SYS_ADMIN = 21
# The first Linux whose overlayfs takes lower directories that are mounted for other users.
_LAYERS_OF_USERS = (5, 19)


def shortcoming(spec: NodeSpec | None = None) -> str | None:
    """Return why nodes cannot be booted here and what to do about it, or None if nothing speaks against it.

    With a spec, it is about that node.
    """
    if os.geteuid() != 0:
        return "a node is made of namespaces, cgroups and mounts: run this as root"
    status = Path("/proc/self/status").read_text()
    effective = re.search(r"^CapEff:\s*(\w+)", status, re.MULTILINE)
    if effective is None or not int(effective[1], 16) >> _CAP_SYS_ADMIN & 1:
        return "root lacks CAP_SYS_ADMIN here: run this outside of the container, or in a privileged one"
    filesystems = Path("/proc/filesystems").read_text().split()
    if "cgroup2" not in filesystems:
        return "the kernel has no cgroup2: run this on a newer one"
    if "overlay" not in filesystems and not Path("/sys/module/overlay").exists() and not shutil.which("modprobe"):
        return "the kernel has no overlayfs: load the module overlay"
    if not shutil.which("nsenter"):
        return "there is no nsenter: install util-linux"
    return (_of_users(spec) or _of_limits(spec)) if spec else None


def _of_users(spec: NodeSpec) -> str | None:
    """Why a node cannot have users of its own."""
    if not spec.own_users:
        return None
    most = Path("/proc/sys/user/max_user_namespaces")
    if not most.exists() or most.read_text() == "0\n":
        return "this kernel gives no user namespaces: set its parameter user.max_user_namespaces to more than 0"
    release = os.uname().release
    if tuple(map(int, re.findall(r"\d+", release)[:2])) < _LAYERS_OF_USERS:
        return f"Linux {release} cannot show other users the same files: it takes 5.19"
    try:
        with Users() as users:
            os.close(kernel.tree_of_users(spec.root, users.descriptor))
    except OSError as error:
        return f"the filesystem of {spec.root} cannot be shown to other users, as ext4, xfs and btrfs can ({error})"
    return None


def _of_limits(spec: NodeSpec) -> str | None:
    """Why a node's limits cannot be enforced."""
    missing = missing_limits() if spec.limits else ()
    return f"this kernel has no cgroup controller {' and no '.join(missing)}, which limits a node" if missing else None
