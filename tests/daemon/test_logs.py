"""The daemon's log lines: whoever does not take them never holds it up, and hears later what is missing."""

from __future__ import annotations

import errno
import logging
import os
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from answers import answered
from programs import RUN
from shipped import Shipped
from underway import held

from cltab2systemd.daemon import logs
from cltab2systemd.node.command import kill
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

TABLE = f"web:a:12:respawn:{RUN}\nweb:b:2:wait:true\n"
JOURNALD = (
    "systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket",
    "systemd-journald-audit.socket",
)  # fmt: skip
# Seconds in which a request is answered on a busy machine.
PROMPT = 5.0
# Has the daemon log a line for each of so many calls, to which the caller has no right.
NOISE = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[2])
for _ in range(int(sys.argv[1]) // 100):
    s.sendall(b'{"method":"org.clinit.Manager.Reread","oneway":true}\\0' * 100)
s.sendall(b'{"method":"org.varlink.service.GetInfo"}\\0')
assert s.recv(1)
"""
LOST = re.compile(r"\d+ log lines were lost: they could not be written in time")


@pytest.fixture
def shipped(fresh_node: Node) -> Shipped:
    """The daemon as it is shipped, with group web at level 1."""
    shipped = Shipped(fresh_node)
    shipped.write_table(TABLE)
    shipped.drop_in(shipped.unit, "[Service]", "LogRateLimitIntervalSec=0")  # else journald itself drops lines
    shipped.start()
    assert shipped.clinit("--wait", "web", "1").returncode == 0
    return shipped


def make_noise(node: Node, lines: int, path: str = "/run/clinit/clinit.s") -> None:
    """Have the daemon log so many lines."""
    node.run("chmod", "666", path)
    node.run("python3", "-c", NOISE, str(lines), path, timeout=120, user="nobody")


def check_service(shipped: Shipped) -> None:
    """Requests are answered in time, and clstat follows."""
    for level in ("2", "1"):
        began = time.monotonic()
        done = shipped.clinit("--wait", "web", level, timeout=30)
        answered(done, code=0, out=f"web {level} DONE\n")
        assert time.monotonic() - began < PROMPT
        assert f"{level} DONE" == shipped.clstat()["web"]


def test_a_stopped_journald(shipped: Shipped) -> None:
    """A journald that takes nothing holds up no request; later it has what was kept, and how much was lost."""
    node = shipped.node
    with held(node, "systemd-journald.service"):
        make_noise(node, 40_000)
        check_service(shipped)
        assert shipped.node.run("systemctl", "is-active", shipped.unit).stdout == "active\n"
    wait_until(lambda: LOST.search(node.journal(shipped.unit)), what="what was lost is told", timeout=30)
    check_service(shipped)

    assert node.journal(shipped.unit).rstrip().endswith("web: level 1 DONE")
    assert shipped.states() == ("active", "active")


def test_a_journald_that_was_away(shipped: Shipped) -> None:
    """While journald and its sockets are stopped, requests are answered; afterwards its lines come again."""
    node = shipped.node
    node.run("systemctl", "stop", *JOURNALD, check=False)
    try:
        check_service(shipped)
        make_noise(node, 100)
    finally:
        node.run("systemctl", "start", *reversed(JOURNALD))
    check_service(shipped)
    wait_until(lambda: "web: level 1 DONE" in lines_of_clinit(node)[-200:], timeout=20)


def lines_of_clinit(node: Node) -> str:
    """All lines of a program clinit."""
    node.run("journalctl", "--sync")
    return node.run("journalctl", "--quiet", "--identifier=clinit", "--output=cat").stdout


def test_a_pipe_that_nobody_reads(fresh_node: Node) -> None:
    """A daemon by hand whose standard error is a full pipe answers; who shares the pipe finds it as it was."""
    node = fresh_node
    shipped = Shipped(node)
    shipped.write_table(TABLE)
    daemon = node.popen("clinit", "-d", stderr=subprocess.PIPE)
    assert daemon.stderr is not None
    try:
        wait_until(lambda: shipped.clinit("web", "1").returncode == 0)
        make_noise(node, 2_000)
        check_service(shipped)
        pid = node.run("pgrep", "-f", "-o", "clinit -d").stdout.strip()
        flags = node.read(f"/proc/{pid}/fdinfo/2").split("flags:")[1].split()[0]
        assert int(flags, 8) & os.O_NONBLOCK == 0
        read = os.read(daemon.stderr.fileno(), 1 << 20)
        assert read.startswith(b"clinit: table /etc/cltab")
    finally:
        node.run("pkill", "-f", "clinit -d", check=False)
        kill(daemon)


@pytest.mark.parametrize("what", ["fifo", "full"])
def test_a_log_file_that_takes_nothing(shipped: Shipped, what: str) -> None:
    """A FIFO in the place of the log, and a full disk, hold up no request and are no other harm."""
    node = shipped.node
    shipped.write_table(":::log:/var/log/clinit/clinit.log\n" + TABLE)
    check_service(shipped)
    node.run("rm", "/var/log/clinit/clinit.log")
    if what == "fifo":
        node.run("mkfifo", "/var/log/clinit/clinit.log")
    else:
        node.run("ln", "-s", "/dev/full", "/var/log/clinit/clinit.log")
    check_service(shipped)

    assert "Traceback" not in node.journal(shipped.unit)


def test_a_restart_of_dbus_is_a_line(shipped: Shipped) -> None:
    """A restart of dbus costs at most a line each, in words, and no warning."""
    node = shipped.node
    for number in (1, 2):
        node.run("systemctl", "restart", "dbus")
        check_service(shipped)
        said = node.journal(shipped.unit)
        assert said.count("lost") <= number
        time.sleep(2.5)
    warnings = node.run("journalctl", "--unit=clinit", "--priority=warning", "--quiet", "--output=cat").stdout

    assert warnings == ""
    assert "[err" not in said
    assert "DBusBaseError" not in said
    assert "connection to systemd lost (Connection reset by peer); connecting again" in said


def test_nobody_forges_a_line(shipped: Shipped) -> None:
    """A name that a client sends stays within its line, and no terminal obeys it, in the journal and the file."""
    node = shipped.node
    shipped.write_table(":::log:/var/log/clinit/clinit.log\n" + TABLE)
    shipped.clinit("--wait", "web", "2")
    shipped.clinit("x\n2026-11-26 clinit[1]: web: level 9 DONE\x1b[2J", "3")
    told = r"x\x0a2026-11-26 clinit[1]: web: level 9 DONE\x1b[2J"
    line = f"{told}: level 3 is refused: no such group: {told}"
    node.run("journalctl", "--sync")
    shown = node.run("journalctl", "--quiet", "--output=cat", "--all", f"--unit={shipped.unit}").stdout

    assert line in shown.splitlines()
    assert node.read("/var/log/clinit/clinit.log").splitlines()[-1].endswith(f"]: {line}")
    assert "\x1b" not in shown + node.read("/var/log/clinit/clinit.log")


# In this process


def test_lines_that_are_not_taken_are_kept_and_counted() -> None:
    """Lines wait for a pipe to be read, in their order; those that are too many are counted, and counted once."""
    source, target = os.pipe()
    os.set_blocking(target, False)
    handler = logs.PatientHandler(lambda data: os.write(target, data))
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("test_logs")
    log.propagate = False
    log.addHandler(handler)
    number = 20_000
    for index in range(number):
        log.warning("%d %s", index, "x" * 60)
    data = b""
    while not data.endswith(b"in time\n"):
        data += os.read(source, 1 << 20)
        handler.flush()
    log.warning("afterwards")
    *lines, told = data.decode().splitlines()

    assert [f"{index} {'x' * 60}" for index in range(len(lines))] == lines
    assert f"{number - len(lines)} log lines were lost: they could not be written in time" == told
    assert len(data) > logs.MOST_KEPT
    assert os.read(source, 100) == b"afterwards\n"
    os.close(source)
    log.warning("to nobody")
    os.close(target)


def test_a_line_that_never_fits() -> None:
    """It is counted as lost, and those behind it come."""
    taken = []

    def write(data: bytes) -> int:
        if len(data) > 100:
            raise OSError(errno.EMSGSIZE, "Message too long")
        taken.append(data)
        return len(data)

    handler = logs.PatientHandler(write)
    for text in ("before", "x" * 200, "behind"):
        handler.emit(logging.LogRecord("name", logging.INFO, "path", 1, text, None, None))
    lost = b"1 log lines were lost: they could not be written in time\n"
    assert [b"before\n", lost, b"behind\n"] == taken


@pytest.mark.parametrize("mode", ["pipe", "file"])
def test_the_standard_error(tmp_path: Path, mode: str) -> None:
    """Lines come to a pipe or a file, odd bytes as they are; what a terminal would obey is spelt out."""
    script = (
        "import os, fcntl; from cltab2systemd.daemon import logs\n"
        "before = fcntl.fcntl(2, fcntl.F_GETFL); logs.set_up()\n"
        "import logging; logging.getLogger('x').info('line é \\udcff\\x1b[2J\\nline')\n"
        "assert before == fcntl.fcntl(2, fcntl.F_GETFL)\n"
    )
    path = tmp_path / "err"
    with path.open("wb") as file:
        done = subprocess.run(
            ["python3", "-c", script],
            stderr=subprocess.PIPE if mode == "pipe" else file,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )

    found = done.stderr if mode == "pipe" else path.read_bytes()
    assert b"clinit: line \xc3\xa9 \xff\\x1b[2J\\x0aline\n" == found
