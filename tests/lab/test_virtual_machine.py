"""The lab's virtual machine: it boots, sees this machine's files, writes none of them, and ends with its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import alive

from lab import bootfiles, machine
from lab.install import PROJECT
from lab.machine import REPORTS, Machine
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.bootfiles import Kernel

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    """Debian's kernel; no test without what a machine needs, and in CI a failure."""
    if reason := machine.shortcoming():
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    return bootfiles.kernel()


def test_modules_are_in_order(kernel: Kernel) -> None:
    """Each comes behind those that it needs, and all that a guest needs is there or in the kernel itself."""
    names = [path.name.partition(".")[0] for path in kernel.modules]
    assert len(names) == len(set(names))
    before = {"9pnet_virtio": "9pnet", "9p": "9pnet", "virtio_pci": "virtio"}
    assert all(names.index(other) < names.index(name) for name, other in before.items() if other in names)
    assert "overlay" in names


def test_the_initramfs_is_an_archive(kernel: Kernel, tmp_path: Path) -> None:
    """What others unpack of it is what was put in."""
    packed = bootfiles.initramfs(kernel.modules, "echo the job\n")
    unpack = ["/bin/busybox", "cpio", "-i", "-d"]
    subprocess.run(unpack, cwd=tmp_path, input=packed, check=True, capture_output=True)
    assert (tmp_path / "job").read_text() == "echo the job\n"
    assert os.access(tmp_path / "init", os.X_OK)
    loaded = sorted(path.name.partition("-")[2] for path in (tmp_path / "modules").iterdir())
    assert sorted(f"{path.name.partition('.')[0]}.ko" for path in kernel.modules) == loaded


def test_a_command(kernel: Kernel) -> None:
    """It has cgroup controllers and this machine's files; what it writes, and the machine, are gone at its end."""
    name = f"/etc/t{uuid.uuid4().hex}"
    script = f"cat /sys/fs/cgroup/cgroup.controllers; pwd; echo printed >{name}; cat {name} >&2"
    argv = ["sh", "-ec", f"({script}) >{REPORTS}"]
    with Machine(argv, directory=PROJECT, environment=ENVIRONMENT) as it:
        controllers, *lines = it.lines()
        assert {"cpu", "memory", "pids"} <= set(controllers.split())
        assert [str(PROJECT)] == lines
        assert "printed" in it.log()
        assert kernel.release in str(it)
        pid = it.pid
    assert not alive(pid)
    assert not Path(name).exists()


def test_it_ends_with_its_process(kernel: Kernel) -> None:
    """Nothing is left of a machine whose process is killed."""
    boot = (
        "from lab.machine import Machine\n"
        "from pathlib import Path\n"
        f"it = Machine(['sleep', '1000'], directory=Path('/'), environment={ENVIRONMENT!r})\n"
        "print(it.pid, flush=True)\n"
        "next(it.lines())\n"
    )
    with subprocess.Popen([sys.executable, "-c", boot], cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert alive(pid)
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: not alive(pid), what="qemu is gone")
