"""How a main process ended, or why it could not be started, in words. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cltab2systemd.units.commands import stays_a_shell

if TYPE_CHECKING:
    from cltab2systemd.groups.settings import Settings
    from cltab2systemd.groups.units import Process

# systemd.exec(5), PROCESS EXIT CODES: how systemd's own child exits if it fails before it executes the command.
# That has 245 for BPF; `systemd-analyze exit-status` has it right. Later releases have 245 and 246 as well, for
# MemoryKSM= and MemoryTHP=. On others these are a program's own, so that they are none here.
NOT_EXECUTED = {
    200: "CHDIR: WorkingDirectory=", 201: "NICE", 202: "FDS", 203: "EXEC: the program", 204: "MEMORY",
    205: "LIMITS", 206: "OOM_ADJUST", 207: "SIGNAL_MASK", 208: "STDIN: StandardInput=",
    209: "STDOUT: StandardOutput=", 210: "CHROOT: RootDirectory=", 211: "IOPRIO", 212: "TIMERSLACK", 213: "SECUREBITS",
    214: "SETSCHEDULER", 215: "CPUAFFINITY", 216: "GROUP: Group=", 217: "USER: User=", 218: "CAPABILITIES",
    219: "CGROUP", 220: "SETSID", 221: "CONFIRM", 222: "STDERR: StandardError=", 224: "PAM: PAMName=", 225: "NETWORK",
    226: "NAMESPACE: a path that a directive names", 227: "NO_NEW_PRIVILEGES", 228: "SECCOMP", 229: "SELINUX_CONTEXT",
    230: "PERSONALITY", 231: "APPARMOR", 232: "ADDRESS_FAMILIES", 233: "RUNTIME_DIRECTORY", 235: "CHOWN",
    236: "SMACK_PROCESS_LABEL", 237: "KEYRING", 238: "STATE_DIRECTORY", 239: "CACHE_DIRECTORY", 240: "LOGS_DIRECTORY",
    241: "CONFIGURATION_DIRECTORY", 242: "NUMA_POLICY", 243: "CREDENTIALS: LoadCredential=",
    244: "BPF: RestrictFileSystems=",
}  # fmt: skip
# Of these, that there is no such program, or that it cannot be executed.
EXEC = 203
# What the words on a respawn entry that ends too often end with. `groups.cures` knows by it what to do.
EXITED_WELL = "; its last run exited with 0"
# What the words on an entry end with that has begun, and that only a restart runs again; likewise.
NOT_REPEATED = "; a request does not run it again"
# What the words on an entry that has not said that it is ready have in them.
READINESS = "that it is ready"
# What they have in them as well if systemd would not hear its program; likewise.
UNHEARD = ", as a child of its shell cannot"
SHELL_STATUSES = {126: " (the program cannot be executed)", 127: " (there is no such program)"}
# systemd.exec(5), Result=: what that adds to the exit status or the signal.
_RESULTS = {
    "timeout": ", for a time limit was over",
    "oom-kill": ", for there was no memory left",
    "watchdog": ", for WatchdogSec= was over without a sign of life",
    "protocol": ", and had not said that it is ready, as its Type= asks for",
    "start-limit-hit": ", and was started too often in StartLimitIntervalSec=",
}
# signal(7), x86 and ARM.
_SIGNALS = """
    HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG
    XCPU XFSZ VTALRM PROF WINCH POLL PWR SYS
