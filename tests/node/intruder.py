"""A program that tries to get out of the node in which it runs as root. It prints a line for each way that works.

The host's side is in the arguments: the port of a listener on its loopback, an abstract socket, a path on its root
filesystem with a FIFO and a socket, its process id, and the file handle of a file of its. It runs with nothing of the
project's. Behind that the names of the ways that it tries; it tries all if there is none.
"""

import ctypes
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

LIBC = ctypes.CDLL(None, use_errno=True)
HOST = json.loads(sys.argv[1])
NODEV, RDONLY, REMOUNT, BIND = 4, 1, 32, 4096


def call(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    pathlib.Path(target).mkdir(parents=True, exist_ok=True)
    call(LIBC.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode()))


def write(path: str, text: str) -> None:
    pathlib.Path(path).write_text(text, encoding="utf-8")


def devices_by_devtmpfs() -> None:
    mount("dev", "/mnt/dev", "devtmpfs")


def device_by_mknod() -> None:
    for number in (os.makedev(8, 0), os.makedev(254, 0), os.makedev(1, 1)):
        os.mknod(f"/root/device-{number}", 0o60600, number)


def device_by_remounting() -> None:
    call(LIBC.mount(b"none", b"/", b"", REMOUNT | BIND, b""))
    os.mknod("/root/other", 0o60600, os.makedev(254, 0))


def memory_by_device() -> None:
    os.mknod("/dev/mem", 0o20600, os.makedev(1, 1))
    os.close(os.open("/dev/mem", os.O_RDONLY))


def parameter() -> None:
    write("/proc/sys/kernel/core_pattern", pathlib.Path("/proc/sys/kernel/core_pattern").read_text(encoding="utf-8"))


def parameter_by_remounting() -> None:
    call(LIBC.mount(b"none", b"/proc/sys", b"", REMOUNT | BIND, b""))
    parameter()


def parameter_by_unmounting() -> None:
    call(LIBC.umount2(b"/proc/sys", 2))
    parameter()


def parameter_by_another_proc() -> None:
    mount("proc", "/mnt/proc", "proc")
    write("/mnt/proc/sys/kernel/panic", pathlib.Path("/proc/sys/kernel/panic").read_text(encoding="utf-8"))


def sysrq() -> None:
    write("/proc/sysrq-trigger", "h")


def sysfs() -> None:
    call(LIBC.mount(b"none", b"/sys", b"", REMOUNT | BIND, b""))
    write("/sys/kernel/profiling", "0")


def debugfs() -> None:
    mount("debugfs", "/mnt/debug", "debugfs")


def tracefs() -> None:
    mount("tracefs", "/mnt/trace", "tracefs")


def securityfs() -> None:
    mount("securityfs", "/mnt/security", "securityfs")


def hosts_filesystem() -> None:
    for line in pathlib.Path("/proc/partitions").read_text(encoding="utf-8").splitlines()[2:]:
        name = line.split()[3]
        for kind in ("ext4", "xfs", "btrfs"):
            try:
                mount(f"/dev/{name}", "/mnt/disk", kind, RDONLY)
            except OSError:
                continue
            return
    raise OSError("none")


def file_by_handle() -> None:
    class Handle(ctypes.Structure):
        _fields_ = (("size", ctypes.c_uint), ("kind", ctypes.c_int), ("data", ctypes.c_char * 128))

    data = bytes.fromhex(HOST["handle"])
    handle = Handle(len(data), HOST["handle_kind"], data)
    for directory in ("/", "/proc", "/sys", "/dev", "/run", "/sys/fs/cgroup"):
        root = os.open(directory, os.O_RDONLY)
        found = LIBC.open_by_handle_at(root, ctypes.byref(handle), os.O_RDONLY)
        if found >= 0 and os.read(found, 6) == b"secret":
            return
    raise OSError("no")


def limit_by_cgroup() -> None:
    for name in ("memory.max", "pids.max", "cgroup.max.descendants"):
        if pathlib.Path("/sys/fs/cgroup", name).exists():
            write(f"/sys/fs/cgroup/{name}", "max")
            return
    raise OSError("none")


def limit_by_cgroup_of_version_1() -> None:
    for kind, name in (("memory", "memory.limit_in_bytes"), ("pids", "pids.max")):
        mount("cgroup", f"/mnt/{kind}", "cgroup", data=kind)
        write(f"/mnt/{kind}/{name}", "-1")


def leave_cgroup() -> None:
    mount("cgroup2", "/mnt/cgroup2", "cgroup2")
    names = {path.name for path in pathlib.Path("/mnt/cgroup2").iterdir()}
    if "init.scope" in names:
        raise OSError("its own")


def devices_of_cgroup() -> None:
    mount("cgroup", "/mnt/devices", "cgroup", data="devices")
    write("/mnt/devices/devices.allow", "a")


