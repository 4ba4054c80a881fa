"""What a node sees as its root: a base layer that empties what the host has configured, and the mounts.

Everything here runs in the supervisor process or its child, in their own mount namespace.
"""

import hashlib
import os
import stat
from pathlib import Path

from cltab2systemd.node import kernel
from cltab2systemd.node.kernel import Mount
from cltab2systemd.node.paths import inside
from cltab2systemd.node.spec import NodeSpec
from cltab2systemd.node.users import FIRST, Users

_UNITS = "usr/lib/systemd/system"

_OPAQUE = (
    # What the host's administrator and its packages have enabled, and how: a node starts none of it.
    "etc/systemd",
    "etc/init.d",
    "usr/local/lib/systemd",
    # Half the time of a boot, and fstab-generator would mount the host's disks. A layer may bring generators.
    "usr/lib/systemd/system-generators",
    # Timer stamps and random seeds.
    "var/lib/systemd",
    # journalctl in the node would read the host's journal.
    "var/log/journal",
)
"""Directories of the root that a node does not see into; layers above fill them again."""

_WANTS = {
    "sockets.target": ("systemd-journald.socket", "systemd-journald-dev-log.socket", "dbus.socket"),
    "sysinit.target": ("systemd-journald.service", "systemd-tmpfiles-setup.service"),
    "multi-user.target": ("dbus.service", "systemd-user-sessions.service"),
}
"""The only units that Debian's targets want in a node. All others are there and can be started."""

_FILES = {
    "etc/systemd/journald.conf.d/node.conf": "[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nReadKMsg=no\n",
    "etc/fstab": "",
    "etc/crypttab": "",
}

_PROC_READ_ONLY = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi")
_PROC_HIDDEN = ("kcore", "kmsg")

_NOTHING = Mount.NOSUID | Mount.NODEV | Mount.NOEXEC


def write_base_layer(layer: Path, spec: NodeSpec) -> None:
    """Fill the empty directory layer, on a tmpfs, with what every node has between its root and its own layers."""
    vendor_wants = sorted(f"{_UNITS}/{path.name}" for path in (spec.root / _UNITS).glob("*.wants"))
    for name in (*_OPAQUE, *vendor_wants):
        (layer / name).mkdir(parents=True)
        os.setxattr(layer / name, "trusted.overlay.opaque", b"y")
    for target, units in _WANTS.items():
        wants = layer / _UNITS / f"{target}.wants"
        wants.mkdir(parents=True, exist_ok=True)
        for unit in units:
            (wants / unit).symlink_to(f"/{_UNITS}/{unit}")
    (layer / "etc/systemd/system").mkdir()
    (layer / "etc/systemd/system/default.target").symlink_to(f"/{_UNITS}/multi-user.target")
    files = _FILES | {
        "etc/hostname": f"{spec.name}\n",
        "etc/hosts": _hosts(spec),
        # Also says that this is not a first boot, which would enable units by preset.
        "etc/machine-id": hashlib.sha256(spec.name.encode()).hexdigest()[:32] + "\n",
    }
    for path, text in files.items():
        (layer / path).parent.mkdir(parents=True, exist_ok=True)
        (layer / path).write_text(text)


def _hosts(spec: NodeSpec) -> str:
    hosts = spec.port.hosts if spec.port else ((spec.name, "127.0.1.1"),)
    return "127.0.0.1 localhost\n::1 localhost\n" + "".join(f"{address} {name}\n" for name, address in hosts)


def mount_overlay(stage: Path, spec: NodeSpec, users: Users | None) -> Path:
    """Mount the node's root below stage, an empty tmpfs, for its own users if it has some, and return where."""
    base, upper, work, root = (stage / name for name in ("base", "upper", "work", "root"))
    for path in (base, upper, work, root):
        path.mkdir()
    write_base_layer(base, spec)
    layers = [_apart(layer, spec.root, stage / f"layer-{number}") for number, layer in enumerate(spec.layers)]
    lowers = (*layers, base, spec.root)
    if users is not None:
        lowers = tuple(_of_users(path, stage, f"lower-{number}", users) for number, path in enumerate(lowers))
        _own(upper)
    lower = ":".join(map(_escape, lowers))
    kernel.mount("overlay", root, "overlay", Mount.NODEV, f"lowerdir={lower},upperdir={upper},workdir={work}")
    return root


