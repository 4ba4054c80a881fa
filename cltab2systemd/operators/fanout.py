"""Commands on many nodes at once, by ClusterShell's library: its node sets and groups, its settings, its ssh.

ClusterShell need not be there: this module is imported only when somebody names a node set (`overssh`). What a node
answers is bounded in bytes and time.
"""

from __future__ import annotations

import configparser
import resource
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ClusterShell.Defaults import config_paths
from ClusterShell.Event import EventHandler
from ClusterShell.NodeSet import NodeSet, NodeSetException
from ClusterShell.NodeUtils import GroupResolverError, GroupSourceError
from ClusterShell.Task import task_self
from ClusterShell.Worker.EngineClient import EngineClientEOF
from ClusterShell.Worker.Ssh import SshClient, WorkerSsh

from cltab2systemd.cluster.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# What a node may write to its standard output, and to its standard error, in bytes.
_MOST = 4 << 20
_MOST_ERRORS = 1 << 16
# More nodes than that are a slip of the hand.
_MOST_NODES = 10_000
# What clush(1) takes from its configuration, beside numbers.
_WORDS = ("ssh_path", "ssh_user")
_NO_TIMEOUT = -1
# A node that has died is noticed within a minute, also while nothing is to be said. What is configured comes first.
_ALIVE = "-oServerAliveInterval=15 -oServerAliveCountMax=4"
_UNAWAITED = "nobody waited for its answer"
# Files that are open for each node that is asked, and besides.
_FILES_OF_NODE = 4
_FILES = 32


class NodeSetError(Exception):
    """There are no such nodes, or they cannot be asked; the text says why, for a person."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once, and for how long.

    Attributes:
        fanout: how many nodes at once; None is what ClusterShell's configuration says.
        timeout: seconds that a node has for its answer; None is no limit.
    """

    fanout: int | None = None
    timeout: float | None = None


def nodes_of(text: str) -> list[str]:
    """The names that a node set means, in its order. NodeSetError if there is none.

    Args:
        text: as clush(1) takes it, such as `node[1-200]` or `@web`; groups are those of ClusterShell's configuration.
    """
    try:
        found = NodeSet(text)
        if len(found) > _MOST_NODES:
            raise NodeSetError(f"{text} are {len(found)} nodes; at most {_MOST_NODES} can be asked")
        names = [str(name) for name in found]
    except GroupSourceError as error:
        raise NodeSetError(f"{text}: ClusterShell finds no such group of nodes") from error
    except (NodeSetException, GroupResolverError, OSError, ValueError, configparser.Error) as error:
        raise NodeSetError(f"{text} is no node set: {error}") from error
    if not names:
        raise NodeSetError(f"there is no node in {text or 'the node set'}")
    for name in names:
        # ssh would take it for an option.
        if name.startswith("-") or not name.isprintable() or " " in name:
            raise NodeSetError(f"'{name}' cannot be the name of a node")
    return names


def fold(names: Sequence[str]) -> str:
    """One text for many nodes, such as `node[1-200]`."""
    return str(NodeSet.fromlist([*names]))


def ask(nodes: Iterable[str], words: Sequence[str], limits: Limits, hear: Callable[[Answer], None]) -> None:
    """Run a command on nodes, over ssh, and return when each of them has answered, or has not in time.

    Args:
        nodes: their names, as ssh takes them.
        words: the command. A shell over there reads it, so each word is quoted.
        limits: for all of it.
        hear: is called with each node's answer, as soon as it is there. If KeyboardInterrupt ends all of it, that is
            for each node whose ssh was run.

    Raises:
        NodeSetError: there is no ssh, or ClusterShell's configuration has an error. If the machine lacks what is
            needed, such as memory, some nodes may have been asked by then.
    """
    task = task_self()
    _configure(task, limits)
    timeout = _NO_TIMEOUT if limits.timeout is None else limits.timeout
    handlers = []
    for node in nodes:
        handlers.append(handler := _Handler(node, hear))
        worker = _Worker(node, handler=handler, command=shlex.join(words), timeout=timeout, stderr=True)
        task.schedule(worker)
        worker.set_write_eof()
    try:
        task.resume()
    except OSError as error:
        raise NodeSetError(f"ssh cannot be run for so many nodes at once: {error.strerror}") from error
    except KeyboardInterrupt:
        for handler in handlers:
            handler.give_up()
        raise


