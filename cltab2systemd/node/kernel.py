"""The system calls that Python 3.11 does not wrap. Each raises OSError that names the call and its path."""

import ctypes
import enum
import os
import signal
from pathlib import Path
from typing import Any

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)

# These have the same numbers on all architectures but alpha.
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_CLONE_TREE = 1
_MOVE_MOUNT_EMPTY_PATH = 4
_READ_ONLY, _NODEV = 1, 4
_IDMAP = 0x00100000

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_MNT_DETACH = 2


class Clone(enum.IntFlag):
    """Namespaces, for unshare and setns."""

    NEWNS = 0x00020000
    NEWCGROUP = 0x02000000
    NEWUTS = 0x04000000
    NEWIPC = 0x08000000
    NEWUSER = 0x10000000
    NEWPID = 0x20000000
    NEWNET = 0x40000000


class Mount(enum.IntFlag):
    """Flags of mount(2)."""

    NONE = 0
    RDONLY = 1
    NOSUID = 2
    NODEV = 4
    NOEXEC = 8
    REMOUNT = 32
    BIND = 4096
    REC = 16384
    SLAVE = 1 << 19
    SHARED = 1 << 20


class Capability(enum.IntEnum):
    """Capabilities that a node does without, because they reach beyond its namespaces."""

    DAC_READ_SEARCH = 2
    SYS_MODULE = 16
    SYS_RAWIO = 17
    SYS_TIME = 25
    MKNOD = 27
    AUDIT_CONTROL = 30
    MAC_OVERRIDE = 32
    MAC_ADMIN = 33
    SYSLOG = 34
    WAKE_ALARM = 35
    BLOCK_SUSPEND = 36


def _check(result: int, call: str) -> None:
    if result != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{call}: {os.strerror(errno)}")


def mount(source: Path | str, target: Path | str, fstype: str = "", flags: Mount = Mount.NONE, data: str = "") -> None:
    """Mount; a bind mount with RDONLY or the like is made in the two steps that the kernel wants."""
    args = (os.fsencode(source), os.fsencode(target), fstype.encode())  # noqa: TID251 - paths
    call = f"mount of {source} on {target}"
    if Mount.BIND in flags and Mount.REMOUNT not in flags and flags & ~(Mount.BIND | Mount.REC):
        _check(_libc.mount(*args, flags & (Mount.BIND | Mount.REC), None), call)
        flags = (flags | Mount.REMOUNT) & ~Mount.REC
    _check(_libc.mount(*args, flags, os.fsencode(data)), call)  # noqa: TID251 - with paths


class _MountAttributes(ctypes.Structure):
    """struct mount_attr of mount_setattr(2)."""

    _fields_ = tuple((name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "users"))


def mount_of_users(source: Path, target: Path, users: int, *, read_only: bool = False) -> None:
    """Mount source on target, as `tree_of_users` has it."""
    tree = tree_of_users(source, users, read_only=read_only)
    try:
        arguments = tree, b"", _AT_FDCWD, bytes(target), _MOVE_MOUNT_EMPTY_PATH
        _syscall(_MOVE_MOUNT, f"mount of {source} on {target}", *arguments)
    finally:
        os.close(tree)


def tree_of_users(source: Path, users: int, *, read_only: bool = False) -> int:
    """Return a file or directory as a mount that is mounted nowhere yet, with its owners as a user namespace has them.

    What is mounted below it is not in it. Not every filesystem can do that: mount_setattr(2).

    Args:
        source: the file or directory.
        users: the namespace, as an open file.
        read_only: whether nobody can write there.
    """
    call = f"mount of {source} for other users"
    tree = _syscall(_OPEN_TREE, call, _AT_FDCWD, bytes(source), _CLONE_TREE | os.O_CLOEXEC)
    try:
        attributes = _MountAttributes(set=_IDMAP | _NODEV | (_READ_ONLY if read_only else 0), users=users)
        size = ctypes.sizeof(attributes)
        _syscall(_MOUNT_SETATTR, call, tree, b"", _AT_EMPTY_PATH, ctypes.byref(attributes), size)
    except BaseException:
        os.close(tree)
        raise
    return tree


def _syscall(number: int, call: str, *arguments: Any) -> int:
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        _check(result, call)
    return result


def enter_root(root: Path) -> None:
    """Make root, a mount point, the root of this mount namespace, and let go of the old one."""
    os.chdir(root)
    # Both on the same directory, so that nowhere in the new root has to be made for the old one: pivot_root(2).
    _check(_libc.pivot_root(b".", b"."), f"pivot_root {root}")
    _check(_libc.umount2(b".", _MNT_DETACH), "umount of the old root")
    os.chdir("/")


def unshare(flags: Clone) -> None:
    """Move this process into new namespaces; a new pid namespace is for its children only."""
    _check(_libc.unshare(int(flags)), f"unshare {flags!r}")


def setns(fd: int, kind: Clone) -> None:
    """Move this process into the namespace of an open file; for a pid namespace its children."""
    _check(_libc.setns(fd, int(kind)), f"setns {kind!r}")


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl PDEATHSIG")


def drop_from_bounding_set(capability: Capability) -> None:
    """Make the capability unobtainable for this process and all it starts."""
    _check(_libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0), f"drop {capability!r}")