"""
SIGKILL = 9
# `Process.code`, as of waitid(2).
EXITED = 1
_DUMPED = 3


def signal_name(number: int) -> str:
    """The name of a signal, such as `SIGTERM`; empty if it has none."""
    name = dict(enumerate(_SIGNALS.split(), 1)).get(number)
    return f"SIG{name}" if name else ""


def worded(process: Process, settings: Settings | None = None) -> str:
    """How a process ended, such as `exited with 3` or `was killed by SIGKILL, for a time limit was over`.

    Args:
        process: the process.
        settings: of its unit, to tell which limit it was; None if they are not known.
    """
    if process.code == 0:
        return "does not run"
    why = _result(process, settings)
    if process.code == EXITED:
        return f"exited with {process.status}{SHELL_STATUSES.get(process.status, '')}{why}"
    core = ", and dumped its core" if process.code == _DUMPED else ""
    return f"was killed by {signal_name(process.status) or f'signal {process.status}'}{core}{why}"


def _result(process: Process, settings: Settings | None) -> str:
    """What systemd's result adds."""
    if settings is not None and process.result == "timeout" and (limit := settings.time_limit(process)):
        return f", for it {limit}"
    if settings is not None and process.result == "watchdog" and (silent := settings.watchdog()):
        return f", for it gave no sign of life for {silent}"
    memory = settings.memory() if settings is not None and process.result == "oom-kill" else ""
    return _RESULTS.get(process.result, "") + memory


def that_it_exited_well(process: Process | None) -> str:
    """That the last run exited with 0, which is what a program does that goes to the background; else empty."""
    return EXITED_WELL if process is not None and process.succeeded and process.result == "success" else ""


def why_not_executed(process: Process, settings: Settings) -> str:
    """Why systemd could not start the command; empty if it could."""
    if process.result == "resources":
        files = settings.files() or "a file that a directive names"
        return f"could not be started, for want of {files}, or of memory or tasks{settings.tasks()}"
    if not process.pid:
        return "was not run"
    return not_executed(process.status, settings) if was_not_executed(process) else ""


def not_executed(status: int, settings: Settings) -> str:
    """That the command could not be started, by the status of systemd's child, such as `217/USER: User=nosuch`."""
    name, _, usual = NOT_EXECUTED[status].partition(": ")
    fault = settings.at_fault(status) or usual
    return f"could not be started: {status}/{name}{f': {fault}' if fault else ''}"


def unready(process: Process, settings: Settings) -> str:
    """That a program was stopped, or has ended, for or before it said that it is ready."""
    if process.result == "timeout":
        is_unheard = not settings.entry.hears_children and stays_a_shell(settings.entry.command)
        words = settings.time_limit(process) or f"did not say in time {READINESS}"
        return words + UNHEARD * is_unheard
    known = process if process.result != "protocol" else replace(process, result="success")
    return f"{worded(known, settings)} before it said {READINESS}"


def was_executed(process: Process) -> bool:
    """Whether the end of a process proves that it was the command. One that was killed may have been systemd's yet."""
    return process.code == EXITED and not was_not_executed(process)


def was_not_executed(process: Process) -> bool:
    """Whether systemd could not start the command."""
    is_systemds = process.code == EXITED and process.status in NOT_EXECUTED
    return process.result == "resources" or not process.pid or is_systemds


def why_it_ended(process: Process, settings: Settings, *, counts_itself: bool, is_unready: bool = False) -> str:
    """Why a respawn entry is started in vain; empty if the shell before its command counts that and slows it down.

    Args:
        process: its latest one.
        settings: of its unit.
        counts_itself: whether it has such a shell.
        is_unready: whether it was to say that it is ready, and has not.
    """
    if is_unready:
        return why_not_executed(process, settings) or unready(process, settings)
    return why_not_executed(process, settings) or ("" if counts_itself else worded(process, settings))


def was_killed_late(process: Process) -> bool:
    """Whether SIGKILL has ended a process, for it had not ended in time before that."""
    return process.code not in {0, EXITED} and process.status == SIGKILL and process.result == "timeout"


def was_killed(process: Process) -> bool:
    """Whether a signal has ended a process that wrote no core dump: perhaps somebody has sent it."""
    return process.pid != 0 and process.code not in {0, EXITED, _DUMPED}


def kind(process: Process) -> str:
    """How a process ended, as a word for programs: `none`, `running`, `exited`, `killed` or `dumped`."""
    if not process.pid:
        return "none"
    if process.code == 0:
        return "running"
    if process.code == EXITED:
        return "exited"
    return "dumped" if process.code == _DUMPED else "killed"
