"""What runs in a node with users of its own does not reach the host: programs that try to, and what is left of them."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import NodeFactory, alive, cgroups_of, host_state

from cltab2systemd.node.errors import NodeError
from cltab2systemd.node.node import Node
from cltab2systemd.node.spec import Limits, NodeSpec
from lab.install import PROJECT
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

INTRUDER = Path(__file__).with_name("intruder.py")
LIMITS = Limits(memory=256 << 20, tasks=300)


def spec(name: str, **options: object) -> NodeSpec:
    return NodeSpec(name, **{"own_users": True, "limits": LIMITS, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def apart(lab: None) -> Iterator[Node]:
    """A node with users of its own, for tests that leave it as it is."""
    with Node(spec("apart")) as node:
        yield node


def handle_of(path: Path) -> tuple[int, str]:
    """The kernel's handle of a file: its kind, and its bytes in hexadecimal digits."""
    libc = ctypes.CDLL(None, use_errno=True)

    class Handle(ctypes.Structure):
        _fields_ = (("size", ctypes.c_uint), ("kind", ctypes.c_int), ("data", ctypes.c_ubyte * 128))

    handle, mount = Handle(size=128), ctypes.c_int()
    assert libc.name_to_handle_at(-100, bytes(path), ctypes.byref(handle), ctypes.byref(mount), 0) == 0
    return handle.kind, bytes(handle.data[: handle.size]).hex()


@pytest.fixture
def bait(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """What the host has that a node could reach, if it could."""
    directory = Path("/var/lib") / f"bait-{os.getpid()}"
    directory.mkdir()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory)
        secret, fifo, path = (directory / name for name in ("secret", "fifo", "socket"))
        secret.write_text("secret")
        os.mkfifo(fifo)
        reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        stack.callback(os.close, reading)
        listeners = []
        for family, address in (
            (socket.AF_UNIX, str(path)),
            (socket.AF_UNIX, f"\0bait-{os.getpid()}"),
            (socket.AF_INET, ("127.0.0.1", 0)),
        ):
            listener = stack.enter_context(closing(socket.socket(family)))
            listener.bind(address)
            listener.listen()
            listeners.append(listener)
        kind, handle = handle_of(secret)
        yield {
            "file": str(secret), "fifo": str(fifo), "socket": str(path), "abstract": f"bait-{os.getpid()}",
            "port": listeners[2].getsockname()[1], "pid": os.getpid(), "name": "pytest", "handle": handle,
            "handle_kind": kind, "machine": Path("/etc/machine-id").read_text().strip() or "-",
        }  # fmt: skip


