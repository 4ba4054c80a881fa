"""What the kernel tells of processes and control groups, and what the shell before a command has noted."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

from cltab2systemd.groups.overview import Usage
from cltab2systemd.probing.notes import LONGEST, NOTE, Note, parsed
from cltab2systemd.text import decoded
from cltab2systemd.units.commands import health_directory, throttle_directory

# Of a command line: a shell, its option, and the beginning of its script.
_LONGEST_START = 8192


def clock_offset() -> int:
    """µs to be added to CLOCK_MONOTONIC to get the time since 1970, as it is now."""
    return (time.time_ns() - time.monotonic_ns()) // 1000


def boot_id() -> str:
    """The id of this boot of the machine, as in `_BOOT_ID=` of the journal; empty if the kernel does not tell."""
    return b"".join(_words("/proc/sys/kernel/random/boot_id")).replace(b"-", b"").decode("ascii", "replace")


def started_at(pid: int) -> int | None:
    """When a process was started, CLOCK_MONOTONIC in µs, or somewhat earlier; None if there is none."""
    words = _words(f"/proc/{pid}/stat")
    # The name in parentheses may have blanks. Behind it the 20th field is the start, in ticks since the boot.
    behind = b" ".join(words).rpartition(b")")[2].split()
    if len(behind) < 20:
        return None
    since_boot = int(behind[19]) * 1_000_000 // os.sysconf("SC_CLK_TCK")
    asleep = (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()) // 1000
    return since_boot - asleep


class Kernel:
    """Asks how processes are at this moment. OSError if a process is gone."""

    def name(self, pid: int) -> str:
        """The name of a process: what it was executed from, or what it calls itself."""
        return decoded(Path(f"/proc/{pid}/comm").read_bytes())

    def command_line(self, pid: int) -> bytes:
        """The beginning of the words of a process, each with a NUL behind it; none if it has ended."""
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123
            return file.read(_LONGEST_START)

    def program(self, pid: int) -> str:
        """The path of the program that a process executes. FileNotFoundError if it has ended; PermissionError."""
        return str(Path(f"/proc/{pid}/exe").readlink())

    def control_groups(self, pid: int) -> list[str]:
        """The control groups of a process, a line for each hierarchy as in /proc/PID/cgroup."""
        return decoded(Path(f"/proc/{pid}/cgroup").read_bytes()).splitlines()

    def lacked_memory(self, group_slice: str) -> bool:
        """Whether it has killed anything in a slice for want of memory; False where it does not count that."""
        above = group_slice.partition("-")[0]
        try:
            events = Path(f"/sys/fs/cgroup/{above}.slice/{group_slice}/memory.events").read_text(encoding="utf-8")
        except OSError:
            return False
        return any(line.startswith("oom_kill ") and line != "oom_kill 0" for line in events.splitlines())

    def was_not_executed(self, unit: str) -> bool:
        """Whether that shell has noted that the words of the entry could not be executed."""
        return self.respawns(unit)[3:] == ["203"]

    def health(self, unit: str) -> Note | None:
        """What the service that asks whether an entry is well has noted; None if it was well, or nobody has asked."""
        return parsed(decoded(_beginning(f"/run/{health_directory(unit)}/{NOTE}", LONGEST)))

    def usage(self, group_slice: str, unit: str) -> Usage:
        """What the control group of a service in a slice uses, as far as the kernel counts it."""
        directory = f"/sys/fs/cgroup/{group_slice.partition('-')[0]}.slice/{group_slice}/{unit}"
        cpu = _words(f"{directory}/cpu.stat")
        return Usage(
            _number(_words(f"{directory}/memory.current")),
            _number(cpu[1:]) if cpu[:1] == [b"usage_usec"] else None,
            _number(_words(f"{directory}/pids.current")),
        )

    def respawns(self, unit: str) -> list[str]:
        """What the shell before the command of a respawn entry has noted (`commands.throttled`); empty if nothing."""
        return [*map(decoded, _words(f"/run/{throttle_directory(unit)}/respawns"))]


def _words(path: str) -> list[bytes]:
    """The words at the beginning of a file; none if it is not there."""
    return _beginning(path, _LONGEST_START).split()


def _beginning(path: str, most: int) -> bytes:
    """The beginning of a file; nothing if it is not there.

    It may be in a directory of an entry's user: a FIFO in its place is not waited for, and a link not followed.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.read(descriptor, most) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _number(words: list[bytes]) -> int | None:
    return int(words[0]) if words and words[0].isdigit() else None
