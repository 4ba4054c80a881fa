"""The process that owns a node: started by `link` with a node's description.

It makes the node's cgroup and overlay, forks the node's PID 1, and when its standard input ends, because the node is
to be stopped or because whoever booted it died, it kills the node and removes the cgroup. Everything else that a node
is made of lives in namespaces and goes with its last process.

Commands, one per line on standard input: ``boot`` and ``kill SIGNAL``. Events, one per line on standard output:
``pid PID``, ``ready``, ``exit STATUS`` (negative: a signal's number). Standard error is the boot log.
"""

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from cltab2systemd.node import kernel, rootfs
from cltab2systemd.node.cgroups import Cgroups
from cltab2systemd.node.kernel import Capability, Clone, Mount
from cltab2systemd.node.spec import BRIDGE, NodeSpec, Port
from cltab2systemd.node.users import FIRST, Users

# Covered by a tmpfs in our own mount namespace. Neither layers nor binds nor the cgroups are below it.
_STAGE = Path("/sys/kernel")
_NOTIFY = Path("/run/host/notify")
_SYSTEMD = "/lib/systemd/systemd"
_ENVIRONMENT = {
    "container": "cltab-node",
    "NOTIFY_SOCKET": str(_NOTIFY),
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
    "LANG": "C.UTF-8",
}


class Supervisor:
    """One node, from its first boot to its end; boots may follow each other on the same files."""

    def __init__(self, spec: NodeSpec) -> None:
        """Make the node's cgroup and its root. Raises OSError naming the call that failed."""
        self._spec = spec
        self._own_process = os.pidfd_open(os.getpid())
        self._own_pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY)
        kernel.unshare(Clone.NEWNS)
        # Slave: nothing of ours is seen outside, yet what the host unmounts does not stay busy here.
        kernel.mount("none", "/", flags=Mount.REC | Mount.SLAVE)
        kernel.mount("tmpfs", _STAGE, "tmpfs", data=rootfs.sized("mode=755", spec, 4))
        self._cgroups = Cgroups(spec.name, spec.limits, _STAGE)
        self._users = Users() if spec.own_users else None
        self._root = rootfs.mount_overlay(_STAGE, spec, self._users)
        self._pid = 0
        self._pidfd = -1
        self._notify = socket.socket()

    def serve(self) -> None:
        """Carry out commands until the pipe ends, then end the node."""
        deadline = None if self._spec.seconds is None else time.monotonic() + self._spec.seconds
        try:
            self._cgroups.make(FIRST if self._users else None)
            buffer = b""
            while True:
                sources = [0, *((self._pidfd, self._notify.fileno()) if self._pid else ())]
                left = None if deadline is None else max(deadline - time.monotonic(), 0)
                readable, _, _ = select.select(sources, [], [], left)
                if not readable:
                    print(f"node: its {self._spec.seconds:g} s are over", file=sys.stderr, flush=True)
                    break
                if self._notify.fileno() in readable and b"READY=1" in self._notify.recv(4096).split(b"\n"):
                    _tell("ready")
                if self._pidfd in readable:
                    self._reap()
                if 0 in readable:
                    data = os.read(0, 4096)
                    if not data:
                        break
                    *lines, buffer = (buffer + data).split(b"\n")
                    for line in lines:
                        self._obey(line.decode())
        finally:
            if self._pid:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
                self._reap()
            self._cgroups.remove()

    def _obey(self, command: str) -> None:
        match command.split():
            case ["boot"] if not self._pid:
                self._boot()
            case ["kill", number] if self._pid:
                signal.pidfd_send_signal(self._pidfd, int(number))

    def _boot(self) -> None:
        self._cgroups.clear()
        self._notify.close()
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        namespaces = self._users.namespaces(self._cgroups.enter) if self._users else {}
        kernel.unshare(Clone.NEWPID)
        self._pid = os.fork()
        if not self._pid:
            self._become_init(namespaces)
        for namespace in namespaces.values():
            os.close(namespace)
        self._pidfd = os.pidfd_open(self._pid)
        # A process can make a second pid namespace for its children only from its own.
        kernel.setns(self._own_pid_namespace, Clone.NEWPID)
        _tell(f"pid {self._pid}")

    def _become_init(self, namespaces: Mapping[Clone, int]) -> NoReturn:
        try:
            self._exec_systemd(namespaces)
        except BaseException as error:  # noqa: BLE001 - a forked child must not return into its parent's code
            print(f"node: {error}", file=sys.stderr, flush=True)
            os._exit(1)

    def _exec_systemd(self, namespaces: Mapping[Clone, int]) -> NoReturn:
        self._die_with_supervisor()
        self._cgroups.enter()
        kernel.unshare(Clone.NEWNS)
        if self._users is None:
            kernel.unshare(Clone.NEWCGROUP | Clone.NEWIPC | Clone.NEWUTS | Clone.NEWNET)
        for kind, namespace in namespaces.items():
            kernel.setns(namespace, kind)
        socket.sethostname(self._spec.name)
        if self._spec.port:
            _join(self._spec.port)
        rootfs.mount_api_filesystems(self._root, self._spec, self._users)
        kernel.enter_root(self._root)
        for capability in Capability:
            kernel.drop_from_bounding_set(capability)
        if self._users is not None:
            self._users.become_root()
            self._die_with_supervisor()  # again: for another user it does not hold
        # As on a real system; a container's systemd leaves it to the container manager.
        kernel.mount("none", "/", flags=Mount.REC | Mount.SHARED)
        _NOTIFY.parent.mkdir()
        # The parent reads from this same socket: no path that both of them see is needed.
        self._notify.bind(str(_NOTIFY))
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null if self._users else 2, 1)
        os.dup2(1, 2)
        os.execve(_SYSTEMD, [_SYSTEMD, "--system", "--log-target=journal", "--show-status=no"], _ENVIRONMENT)  # noqa: S606

    def _die_with_supervisor(self) -> None:
        kernel.die_with_parent()
        if select.select([self._own_process], [], [], 0)[0]:
            sys.exit("the supervisor is gone")

    def _reap(self) -> None:
        _, status = os.waitpid(self._pid, 0)
        os.close(self._pidfd)
        self._pid, self._pidfd = 0, -1
        # The pipe may be broken already: that is one of the ways to end a node.
        with suppress(BrokenPipeError):
            _tell(f"exit {os.waitstatus_to_exitcode(status)}")


