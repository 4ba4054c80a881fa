"""The cgroups of a node: where it lives, what it may use, and what is left of others that were killed."""

import errno
import fcntl
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cltab2systemd.node import kernel
from cltab2systemd.node.mounts import mounted
from cltab2systemd.node.spec import Limits

_PREFIX = "cltab-node-"


@dataclass(frozen=True, slots=True)
class _Controller:
    """A controller's file for a limit, in version 2 and in version 1 of cgroups, and what bounds swap, if anything."""

    name: str
    file: str
    file_1: str
    swap: str = ""


_MEMORY = _Controller("memory", "memory.max", "memory.limit_in_bytes", swap="memory.swap.max")
_TASKS = _Controller("pids", "pids.max", "pids.max")

# What a delegate may write: cgroups(7), delegation.
_DELEGATED = ("cgroup.procs", "cgroup.threads", "cgroup.subtree_control")


def controllers() -> frozenset[str]:
    """Return the cgroup controllers that nodes have here: those that this kernel's cgroup2 gives to its children.

    systemd on cgroup2 gives memory and pids, and cpu where a unit asks for it; nothing of that is changed. Where the
    controllers are those of version 1, cgroup2 has none.
    """
    top = _mounted_version_2()
    return frozenset((top / "cgroup.subtree_control").read_text().split()) if top else frozenset()


def missing_limits() -> tuple[str, ...]:
    """Return the controllers that limit a node and are in neither version of cgroups here."""
    return tuple(kind.name for kind in (_MEMORY, _TASKS) if _hierarchy(kind) is None)


def of_process(pid: int) -> tuple[Path, ...]:
    """Return the cgroups of a process in the hierarchies that limit nodes, as this process sees them."""
    lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    found = []
    for kind in (_MEMORY, _TASKS):
        hierarchy = _needed(kind)
        name = "" if hierarchy == _mounted_version_2() else kind.name
        found += [hierarchy / path.lstrip("/") for _, names, path in lines if name in names.split(",")]
    return tuple(dict.fromkeys(found))


class Cgroups:
    """A node's cgroups: one in the hierarchy of version 2, and one in each of version 1 that has a limit's controller.

    Args:
        name: the node's.
        limits: what it may use; None without limits.
        stage: an empty directory where cgroup2 is mounted if it is nowhere.
    """

    def __init__(self, name: str, limits: Limits | None, stage: Path) -> None:
        """Find the hierarchies. Raises OSError."""
        top = _mounted_version_2() or _mount_version_2(stage)
        own = f"{_PREFIX}{name}-{os.urandom(4).hex()}-{os.getpid()}"  # pids of other namespaces may be the same
        self.path = top / own
        """In version 2, where the node's systemd has all its own."""
        wanted = () if limits is None else ((_MEMORY, limits.memory), (_TASKS, limits.tasks))
        self._limits = [(kind, limit, _needed(kind) / own) for kind, limit in wanted]
        self._others = sorted({cgroup for _, _, cgroup in self._limits} - {self.path})

    def make(self, owner: int | None) -> None:
        """Make them, with their limits, and remove what others left that were killed. Raises OSError.

        They are this process's as long as it lives.

        Args:
            owner: the user, and group, that may make cgroups below; None for root.
        """
        for path in (self.path, *self._others):
            _remove_orphans(path.parent)
            _make(path)
        for kind, limit, cgroup in self._limits:
            (cgroup / (kind.file if cgroup == self.path else kind.file_1)).write_text(str(limit))
            if kind.swap and (cgroup / kind.swap).exists():
                (cgroup / kind.swap).write_text("0")
        if owner is not None:
            for path in (self.path, *(self.path / name for name in _DELEGATED)):
                os.chown(path, owner, owner)

    def enter(self) -> None:
        """Move this process into them, and with it all that it starts."""
        for path in (self.path, *self._others):
            (path / "cgroup.procs").write_text("0")

    def clear(self) -> None:
        """Remove what an ended boot left below: systemd-shutdown does not remove the cgroups of a container."""
        _remove(self.path, itself=False)

    def remove(self) -> None:
        """Remove them; nothing runs in them any more."""
        for path in (self.path, *self._others):
            _remove(path)


def _mounted_version_2() -> Path | None:
    return next((mount.point for mount in mounted() if mount.fstype == "cgroup2"), None)


def _mount_version_2(stage: Path) -> Path:
    # Never beside an existing mount: every mount from the first cgroup namespace sets the options of all.
    path = stage / "cgroup"
    path.mkdir()
    kernel.mount("cgroup2", path, "cgroup2")
    return path


def _hierarchy(kind: _Controller) -> Path | None:
    """The hierarchy that has a controller for its cgroups; None if none has."""
    if kind.name in controllers():
        return _mounted_version_2()
    return next((each.point for each in mounted() if each.fstype == "cgroup" and kind.name in each.options), None)


def _needed(kind: _Controller) -> Path:
    """`_hierarchy`; OSError if none has it."""
    hierarchy = _hierarchy(kind)
    if hierarchy is None:
        raise OSError(f"this kernel has no cgroup controller {kind.name}, which limits a node")
    return hierarchy


def _make(cgroup: Path) -> None:
    """Make a cgroup, and lock it as long as this process lives. Whoever finds it before that may remove it."""
    while True:
        cgroup.mkdir()
        with suppress(FileNotFoundError):
            descriptor = _lock(cgroup)
            if cgroup.exists():
                return
            os.close(descriptor)


def _lock(cgroup: Path, *, wait: bool = True) -> int:
    """Lock a cgroup until the descriptor is closed; BlockingIOError if another has it, and this one is not to wait.

    Supervisors may be in other namespaces, so a pid says nothing.
    """
    descriptor = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_orphans(hierarchy: Path) -> None:
    """Remove the cgroups of supervisors that were killed themselves; their nodes died with them."""
    for path in hierarchy.glob(f"{_PREFIX}*"):
        # What is not there any more, its supervisor has removed; what is locked, or in use, is no orphan.
        with suppress(FileNotFoundError, BlockingIOError):
            descriptor = _lock(path, wait=False)
            try:
                if not _has_processes(path):
                    _remove(path)
            finally:
                os.close(descriptor)


def _has_processes(cgroup: Path) -> bool:
    return any((Path(path) / "cgroup.procs").read_text() for path, _, _ in os.walk(cgroup))


def _remove(top: Path, *, itself: bool = True) -> None:
    """Remove the cgroups below top, which have no processes left, and top itself too unless told otherwise."""
    for path, _, _ in os.walk(top, topdown=False):
        if itself or Path(path) != top:
            _rmdir(Path(path))


def _rmdir(cgroup: Path) -> None:
    # Newer kernels let go of a cgroup's last process a moment after it was waited for.
    deadline = time.monotonic() + 5
    while True:
        try:
            cgroup.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return
