"""Runs the steps of a demo on a node: prints a headline, commands and their output, and checks what it claims."""

import os
import shlex
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lab.node import Node
from lab.waiting import wait_until

_INDENT = "    "


class StepError(Exception):
    """A step did not show what it says; the text names the step and what was seen instead."""


class _Unexpected(Exception):  # noqa: N818 - never leaves this module
    pass


class Stage:
    """A node, and an audience at standard output.

    steps and checks are how many there were so far. Every method raises StepError inside of a step.
    """

    def __init__(self, node: Node) -> None:
        """Take a booted node."""
        self.steps = 0
        self.checks = 0
        self.node = node
        self._prompt = "# "

    @contextmanager
    def step(self, headline: str) -> Iterator[None]:
        """Print a headline, which says what the step shows, and ``ok`` after it."""
        self.steps += 1
        print(f"\n{textwrap.fill(f'{self.steps}. {headline}', width=100, subsequent_indent='   ')}\n")
        try:
            yield
        except (_Unexpected, TimeoutError, OSError, subprocess.SubprocessError) as error:
            raise StepError(f'step {self.steps}, "{headline}": {error}') from error
        print("ok")

    def run(self, *argv: str, code: int = 0) -> str:
        """Run a command before the audience, check its exit code, and return its standard output."""
        # A word with a glob or a blank is shown as one has to type it.
        print(f"{self._prompt}{shlex.join(argv)}")
        done = self.node.run(*argv, check=False)
        print(textwrap.indent(done.stdout + done.stderr, _INDENT), end="")
        if code:
            print(f"{_INDENT}(exit code {done.returncode})")
        self.equal(f"the exit code of {shlex.join(argv)}", done.returncode, code)
        return done.stdout

    def ask(self, *argv: str) -> str:
        """Run a command that the audience need not see; return its standard output, also if it fails."""
        return self.node.run(*argv, check=False).stdout.rstrip("\n")

    def move_to(self, node: Node, prompt: str) -> None:
        """From here on, run commands on another node; the prompt before each says on which."""
        self.node = node
        self._prompt = prompt

    def say(self, text: str) -> None:
        """Print a remark about what was just seen."""
        print(f"{_INDENT}-> {text}")

    def equal(self, what: str, seen: object, expected: object) -> None:
        """Check that something is as it has to be."""
        self.checks += 1
        if seen != expected:
            raise _Unexpected(f"{what} is {seen!r}, not {expected!r}")

    def differ(self, what: str, seen: object, before: object) -> None:
        """Check that something is not what it was."""
        self.checks += 1
        if seen == before:
            raise _Unexpected(f"{what} is still {seen!r}")

    def contains(self, what: str, text: str, *parts: str) -> None:
        """Check that a text has all these parts."""
        for part in parts:
            self.checks += 1
            if part not in text:
                raise _Unexpected(f"{what} has no {part!r} in it:\n{text}")

    def until(self, what: str, predicate: Callable[[], object], timeout: float = 10.0) -> None:
        """Wait until something has become true, timeout seconds at most, and count it as a check."""
        self.checks += 1
        wait_until(predicate, what=what, timeout=timeout)

    def clstat(self, *lines: str) -> None:
        """Show the status file, and check its lines: group, level and state."""
        text = self.run("cat", "/run/clinit/clstat")
        self.equal("clstat", text.splitlines(), [f"Cluster::Init::Group {line}" for line in lines])

    def pid(self, group: str, tag: str) -> str:
        """Return the pid of a running entry as systemd knows it; check that there is one, and that it is alive."""
        pid = self.main_pid(group, tag)
        self.checks += 1
        if pid in {"", "0"} or not self.node.exists(f"/proc/{pid}"):
            raise _Unexpected(f"{group}:{tag} does not run")
        return pid

    def main_pid(self, group: str, tag: str) -> str:
        """Return the pid of an entry as systemd knows it; "0" if it does not run."""
        return self.ask("systemctl", "show", "--property=MainPID", "--value", f"clinit-{group}@{tag}.service")

    def exists(self, path: str) -> bool:
        """Return whether the node has this file."""
        return os.path.lexists(self.node.path(path))