def _join(port: Port) -> None:
    # From the node's network namespace, in which this process is; both ends are made in it, none on the host.
    within = ("nsenter", f"--net={port.namespace}")
    # The kernel removes the namespace of an earlier boot, and its end of the cable, only a while after its processes.
    os.spawnvp(os.P_WAIT, "sh", ["sh", "-c", '"$@" 2>/dev/null', "sh", *within, "ip", "link", "del", port.device])  # noqa: S606
    for argv in (
        ("ip", "link", "add", "eth0", "type", "veth", "peer", "name", port.device),
        ("ip", "link", "set", port.device, "netns", port.namespace),
        (*within, "ip", "link", "set", port.device, "master", BRIDGE, "up"),
        ("ip", "address", "add", f"{port.address}/24", "dev", "eth0"),
        ("ip", "link", "set", "eth0", "address", port.hardware_address, "up"),
    ):
        if os.spawnvp(os.P_WAIT, argv[0], argv) != 0:  # noqa: S606
            raise OSError(f"cannot join the network: {' '.join(argv)}")


def _tell(event: str) -> None:
    os.write(1, f"{event}\n".encode())


def main() -> None:
    """Run the supervisor for the spec in the first argument."""
    os.umask(0o022)
    # A Ctrl-C is for the program that booted the node; it decides what becomes of the node.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        Supervisor(NodeSpec.from_json(sys.argv[1])).serve()
    except OSError as error:
        sys.exit(f"node: {error}")