def _of_users(path: Path, stage: Path, name: str, users: Users) -> Path:
    """A lower directory with its owners as the node's users: moved where it is a copy of ours, else mounted so."""
    if path.is_relative_to(stage):
        for directory, directories, files in os.walk(path):
            for entry in (".", *directories, *files):
                _own(Path(directory, entry))
        return path
    target = stage / name
    target.mkdir()
    kernel.mount_of_users(path, target, users.descriptor, read_only=True)
    return target


def _own(path: Path) -> None:
    """Move the owner and group of a file to those of the node's users; once for each."""
    status = path.lstat()
    if status.st_uid < FIRST:
        os.lchown(path, status.st_uid + FIRST, status.st_gid + FIRST)


def sized(options: str, spec: NodeSpec, part: int = 8) -> str:
    """Options of a tmpfs that takes only a part of its node's memory, so that all of them leave some for programs."""
    return options if spec.limits is None else f"{options},size={spec.limits.memory // part}"


def mount_api_filesystems(root: Path, spec: NodeSpec, users: Users | None) -> None:
    """Mount proc, sys, dev, run, tmp and the binds below root; the namespaces must be the node's own already."""
    first = FIRST if users else 0
    owner = f"uid={first},gid={first}"
    for name in ("proc", "sys", "dev", "run", "tmp"):
        (root / name).mkdir(exist_ok=True)
    _mount_proc(root / "proc")
    kernel.mount("sysfs", root / "sys", "sysfs", _NOTHING | Mount.RDONLY)
    kernel.mount("cgroup2", root / "sys/fs/cgroup", "cgroup2", _NOTHING)
    kernel.mount("tmpfs", root / "run", "tmpfs", Mount.NOSUID | Mount.NODEV, sized(f"mode=755,{owner}", spec))
    kernel.mount("tmpfs", root / "tmp", "tmpfs", Mount.NOSUID | Mount.NODEV, sized(f"mode=1777,{owner}", spec))
    kernel.mount("tmpfs", root / "dev", "tmpfs", Mount.NOSUID | Mount.NOEXEC, sized(f"mode=755,{owner}", spec, 64))
    _fill_dev(root / "dev", spec, first)
    for bind in spec.binds:
        target = inside(root, bind.target)
        if bind.source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        if users is None:
            kernel.mount(bind.source, target, flags=Mount.BIND | (Mount.RDONLY if bind.read_only else Mount.REC))
        else:
            kernel.mount_of_users(bind.source, target, users.descriptor, read_only=bind.read_only)


def _mount_proc(proc: Path) -> None:
    # The network namespace's own part of /proc/sys stays writable. It can only be had from a second proc.
    kernel.mount("proc", proc, "proc", _NOTHING)
    net = os.open(proc / "sys/net", os.O_PATH | os.O_DIRECTORY)
    for name in _PROC_READ_ONLY:
        if (proc / name).exists():
            kernel.mount(proc / name, proc / name, flags=Mount.BIND | Mount.RDONLY | _NOTHING)
    kernel.mount(f"/proc/self/fd/{net}", proc / "sys/net", flags=Mount.BIND)
    os.close(net)
    for name in _PROC_HIDDEN:
        if (proc / name).exists():
            kernel.mount("/dev/null", proc / name, flags=Mount.BIND)


def _fill_dev(dev: Path, spec: NodeSpec, first: int) -> None:
    devices = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
    for name, (major, minor) in devices.items():
        os.mknod(dev / name, stat.S_IFCHR, os.makedev(major, minor))
        (dev / name).chmod(0o666)
    # The kernel's log is the host's. What would go there can be read from this file.
    (dev / "kmsg").touch(mode=0o600)
    links = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
    for name, target in links.items():
        (dev / name).symlink_to(target)
    for name in ("pts", "shm", "mqueue"):
        (dev / name).mkdir()
    kernel.mount("devpts", dev / "pts", "devpts", data=f"newinstance,ptmxmode=0666,mode=620,gid={first + 5}")
    kernel.mount("tmpfs", dev / "shm", "tmpfs", Mount.NOSUID | Mount.NODEV, sized("mode=1777", spec))
    kernel.mount("mqueue", dev / "mqueue", "mqueue")


def _apart(layer: Path, root: Path, copy: Path) -> Path:
    # Overlayfs refuses a lower directory that lies in another one, and on one filesystem that cannot be ruled out.
    if layer.stat().st_dev != root.stat().st_dev:
        return layer
    if os.spawnvp(os.P_WAIT, "cp", ["cp", "-a", str(layer), str(copy)]) != 0:  # noqa: S606
        raise OSError(f"cannot copy the layer {layer}")
    return copy


def _escape(path: Path) -> str:
    # Overlayfs splits its options at commas and its lower directories at colons.
    return str(path).replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