def ways_out(node: Node, bait: dict[str, object], *ways: str) -> list[str]:
    """What the program says that tries to get out of a node."""
    program = ("systemd-run", "--wait", "--pipe", "--quiet", "python3", "-", json.dumps(bait), *ways)
    with node.popen(*program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(INTRUDER.read_bytes())
        process.stdin.close()
        while process.poll() is None:  # for the way by what comes in from the host
            node.run("true")
        return process.stdout.read().decode().splitlines()


def test_ways_out(apart: Node, bait: dict[str, object]) -> None:
    """A program that is root in the node finds no way to the host's devices, parameters, files, processes, or clock."""
    name = socket.gethostname()
    told = ways_out(apart, bait)

    assert [line for line in told if line.endswith(" WORKS")] == []
    assert len(told) == INTRUDER.read_text().count("\ndef ") - 3  # all ways were tried: the others are its helpers
    assert socket.gethostname() == name
    assert Path(str(bait["file"])).read_text() == "secret"


def test_a_node_without_users_of_its_own_is_no_prison(node_factory: NodeFactory, bait: dict[str, object]) -> None:
    """The same program gets out of such a node, so it knows ways out; that one is for programs that are known."""
    ways = ("devices_by_devtmpfs", "parameter_by_remounting", "debugfs")

    assert ways_out(node_factory("open"), bait, *ways) == [f"{way} WORKS" for way in ways]
    assert ways_out(node_factory("open"), bait, "device_by_mknod")[0].startswith("device_by_mknod: ")


def test_it_does_what_a_machine_does(apart: Node) -> None:
    """Its root can set its network up, mount, have other users, and services with all kinds of sandboxes."""
    apart.shell(
        "ip link set lo up; ip address add 192.0.2.7/32 dev lo; echo 1 >/proc/sys/net/ipv4/ip_forward;"
        "hostname other; hostname apart; mount -t tmpfs tmpfs /mnt; umount /mnt; chown nobody:nogroup /srv; id nobody"
    )
    assert apart.run("stat", "--format=%U", "/etc/passwd", "/run", "/tmp", "/").stdout.split() == ["root"] * 4
    assert apart.run("systemctl", "is-system-running").stdout == "running\n"
    sandbox = (
        "DynamicUser=yes", "PrivateTmp=yes", "ProtectSystem=strict", "ProtectHome=yes", "PrivateDevices=yes",
        "ProtectKernelTunables=yes", "ProtectKernelModules=yes", "ProtectControlGroups=yes", "ProtectProc=invisible",
        "PrivateNetwork=yes", "RestrictNamespaces=yes", "SystemCallFilter=@system-service", "StateDirectory=sandbox",
        "NoNewPrivileges=yes", "LimitNOFILE=100000", "Nice=5", "OOMScoreAdjust=100",
    )  # fmt: skip
    words = [word for setting in sandbox for word in ("--property", setting)]
    done = apart.run("systemd-run", "--wait", "--pipe", "--quiet", "--unit=sandboxed", *words, "id", "-un")
    assert done.stdout == "sandboxed\n"


def test_its_limits(lab: None) -> None:
    """Memory, files in memory, and processes have an end: those who want more fail, and the node goes on."""
    eats = {
        "memory": "x = bytearray(1 << 30)",
        "files": "open('/root/file', 'wb').write(bytes(1 << 30))",
        "shared": "open('/dev/shm/file', 'wb').write(bytes(1 << 30))",
        "tasks": "import os, time\nwhile True:\n    if not os.fork(): time.sleep(600)",
    }
    with Node(spec("greedy")) as node:
        for unit, program in eats.items():
            node.run("systemd-run", "--wait", "--quiet", f"--unit={unit}", "python3", "-c", program, check=False)
            node.run("systemctl", "stop", unit, check=False)
        results = [node.run("systemctl", "show", "--value", "--property=Result", unit).stdout.strip() for unit in eats]
        assert "success" not in results
        node.run("systemd-run", "--wait", "--quiet", "true")
        assert len(cgroups_of("greedy")) >= 1
    assert cgroups_of("greedy") == []


@pytest.mark.parametrize(
    "program",
    [
        "x = bytearray(1 << 30)",
        "import os, time\nfor _ in range(400):\n    os.fork() or os.closerange(0, 3) or time.sleep(2)",
    ],
    ids=["memory", "tasks"],
)
def test_what_enters_has_its_limits(lab: None, program: str) -> None:
    """A command that is run in it from outside counts as its own, or a program there could trace it."""
    with Node(spec("entered")) as node:
        assert node.run("python3", "-c", program, check=False).returncode != 0
        wait_until(lambda: node.run("true", check=False).returncode == 0, what="the node goes on")


def test_its_time(lab: None) -> None:
    """It ends when its seconds are over, whatever whoever booted it is doing."""
    node = Node(spec("short", seconds=1.0))
    node.boot()
    pid = node.pid
    wait_until(lambda: not alive(pid), what="the node ended by itself")
    node.stop()
    assert cgroups_of("short") == []


def test_its_files_are_not_followed(apart: Node) -> None:
    """What it has put in a path leads nobody from the host anywhere."""
    with pytest.raises(NodeError, match="by commands that run in it only"):
        apart.read("/etc/passwd")


def test_reboot(lab: None) -> None:
    """It can be booted again on the same files."""
    with Node(spec("again")) as node:
        node.shell("echo kept >/etc/kept; touch /run/lost")
        node.reboot()
        assert node.shell("cat /etc/kept; test ! -e /run/lost").stdout == "kept\n"


def test_nothing_is_left_after_sigkill(lab: None) -> None:
    """When whoever booted it is killed, the node, its supervisor, and its cgroups are gone."""
    script = (
        "import time; from cltab2systemd.node.node import Node; from cltab2systemd.node.spec import *\n"
        "node = Node(NodeSpec('orphan', own_users=True, limits=Limits(1 << 28, 300))); node.boot()\n"
        "print(node.pid, node._link.pid, flush=True); time.sleep(600)"
    )
    before = host_state()
    with subprocess.Popen([sys.executable, "-c", script], cwd=PROJECT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [*map(int, parent.stdout.readline().split())]
        assert cgroups_of("orphan")
        os.kill(parent.pid, signal.SIGKILL)
    for pid in pids:
        wait_until(lambda pid=pid: not alive(pid), what="it is gone")  # type: ignore[misc]
    assert cgroups_of("orphan") == []
    assert host_state().mounts == before.mounts


def test_where_it_cannot_be_had(lab: None) -> None:
    """Each reason for which there can be none is told, with what to do."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from cltab2systemd.node import host; from cltab2systemd.node.spec import *\n"
        "print(host.shortcoming(NodeSpec('x', own_users=True, limits=Limits(1, 1))))"
    )

    def told(*before: str) -> str:
        words = [*before, sys.executable, "-c", code, str(PROJECT)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert told() == "None\n"
    assert "run this as root" in told("setpriv", "--reuid=65534", "--clear-groups")
    assert "CAP_SYS_ADMIN" in told("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")
    no_users = 'mount -t tmpfs tmpfs /proc/sys/user; echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"'
    assert "user.max_user_namespaces" in told("unshare", "--mount", "sh", "-c", no_users, "sh")
    no_cgroups = 'umount --recursive --lazy /sys/fs/cgroup; exec "$@"'
    assert "no cgroup controller memory and no pids" in told("unshare", "--mount", "sh", "-c", no_cgroups, "sh")
