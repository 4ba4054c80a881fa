"""A wait with an outcome looks until commands are executed, which no signal of systemd's tells."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from programs import RUN
from shipped import Shipped

from cltab2systemd.core import executions
from cltab2systemd.systemd.kernel import Kernel
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node


class _Kernel(Kernel):
    """This machine's, and its first process is a systemd, whoever may look at it."""

    def program(self, pid: int) -> str:
        """The program of a process."""
        return "/usr/lib/systemd/systemd" if pid == 1 else super().program(pid)


class _SandboxedKernel(Kernel):
    """As the shipped daemon has it, which may see no program: it lacks CAP_SYS_PTRACE."""

    def program(self, pid: int) -> str:
        """Nothing."""
        raise PermissionError(pid)


class _MidExecutionKernel(_Kernel):
    """In the middle of execve(2), which cannot be held there: for some µs a process has a new program and no words."""

    def command_line(self, pid: int) -> bytes:
        """Nothing, but of the first process."""
        return super().command_line(pid) if pid == 1 else b""


def is_being_executed(pid: int, command: str, kernel: Kernel | None = None) -> bool:
    """What a probe says that has nothing to ask systemd for."""
    return executions.is_being_executed(pid, command, kernel or _Kernel())


def test_a_command_that_is_executed_late(node: Node) -> None:
    """Who waits is answered as soon as it is executed, and not before: here when somebody reads its output."""
    instance = Shipped(node).start()
    node.run("mkfifo", "/run/output")
    instance.write_table(f":::service.a:StandardOutput=file:/run/output\nweb:a:3:respawn:{RUN}\n")
    client = node.popen("clinit", "--wait", "web", "3")
    wait_until(lambda: instance.main_pid("clinit-web@a.service") != 0)
    time.sleep(0.5)
    assert client.poll() is None
    node.run("systemd-run", "--quiet", "cat", "/run/output")

    assert client.wait(10) == 0


@pytest.mark.parametrize(("program", "is_systemd"), [("systemd-executor", True), ("(sleep)", False), ("sleep", False)])
def test_what_is_not_the_command_yet(tmp_path: Path, program: str, is_systemd: bool) -> None:
    """On 257, a process of a unit is systemd's executor for some milliseconds. A name in parentheses alone is none."""
    path = tmp_path / program
    shutil.copy("/bin/sleep", path)
    process = subprocess.Popen([path if program != "(sleep)" else program, "1000"], executable=path)
    try:
        wait_until(lambda: b"1000" in Path(f"/proc/{process.pid}/cmdline").read_bytes())
        assert is_being_executed(process.pid, "sleep 1000") is is_systemd
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("word", "is_systemd"),
    [("/usr/lib/systemd/systemd-executor", True), ("systemd-executor", True), ("my-systemd-executor", False)],
)
def test_the_executor_by_its_words_alone(word: str, *, is_systemd: bool) -> None:
    """On 257 its first word is its path, on 262 its name."""
    process = subprocess.Popen([word, "1000"], executable="/bin/sleep")
    try:
        wait_until(lambda: Path(f"/proc/{process.pid}/cmdline").read_bytes().startswith(word.encode()))
        assert is_being_executed(process.pid, "sleep 1000", _SandboxedKernel()) is is_systemd
    finally:
        process.kill()
        process.wait()


def test_a_process_in_the_middle_of_its_execution() -> None:
    """It may be the shell before the command as well as the command, so it proves nothing."""
    process = subprocess.Popen(["sleep", "1000"])
    try:
        wait_until(lambda: not is_being_executed(process.pid, "sleep 1000"))
        assert is_being_executed(process.pid, "sleep 1000", _MidExecutionKernel())
    finally:
        process.kill()
        process.wait()


def test_systemd_itself_is_not_the_command() -> None:
    """On 252, what systemd has forked has its name, and its words, for a moment."""
    assert is_being_executed(1, "sleep 1000")
