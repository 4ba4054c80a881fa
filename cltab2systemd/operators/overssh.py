"""Nodes that are asked one by one, over ssh, where no cluster manager knows of all: `clinitctl nodes -w NODESET`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.cluster.answers import node_seen
from cltab2systemd.cluster.seen import ClusterSeen
from cltab2systemd.outputs import NoOutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from cltab2systemd.cluster.answers import Answer
    from cltab2systemd.cluster.seen import NodeSeen

# Seconds that a node has for its answer, with the time to connect to it.
TIMEOUT = 20.0
_STATUS = ("clinitctl", "status", "--json")


def nodes_of(nodeset: str) -> list[str]:
    """The nodes of a node set, as clush(1) takes it. NoOutputError if there are none."""
    asked = _library()
    try:
        found: list[str] = asked.nodes_of(nodeset)
    except asked.NodeSetError as error:
        raise NoOutputError(str(error)) from error
    return found


def fold(names: Sequence[str]) -> str:
    """One text for many nodes, such as `node[1-200]`."""
    return str(_library().fold(names))


def ask(
    nodes: Sequence[str], words: Sequence[str], hear: Callable[[Answer], None], fanout: int | None = None,
    timeout: float | None = None,
) -> None:  # fmt: skip
    """Run a command on nodes. NoOutputError if that cannot be done at all.

    Args:
        nodes: their names.
        words: the command.
        hear: is called with each node's answer.
        fanout: how many are asked at once; None is what ClusterShell's configuration says.
        timeout: seconds that each has for its answer; None is no limit.
    """
    asked = _library()
    try:
        asked.ask(nodes, words, asked.Limits(fanout, timeout), hear)
    except asked.NodeSetError as error:
        raise NoOutputError(str(error)) from error


def cluster_seen(names: Sequence[str], fanout: int | None = None, timeout: float | None = None) -> ClusterSeen:
    """What nodes say of themselves. NoOutputError if they cannot be asked at all; `fanout` as for `ask`.

    Args:
        names: of the nodes.
        fanout: as for `ask`.
        timeout: seconds that each has for its answer; None is `TIMEOUT`.
    """
    found: dict[str, NodeSeen] = {}

    def hear(answer: Answer) -> None:
        found[answer.node] = node_seen(answer)

    ask(names, _STATUS, hear, fanout, timeout or TIMEOUT)
    return ClusterSeen(tuple(found[name] for name in names))


def _library() -> ModuleType:
    try:
        from cltab2systemd.operators import fanout  # noqa: PLC0415 - needs ClusterShell
    except ImportError as error:
        raise NoOutputError(f"-w takes ClusterShell's library: install python3-clustershell ({error})") from error
    return fanout
