"""Whether this host can run nodes."""

import os
import re
import shutil
from pathlib import Path

_CAP_SYS_ADMIN = 21


def shortcoming() -> str | None:
    """Return why nodes cannot be booted here and what to do about it, or None if nothing speaks against it."""
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
    return None


def controllers() -> frozenset[str]:
    """Return the cgroup controllers that nodes have here: those that this kernel's cgroup2 gives to its children.

    systemd on cgroup2 gives memory and pids, and cpu where a unit asks for it; nothing of that is changed. Where
    the controllers are those of version 1, cgroup2 has none.
    """
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, source = line.partition(" - ")
        if source.startswith("cgroup2 "):
            return frozenset((Path(fields.split()[4]) / "cgroup.subtree_control").read_text().split())
    return frozenset()
