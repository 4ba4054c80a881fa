"""What a host looks like from outside of a node: to see whether a node has left a trace."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from lab.node import Node

NodeFactory = Callable[..., Node]
"""Type of the fixture node_factory: boots a node, with the arguments of Node."""

_NAMESPACES = ("pid", "mnt", "cgroup", "uts", "ipc", "net")

# Counters that change by themselves.
_RESTLESS = re.compile(
    r"/proc/sys/(kernel/(random/.*|ns_last_pid|pty/nr|tainted)"
    r"|fs/(.*-nr|.*-state|quota/.*|binfmt_misc/.*)|net/netfilter/nf_conntrack_count|vm/.*stat.*)"
)


@dataclass(frozen=True, slots=True)
class HostState:
    """All of a host that a node could have touched; equal if it has not."""

    mounts: frozenset[str]
    cgroups: frozenset[str]
    sockets: frozenset[str]
    sysctls: frozenset[str]
    files: frozenset[str]
    interfaces: frozenset[str]
    descendants: frozenset[str]

    def differences(self, later: "HostState") -> list[str]:
        """Return what has come or gone until later, as "+what: ..." and "-what: ..."."""
        return [
            f"{sign}{field.name}: {entry}"
            for field in fields(self)
            for sign, one, other in (
                ("-", getattr(self, field.name), getattr(later, field.name)),
                ("+", getattr(later, field.name), getattr(self, field.name)),
            )
            for entry in sorted(one - other)
        ]


def alive(pid: int) -> bool:
    """Return whether a process of the host runs: a zombie, which its new parent has yet to wait for, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def host_state() -> HostState:
    """Take a picture of the host. Processes are the caller's descendants only: others come and go."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    cgroup_mounts = [line.split()[4] for line in mounts if re.search(r" - cgroup2? ", line)]
    return HostState(
        mounts=frozenset(mounts),
        cgroups=frozenset(path for mount in cgroup_mounts for path, _, _ in os.walk(mount)),
        sockets=frozenset("".join(line.split()[7:]) for line in Path("/proc/net/unix").read_text().splitlines()),
        sysctls=frozenset(_sysctls()),
        files=frozenset([*_tree("/etc"), *_tree("/run"), *_tree("/dev"), *_names("/tmp")]),
        interfaces=frozenset(_names("/sys/class/net")),
        descendants=frozenset(_descendants(os.getpid())),
    )


@contextmanager
def namespaces(node: Node) -> Iterator[set[str]]:
    """Give the namespaces of a running node, as in the links of /proc/PID/ns, and keep their numbers from reuse."""
    with ExitStack() as stack:
        paths = [Path(f"/proc/{node.pid}/ns/{kind}") for kind in _NAMESPACES]
        for path in paths:
            stack.enter_context(path.open("rb"))
        yield {str(path.readlink()) for path in paths}


def processes_in(spaces: set[str]) -> set[int]:
    """Return the processes of the host that are in any of the namespaces."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        for kind in _NAMESPACES:
            try:
                if str((process / "ns" / kind).readlink()) in spaces:
                    found.add(int(process.name))
            except OSError:
                # It has ended.
                continue
    return found


def cgroups_of(name: str) -> list[str]:
    """Return the cgroups of all nodes of this name, on all hierarchies."""
    return [path for path, _, _ in os.walk("/sys/fs/cgroup") if f"cltab-node-{name}-" in path]


def _names(directory: str) -> list[str]:
    return [path.name for path in Path(directory).iterdir()]


def _sysctls() -> list[str]:
    values = []
    for directory, _, names in os.walk("/proc/sys"):
        for path in (f"{directory}/{name}" for name in names):
            if not _RESTLESS.fullmatch(path):
                try:
                    values.append(f"{path}={Path(path).read_bytes()!r}")
                except OSError:
                    # Some can only be written.
                    continue
    return values


def _tree(top: str) -> list[str]:
    entries = []
    for directory, subdirectories, names in os.walk(top):
        for path in (f"{directory}/{name}" for name in (*subdirectories, *names)):
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                continue
            # Changes of content show in the time; those of a device are its users' doings.
            time = status.st_mtime_ns if top == "/etc" else 0
            entries.append(f"{path} {status.st_mode:o} {status.st_uid}:{status.st_gid} {time}")
    return entries


def _descendants(pid: int) -> list[str]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        for child in (task / "children").read_text().split():
            try:
                command = Path(f"/proc/{child}/cmdline").read_bytes()
                found += [f"{child} {command!r}", *_descendants(int(child))]
            except FileNotFoundError:
                continue
    return found