def clock() -> None:
    time.clock_settime(time.CLOCK_REALTIME, time.time())


def clock_by_adjtimex() -> None:
    buffer = (ctypes.c_long * 64)()
    buffer[0] = 0x4000  # ADJ_TICK
    buffer[11] = 10000
    call(LIBC.adjtimex(buffer))


def module() -> None:
    call(LIBC.syscall(ctypes.c_long(313 if os.uname().machine == "x86_64" else 273), 0, b"", 0))


def kernel_log() -> None:
    if not call(LIBC.klogctl(5, None, 0)) == 0:  # clears it
        raise OSError("no")


def log_device() -> None:
    mount("proc", "/mnt/proc2", "proc")
    os.close(os.open("/mnt/proc2/kmsg", os.O_RDONLY))


def bpf() -> None:
    attributes = (ctypes.c_uint * 32)(2, 4, 4, 1)
    call(LIBC.syscall(ctypes.c_long(321 if os.uname().machine == "x86_64" else 280), 0, attributes, 72))


def see_processes() -> None:
    if len(list(pathlib.Path("/proc").glob("[0-9]*"))) > 60:
        return
    raise OSError("only its own")


def kill_host() -> None:
    os.kill(HOST["pid"], 0)
    command = pathlib.Path(f"/proc/{HOST['pid']}/cmdline").read_bytes()
    if HOST["name"].encode() not in command:
        raise OSError("another")


def hosts_file() -> None:
    write(HOST["file"], "changed")
    raise OSError("its own, which the host compares")


def parents_file() -> None:
    """What is open in a process that came from the host leads to the host's file."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        for descriptor in (process / "fd").glob("*"):
            target = str(descriptor.readlink())
            if target.startswith("/") and "deleted" in target:
                os.close(os.open(descriptor, os.O_WRONLY))
                return
    raise OSError("none")


def write_its_programs() -> None:
    """What runs that came from the host is the host's program."""
    while True:
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if b"nsenter" in (process / "cmdline").read_bytes():
                    os.close(os.open(process / "exe", os.O_WRONLY))
                    return
            except OSError as error:
                if error.errno in {1, 13}:
                    raise
        if time.monotonic() > DEADLINE:
            raise OSError("none was seen")


def listener() -> None:
    socket.create_connection(("127.0.0.1", HOST["port"]), timeout=1).close()


def abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX) as end:
        end.connect("\0" + HOST["abstract"])


def socket_file() -> None:
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(HOST["socket"])


def fifo() -> None:
    os.close(os.open(HOST["fifo"], os.O_WRONLY | os.O_NONBLOCK))


def system_bus() -> None:
    """The node has one of its own: it must not be the host's systemd that answers."""
    systemd = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.DBus.Peer", "GetMachineId")
    done = subprocess.run(["busctl", "call", *systemd], capture_output=True, text=True, check=True)
    if HOST["machine"] not in done.stdout:
        raise OSError("its own")


def host_name() -> None:
    socket.sethostname("intruder")
    raise OSError("its own, which the host compares")


def reboot() -> None:
    call(LIBC.reboot(0))  # has Ctrl-Alt-Del be a signal


def priority() -> None:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def trace_init() -> None:
    call(LIBC.ptrace(16, HOST["pid"], 0, 0))


def swap() -> None:
    write("/root/swap", "")
    os.truncate("/root/swap", 1 << 20)
    call(LIBC.swapon(b"/root/swap", 0))


def quota_of_users() -> None:
    write("/proc/sys/user/max_user_namespaces", "0")


def accounting() -> None:
    write("/root/account", "")
    call(LIBC.acct(b"/root/account"))


WAYS: tuple[Callable[[], None], ...] = (
    devices_by_devtmpfs, device_by_mknod, device_by_remounting, memory_by_device, parameter, parameter_by_remounting,
    parameter_by_unmounting, parameter_by_another_proc, sysrq, sysfs, debugfs, tracefs, securityfs, hosts_filesystem,
    file_by_handle, limit_by_cgroup, limit_by_cgroup_of_version_1, leave_cgroup, devices_of_cgroup, clock,
    clock_by_adjtimex, module, kernel_log, log_device, bpf, see_processes, kill_host, hosts_file, parents_file,
    listener, abstract_socket, socket_file, fifo, system_bus, host_name, reboot, priority, trace_init, swap,
    quota_of_users, accounting, write_its_programs,
)  # fmt: skip
DEADLINE = time.monotonic() + 20

if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for way in WAYS:
        if sys.argv[2:] and way.__name__ not in sys.argv[2:]:
            continue
        try:
            way()
        except (OSError, subprocess.SubprocessError) as error:
            print(f"{way.__name__}: {error}")
        else:
            print(f"{way.__name__} WORKS")
        sys.stdout.flush()
