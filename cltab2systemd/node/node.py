"""A throwaway systemd node: boot it, run things in it, read and write its files, end it."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from cltab2systemd.node import cgroups, command, host
from cltab2systemd.node.errors import NodeError
from cltab2systemd.node.link import Link
from cltab2systemd.node.paths import inside
from cltab2systemd.node.spec import NodeSpec

BOOT_TIMEOUT = 60.0
"""Seconds that a node may take to boot before it counts as stuck."""

SHUTDOWN_TIMEOUT = 100.0
"""Seconds that an orderly shutdown may take: longer than systemd's default for stopping a service, 90."""

# systemd(1), SIGNALS: start poweroff.target, start reboot.target.
_POWEROFF = signal.SIGRTMIN + 4
_REBOOT = signal.SIGRTMIN + 5


class Node:
    """A systemd of its own over an overlay of a root, in namespaces of its own. Also a context manager.

    The node ends at the latest when the process ends that booted it.
    """

    patience = 1.0
    """How many times as long all timeouts are: more than 1 where the kernel is emulated."""

    def __init__(self, spec: NodeSpec) -> None:
        """Describe the node; nothing runs yet."""
        self.spec = spec
        self._link: Link | None = None
        self._pid = 0

    def __enter__(self) -> Self:
        """Boot."""
        self.boot()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def name(self) -> str:
        """The node's host name."""
        return self.spec.name

    @property
    def pid(self) -> int:
        """The node's PID 1 as the host numbers it. Raises NodeError if the node is not running."""
        if not self._pid:
            raise NodeError(f"node {self.name} is not running: boot() it first")
        return self._pid

    @property
    def is_on(self) -> bool:
        """Whether the node runs, as far as it was booted and ended from here."""
        return bool(self._pid)

    def boot(self) -> None:
        """Boot, and return when systemd has finished starting up: "running" or "degraded".

        Raises NodeError with the boot log if the node cannot start or is stuck after BOOT_TIMEOUT.
        """
        if self._link is not None:
            raise NodeError(f"node {self.name} is running already")
        if reason := host.shortcoming(self.spec):
            raise NodeError(reason)
        self._link = Link(self.spec)
        self._start(self._link)

    def stop(self) -> None:
        """End the node as if by pulling the plug, if it is on; when this returns, nothing is left of it."""
        if self._link is not None:
            link, self._link, self._pid = self._link, None, 0
            link.close()

    def poweroff(self) -> None:
        """Shut down in order, services are stopped, and end the node. Raises NodeError if that takes too long."""
        self._shutdown(_POWEROFF)
        self.stop()

    def reboot(self) -> None:
        """Shut down in order, then boot on the same files: /etc and /var are kept, /run and /tmp are empty.

        Raises NodeError as poweroff and boot do.
        """
        link = self._shutdown(_REBOOT)
        self._start(link)

    def crash(self) -> None:
        """Pull the plug, and leave the node off: its files are kept for start()."""
        self._shutdown(signal.SIGKILL)

    def start(self) -> None:
        """Boot again, on the same files, a node that crashed. Raises NodeError as boot does."""
        if self._link is None or self._pid:
            raise NodeError(f"node {self.name} has not crashed")
        self._start(self._link)

    def run(
        self,
        *argv: str | Path,
        check: bool = True,
        timeout: float = 60.0,
        input: str | None = None,  # noqa: A002 - as subprocess.run has it
        env: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the node to its end, as root or user, with env added to a clean environment.

        Standard input is input, or empty. With check, a non-zero exit raises CommandError, whose text shows what the
        command wrote. After timeout seconds the command is killed and subprocess.TimeoutExpired is raised.
        """
        data = None if input is None else input.encode()
        done = self.run_bytes(*argv, check=False, timeout=timeout, input=data, env=env, user=user)
        return command.finished(done.args, done.returncode, done.stdout.decode(), done.stderr.decode(), check=check)

    def run_bytes(
        self,
        *argv: str | Path,
        check: bool = True,
        timeout: float = 60.0,
        input: bytes | None = None,  # noqa: A002 - as subprocess.run has it
        env: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Do what run does, with bytes for text."""
        stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
        pipe = subprocess.PIPE
        with self.popen(*argv, env=env, user=user, stdin=stdin, stdout=pipe, stderr=pipe) as process:
            try:
                stdout, stderr = process.communicate(input, timeout * self.patience)
            except BaseException:
                command.kill(process)
                raise
        return command.finished(argv, process.returncode, stdout, stderr, check=check)

    def popen(
        self,
        *argv: str | Path,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        stdin: int | IO[Any] | None = subprocess.DEVNULL,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
        new_session: bool = True,
    ) -> command.Running:
        """Start a command in the node and return nsenter's process: its exit code is the command's.

        nsenter passes no signals on: command.kill ends both. Without new_session the command stays on the caller's
        terminal, and in its process group.
        """
        account = command.ROOT if user is None else command.account(self.read("/etc/passwd"), user)
        words = [*command.enter(self.pid, account, own_users=self.spec.own_users), *(os.fspath(word) for word in argv)]
        if self.spec.limits is not None:  # nsenter leaves its cgroups as they are
            words = command.within(cgroups.of_process(self.pid), words)
        return command.Running(
            words,
            env=command.environment(account) | dict(env or {}),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=new_session,
        )

    def shell(self, script: str, *, check: bool = True, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a shell script in the node that ends at the first command that fails; the rest is as in run."""
        return self.run("sh", "-ec", script, check=check, timeout=timeout)

    def path(self, path: str | Path) -> Path:
        """Return the path at which the host sees a file of the running node. Raises ValueError if not absolute.

        The node's symbolic links are resolved for the node: the host would follow them into its own files. Of a node
        with users of its own NodeError is raised: a program there could put a link where a file was a moment ago.
        """
        if self.spec.own_users:
            raise NodeError(f"the files of node {self.name} are reached by commands that run in it only")
        return inside(Path(f"/proc/{self.pid}/root"), Path(path))

    def write(self, path: str | Path, content: str | bytes, mode: int = 0o644) -> None:
        """Write a file of the node, owned by root; missing directories are made. Raises OSError."""
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)

    def read(self, path: str | Path) -> str:
        """Return the text of a file of the node. Raises OSError, UnicodeDecodeError."""
        return self.read_bytes(path).decode()

    def read_bytes(self, path: str | Path) -> bytes:
        """Return the content of a file of the node. Raises OSError."""
        return self.path(path).read_bytes()

    def exists(self, path: str | Path) -> bool:
        """Return whether the node has this file, directory or anything else; False for a dangling link."""
        return self.path(path).exists()

    def journal(self, unit: str | None = None) -> str:
        """Return the node's journal since its boot, or a unit's, one message a line without times."""
        select = ["--unit", unit] if unit else []
        # What was logged before now is to be seen, also what journald has not read from its socket yet.
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--boot", "--quiet", "--no-pager", "--output=cat", *select).stdout

    def _start(self, link: Link) -> None:
        limit = BOOT_TIMEOUT * self.patience
        try:
            link.send("boot")
            self._pid = int(link.expect("pid", limit))
            link.expect("ready", limit)
        except NodeError as error:
            self._abandon()
            raise NodeError(f"node {self.name} did not boot: {error}") from error
        except TimeoutError as error:
            msg = f"node {self.name} is still not up after {limit:g} s\n{self._post_mortem()}"
            self.stop()
            raise NodeError(msg) from error
        except BaseException:
            self._abandon()
            raise

    def _shutdown(self, number: int) -> Link:
        if self._link is None:
            raise NodeError(f"node {self.name} is not running: boot() it first")
        limit = SHUTDOWN_TIMEOUT * self.patience
        self._link.send(f"kill {number}")
        try:
            self._link.expect("exit", limit)
        except TimeoutError as error:
            msg = f"node {self.name} is still not down after {limit:g} s\n{self._post_mortem()}"
            self.stop()
            raise NodeError(msg) from error
        self._pid = 0
        return self._link

    def _abandon(self) -> None:
        # Another error is on its way, and says more than one from here.
        with suppress(NodeError):
            self.stop()

    def _post_mortem(self) -> str:
        texts = [self._link.log() if self._link else ""]
        for argv in (["systemctl", "list-jobs", "--no-pager"], ["journalctl", "--no-pager", "--lines=100"]):
            try:
                texts.append(self.run(*argv, check=False, timeout=5).stdout)
            except (OSError, NodeError, subprocess.SubprocessError) as error:
                texts.append(f"{argv[0]}: {error}\n")
        return "".join(texts)
