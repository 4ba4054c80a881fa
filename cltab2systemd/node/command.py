"""Commands that run inside a node: how they get there, as whom, and how they fail."""

import os
import select
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import AnyStr

from cltab2systemd.node.errors import NodeError


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a command runs as."""

    name: str
    uid: int
    gid: int
    home: str


# Seconds for nsenter to see the end of the command.
_MOMENT = 1.0

ROOT = Account("root", 0, 0, "/root")


class Running(subprocess.Popen[bytes]):
    """A command that runs in a node. An exception in its `with` kills it: Popen would wait, perhaps for ever."""

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the command if there is an exception, and wait for its end."""
        if kind is not None:
            kill(self)
        super().__exit__(kind, value, traceback)


class CommandError(subprocess.CalledProcessError):
    """A command in a node failed; the text shows what it wrote."""

    def __str__(self) -> str:
        """Return the command, its exit code and its output."""
        parts = [super().__str__()]
        for title, output in (("stdout", self.stdout), ("stderr", self.stderr)):
            text = output.decode(errors="replace") if isinstance(output, bytes) else output
            if text:
                parts.append(f"--- {title}\n{text.rstrip()}")
        return "\n".join(parts)


def account(passwd: str, user: str) -> Account:
    """Return the account of a user from the text of a passwd file. Raises NodeError if there is none."""
    for line in passwd.splitlines():
        name, _, uid, gid, _, home, _ = line.split(":")
        if name == user:
            return Account(name, int(uid), int(gid), home)
    raise NodeError(f"the node has no user {user!r}")


def environment(who: Account) -> dict[str, str]:
    """Return the clean environment of a command."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": who.home,
        "USER": who.name,
        "LANG": "C.UTF-8",
    }


def enter(pid: int, who: Account, *, own_users: bool = False) -> list[str]:
    """Return the words before a command that take it into all namespaces of a node, given its PID 1.

    With own_users, into the user namespace as well, as its root.
    """
    words = ["nsenter", f"--target={pid}", *(["--user"] if own_users else [])]
    words += ["--mount", "--pid", "--cgroup", "--ipc", "--uts", "--net", "--root", "--wd"]
    if who != ROOT:
        words += ["setpriv", f"--reuid={who.uid}", f"--regid={who.gid}", "--init-groups", "--"]
    return words


def within(cgroups: Sequence[Path], argv: Sequence[str]) -> list[str]:
    """Return the words of a command that joins cgroups first, so that it is limited as what is in there."""
    join = 'for file; do shift; [ "$file" != -- ] || exec "$@"; echo 0 >"$file" || exit 126; done'
    return ["sh", "-c", join, "sh", *(f"{cgroup}/cgroup.procs" for cgroup in cgroups), "--", *argv]


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a command that was started in a session of its own, and all of its process group."""
    # nsenter's child, the command itself, goes first, so that nsenter takes its end. An orphan would be left to the
    # host's PID 1, and some take seconds for that; the node's end waits for it.
    with suppress(OSError), os.fdopen(os.pidfd_open(process.pid)) as nsenter:
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        select.select([nsenter], [], [], _MOMENT)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def finished(
    argv: Sequence[str | Path], status: int, stdout: AnyStr, stderr: AnyStr, *, check: bool
) -> subprocess.CompletedProcess[AnyStr]:
    """Return the result of a command. Raises CommandError if it failed and that is to be checked."""
    words = [os.fspath(word) for word in argv]
    if check and status != 0:
        raise CommandError(status, words, stdout, stderr)
    return subprocess.CompletedProcess(words, status, stdout, stderr)
