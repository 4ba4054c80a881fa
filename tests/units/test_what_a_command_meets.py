"""What a program finds when it is started, beside what the ancestor and an inittab gave it.

Programs were written for what init gives; where they find something else, they hang, or die. All is read from outside,
for most languages change it as they start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from instance import Group, Instance

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node

MODES = ("wait", "test", "once", "respawn")
# Each way in which a command is started: words, words with errors to the output, by a shell that stays or goes.
FORMS = ("sleep 1000", "sleep 1000 2>&1", "sleep 1000; true", "exec sleep 1000")

# What every command finds. Init and the ancestor gave the same, but where a comment says what they gave.
EXPECTED: dict[str, object] = {
    # systemd has its services ignore SIGPIPE, if it is not told otherwise: `yes | head -n 1` never ends then.
    "signals ignored": 0,
    "signals blocked": 0,
    "umask": "0022",
    # The ancestor: the directory of the daemon, as it still is for one that is started by hand.
    "working directory": "/",
    "nice": 0,
    "oom_score_adj": "0",
    "scheduling policy": 0,
    "user and group": ("0 0 0 0", "0 0 0 0"),
    "may gain privileges": "0",
    # As much as init has, which is all.
    "all capabilities": True,
    # Init: the console. The ancestor: what the daemon has, be it a terminal or a log.
    "descriptors": {"0": "/dev/null", "1": "socket", "2": "socket"},
    # The ancestor: in the session of the daemon.
    "session": "its own",
    "process group": "its own",
    "terminal": 0,
    "control group": "the entry's",
    # systemd's defaults, or the site's, as for any service. Init and the ancestor hand on their own.
    "limits": "of any service",
    # The ancestor: all that the daemon has, as it still is for one that is started by hand. Init: PATH, and its own
    # INIT_VERSION, RUNLEVEL, PREVLEVEL and CONSOLE.
    "environment": {"LANG", "PATH", "XDG_SESSION_CLASS"},
}
# What systemd tells each service about itself, in some release or other, and a shell what it runs.
OF_SYSTEMD = {
    "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "RUNTIME_DIRECTORY", "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE", "MANAGERPID", "USER", "LOGNAME", "HOME", "SHELL", "PWD", "OLDPWD", "SHLVL", "_",
}  # fmt: skip
# 32 and 33 are the C library's own and cannot be set through it: what make starts has them ignored, a node as well.
LIBC_SIGNALS = 0b11 << 31
# The fields of /proc/PID/stat behind the name, by their number in proc(5).
FIRST_FIELD, GROUP, SESSION, TERMINAL, NICE, POLICY = 3, 5, 6, 7, 19, 41


@pytest.fixture(scope="module")
def instance(node: Node) -> Iterator[Instance]:
    """The daemon as systemd starts it, and a service of nobody's to compare with."""
    node.run("systemd-run", "--quiet", "--unit=compared.service", "--property=IgnoreSIGPIPE=no", "sleep", "1000")
    found = Instance(node)
    found.write_table("")
    yield found.start()
    node.run("systemctl", "stop", found.unit)


def sleeper(node: Node, unit: str) -> str:
    """The pid of the `sleep` in a unit's control group; empty as long as there is none."""
    group = node.run("systemctl", "show", "--property=ControlGroup", "--value", unit).stdout.strip()
    script = """for pid in $(cat "/sys/fs/cgroup$1/cgroup.procs"); do
        [ "$(cat /proc/$pid/comm)" != sleep ] || echo "$pid"
    done"""
    return node.run("sh", "-c", script, "sh", group, check=False).stdout.strip() if group else ""


def met(node: Node, unit: str, pid: str) -> dict[str, object]:
    """What a process finds, in the words of EXPECTED."""
    proc = f"/proc/{pid}"
    status = dict(line.split(":\t", 1) for line in node.read(f"{proc}/status").splitlines() if ":\t" in line)
    fields = node.read(f"{proc}/stat").rpartition(")")[2].split()
    main = node.run("systemctl", "show", "--property=MainPID", "--value", unit).stdout.strip()
    group = next(line for line in node.read(f"{proc}/cgroup").splitlines() if line.startswith("0::"))
    files = node.shell(f"cd {proc}/fd; for fd in *; do echo $fd $(readlink $fd); done").stdout.splitlines()
    block = node.read_bytes(f"{proc}/environ").decode().split("\0")
    of_init = dict(line.split(":\t", 1) for line in node.read("/proc/1/status").splitlines() if ":\t" in line)
    return {
        "signals ignored": int(status["SigIgn"], 16) & ~LIBC_SIGNALS,
        "signals blocked": int(status["SigBlk"], 16) & ~LIBC_SIGNALS,
        "umask": status["Umask"],
        "working directory": node.run("readlink", f"{proc}/cwd").stdout.strip(),
        "nice": int(fields[NICE - FIRST_FIELD]),
        "oom_score_adj": node.read(f"{proc}/oom_score_adj").strip(),
        "scheduling policy": int(fields[POLICY - FIRST_FIELD]),
        "user and group": (" ".join(status["Uid"].split()), " ".join(status["Gid"].split())),
        "may gain privileges": status["NoNewPrivs"],
        "all capabilities": [status[name] for name in ("CapEff", "CapBnd")] == [of_init["CapBnd"]] * 2,
        "descriptors": {(words := line.split())[0]: words[1].partition(":")[0] for line in files},
        "session": "its own" if fields[SESSION - FIRST_FIELD] == main else fields[SESSION - FIRST_FIELD],
        "process group": "its own" if fields[GROUP - FIRST_FIELD] == main else fields[GROUP - FIRST_FIELD],
        "terminal": int(fields[TERMINAL - FIRST_FIELD]),
        "control group": "the entry's" if group.endswith(f"/{unit}") else group,
        "limits": node.read(f"{proc}/limits"),
        "environment": {text.partition("=")[0] for text in block if text} - OF_SYSTEMD,
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mode", MODES)
def test_what_a_command_meets(instance: Instance, mode: str, form: str) -> None:
    """In every mode, however it is written, a command finds what EXPECTED says."""
    node, group = instance.node, Group(instance)
    group.define(f"t:1:{mode}:{form}")
    group.request("1")
    unit = group.unit("t")
    wait_until(lambda: sleeper(node, unit), what="it runs")
    of_any_service = met(node, "compared.service", sleeper(node, "compared.service"))["limits"]
    found = met(node, unit, sleeper(node, unit))
    group.switch("0")

    assert {**EXPECTED, "limits": of_any_service} == found


def test_a_pipe_whose_reader_goes(instance: Instance) -> None:
    """A program that writes for ever ends when nobody reads: that is what SIGPIPE is for."""
    group = Group(instance)
    group.define("pick:1:wait:while :; do echo x; done | head -n 1", "next:1:wait:@ reached")

    assert group.switch("1") == "DONE"
    assert group.events() == ["reached"]


def test_what_a_program_logs_outlives_the_journal(instance: Instance) -> None:
    """A restart of journald keeps the ends of the pipes, so that an entry that logs does not die of SIGPIPE."""
    group = Group(instance)
    group.define("t:1:once:while sleep 0.05; do echo tick; done")
    group.switch("1")
    pid = group.pid("t")
    instance.node.run("systemctl", "restart", "systemd-journald.service")
    wait_until(lambda: "tick" in instance.node.journal(group.unit("t")), what="it logs on")

    assert pid == group.pid("t") != 0
    group.switch("0")