def _configure(task: Any, limits: Limits) -> None:
    """Have a task do as clush(1) does here, but for what somebody has asked for."""
    task.set_default("stdout_msgtree", False)
    task.set_default("stderr_msgtree", False)
    settings = configparser.ConfigParser(interpolation=None)
    try:
        settings.read(config_paths("clush.conf"))
        for word in _WORDS:
            if value := settings.get("Main", word, fallback=""):
                task.set_info(word, value)
        task.set_info("ssh_options", f"{settings.get('Main', 'ssh_options', fallback='')} {_ALIVE}")
        fanout = limits.fanout or int(settings.get("Main", "fanout", fallback="0"))
        connect = float(settings.get("Main", "connect_timeout", fallback="0"))
        program = [*shlex.split(task.info("ssh_path") or ""), "ssh"][0]
    except (configparser.Error, ValueError) as error:
        raise NodeSetError(f"clush.conf: {error}") from error
    if not shutil.which(Path(program).expanduser()):
        raise NodeSetError(f"{program} cannot be run, by which nodes are asked")
    task.set_info("fanout", _possible(fanout if fanout > 0 else task.info("fanout")))
    if connect > 0:
        task.set_info("connect_timeout", connect)


def _possible(fanout: int) -> int:
    """So many nodes at once, or as many as this process may open files for; its limit is raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _FILES + fanout * _FILES_OF_NODE
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return fanout
    limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return max(1, min(fanout, (limit - _FILES) // _FILES_OF_NODE))


class _Client(SshClient):  # type: ignore[misc]
    """One node's ssh. What it writes is not taken apart into lines, and it ends as soon as that is too much."""

    def _start(self) -> Any:
        self._left = {"stdout": _MOST, "stderr": _MOST_ERRORS}
        self.worker.eh.has_begun = True
        return super()._start()

    def _handle_read(self, sname: str) -> None:
        block: bytes = self._read(sname)
        handler = self.worker.eh
        self._left[sname] -= len(block)
        if self._left[sname] < 0:
            handler.problem = "it writes more than it may"
            self.popen.kill()
            raise EngineClientEOF
        handler.said[sname].append(block)


class _Worker(WorkerSsh):  # type: ignore[misc]
    SHELL_CLASS = _Client


class _Handler(EventHandler):  # type: ignore[misc]
    """What comes of one node's ssh."""

    def __init__(self, node: str, hear: Callable[[Answer], None]) -> None:
        self.problem = ""
        self.has_begun = False
        self.said: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        self._node = node
        self._hear = hear
        self._code: int | None = None
        self._has_ended = False

    def ev_hup(self, _worker: Any, _node: str, rc: int) -> None:
        """Keep the exit code."""
        self._code = rc

    def ev_close(self, _worker: Any, timedout: bool) -> None:
        """Hand over what it was."""
        code = None if timedout else self._code
        if timedout:
            self.problem = "no answer in time"
        elif code is None:
            self.problem = self.problem or _UNAWAITED
        output, errors = (b"".join(self.said[name]) for name in ("stdout", "stderr"))
        self.said.clear()
        self._hear(Answer(self._node, code, output, errors, self.problem))
        self._has_ended = True

    def give_up(self) -> None:
        """Hand over that nobody waits, if ClusterShell does not know of its ssh, or was interrupted at its end."""
        if self.has_begun and not self._has_ended:
            self._hear(Answer(self._node, None, b"", b"", _UNAWAITED))
