"""A virtual machine for one command, on this machine's files: for what this kernel does not have, cgroup controllers.

qemu boots Debian's kernel with this machine's root, read-only below a tmpfs, in some seconds; with KVM if a guest comes
up with it, else emulated. Nothing is installed, nothing listens, and all that the command writes goes with the machine.
"""

import fcntl
import os
import platform
import select
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from lab import bootfiles
from lab.errors import LabError

REPORTS = "/dev/ttyS1"
"""Where the command writes lines for the one who started it; what it prints goes to the machine's log."""

SILENCE = 600.0
"""Seconds without a line after which a machine counts as stuck."""

_QEMU = "qemu-system-x86_64"
_BEGUN = "begun"
_ENDED = "ended "
# Seconds for a guest with KVM to come up; in some nested machines it never does.
_KVM_PATIENCE = 8.0
_ACCELERATORS = {
    "KVM": ("-accel", "kvm", "-cpu", "host"),
    "emulated": ("-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max"),
}
# What makes an emulated kernel three times as slow, and guards secrets that are not there.
_KERNEL_OPTIONS = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr no5lvl audit=0 random.trust_cpu=on"


def shortcoming() -> str | None:
    """Return why there can be no virtual machine here and what to do about it, or None if nothing speaks against it."""
    if platform.machine() != "x86_64":
        return f"virtual machines are made for x86_64 only, and this is {platform.machine()}"
    if not shutil.which(_QEMU):
        return f"there is no {_QEMU}: apt install qemu-system-x86"
    if not Path("/bin/busybox").exists():
        return "there is no busybox: apt install busybox-static"
    return None


class Machine:
    """A command (argv, in a directory, with an environment and nothing of ours) in a virtual machine; also a context.

    It ends with its command, and at the latest when this process ends.
    """

    def __init__(self, argv: Sequence[str | Path], *, directory: Path, environment: Mapping[str, str]) -> None:
        """Boot the machine, and return when its kernel is up. Raises LabError with its log."""
        if reason := shortcoming():
            raise LabError(reason)
        self._kernel = bootfiles.kernel()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the machine
        # qemu's own words go to its end too.
        fcntl.fcntl(self._log, fcntl.F_SETFL, os.O_APPEND)
        self._initramfs = tempfile.TemporaryFile()  # noqa: SIM115 - likewise
        self._initramfs.write(bootfiles.initramfs(self._kernel.modules, _job(argv, directory, environment)))
        self._initramfs.flush()
        self._buffer = b""
        for self._accelerator in _ACCELERATORS:
            if self._accelerator == "KVM" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
                continue
            self._process = self._start()
            try:
                self._await_begin()
            except LabError:
                self.close()
                if self._accelerator != "KVM":
                    raise
            except BaseException:
                self.close()
                raise
            else:
                return

    def __enter__(self) -> Self:
        """Give the machine."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the machine."""
        self.close()

    def __str__(self) -> str:
        """Say which kernel runs, and by what."""
        return f"a virtual machine (qemu, {self._accelerator}) with Debian's Linux {self._kernel.release}"

    @property
    def pid(self) -> int:
        """The process id of the machine."""
        return self._process.pid

    def lines(self) -> Iterator[str]:
        """Give what the command writes to REPORTS, line by line, until it ends.

        Raises LabError with the machine's log if it ends otherwise, or nothing comes for SILENCE seconds.
        """
        while not (line := self._line(SILENCE)).startswith(_ENDED):
            yield line

    def log(self) -> str:
        """Return what the kernel and the command have printed so far."""
        return os.pread(self._log.fileno(), 1 << 22, 0).decode(errors="replace")

    def close(self) -> None:
        """End the machine as if by pulling the plug, if it is on."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._buffer = b""

    def _start(self) -> subprocess.Popen[bytes]:
        log, initramfs = self._log.fileno(), self._initramfs.fileno()
        os.ftruncate(log, 0)
        return subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", _QEMU, *_ACCELERATORS[self._accelerator]),
                *("-machine", "q35", "-smp", "2", "-m", "1536", "-nodefaults", "-no-reboot", "-display", "none"),
                *(
                    "-chardev",
                    f"file,id=log,path=/dev/fd/{log},append=on",
                    "-serial",
                    "chardev:log",
                    "-serial",
                    "stdio",
                ),
                *("-kernel", str(self._kernel.image), "-initrd", f"/dev/fd/{initramfs}", "-append", _KERNEL_OPTIONS),
                *("-virtfs", "local,path=/,mount_tag=lab,security_model=none,readonly=on,multidevs=remap"),
            ],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            pass_fds=(log, initramfs),
            # A Ctrl-C is for the program that started the machine.
            start_new_session=True,
        )

    def _await_begin(self) -> None:
        patience = _KVM_PATIENCE if self._accelerator == "KVM" else SILENCE
        while self._line(patience) != _BEGUN:
            pass

    def _line(self, seconds: float) -> str:
        assert self._process.stdout is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not select.select([self._process.stdout], [], [], remaining)[0]:
                raise LabError(f"{self} says nothing for {seconds:g} s\n{self.log()}")
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                raise LabError(f"{self} has ended\n{self.log()}")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="replace").removesuffix("\r")


def _job(argv: Sequence[str | Path], directory: Path, environment: Mapping[str, str]) -> str:
    words = ["env", "-i", *(f"{name}={value}" for name, value in environment.items()), *map(str, argv)]
    return f"""\
exec </dev/null >/dev/ttyS0 2>&1
/bin/stty -F {REPORTS} raw -echo
cd {shlex.quote(str(directory))}
{shlex.join(words)}
echo "{_ENDED}$?" >{REPORTS}
sleep 100
"""
