"""A group that is moved on many nodes, over ssh: `clinitctl nodes -w NODESET switch GROUP LEVEL`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.client import outcome
from cltab2systemd.commands.printing import complain, say
from cltab2systemd.operators import nodeowner, overssh
from cltab2systemd.outputs import NoOutputError
from cltab2systemd.terminal import printable
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cltab2systemd.cluster.answers import Answer

# The worst first: what may be under way, or has failed, weighs more than what was not begun.
_WORST_FIRST = (
    outcome.INTERRUPTED, outcome.FAILED, outcome.TIMED_OUT, outcome.SUPERSEDED, outcome.NO_DAEMON, outcome.REFUSED,
    outcome.USAGE, outcome.FINE,
)  # fmt: skip
# What a shell or ssh exits with, and no clinit.
_NOT_OF_CLINIT = 126
_NO_COMMAND = (126, 127)
# Lines that are shown of one answer.
_MOST_LINES = 20


@dataclass(frozen=True, slots=True)
class Move:
    """What is to be done.

    Attributes:
        nodes: the names of the nodes, in order.
        group: the group.
        level: where to.
        batch: how many nodes are moved before it is seen how that went; None is all.
        fanout: how many at once; None is what ClusterShell's configuration says.
        timeout: seconds that a node waits for the end; None is no limit.
    """

    nodes: Sequence[str]
    group: str
    level: str
    batch: int | None = None
    fanout: int | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Came:
    """What came of it on a node: an exit code of clinit's, and printable lines."""

    code: int
    lines: tuple[str, ...]


def switch(move: Move) -> int:
    """Move a group on nodes, tell what came of it, and return the exit code, which is the worst.

    Where Pacemaker has the group, nothing is done on any node. NoOutputError if the nodes cannot be asked.
    """
    seen = overssh.cluster_seen(move.nodes, move.fanout)
    silent = {node.name: node.reason for node in seen.nodes if node.groups is None}
    if refusal := nodeowner.refusal(move, seen.nodes, silent):
        for line in refusal:
            complain(f"clinitctl: {line}")
        return outcome.REFUSED
    code = _tell({
        node.name: Came(outcome.NO_DAEMON, (f"not moved: {printable(silent[node.name])}",))
        for node in seen.nodes
        if node.name in silent
    })  # fmt: skip
    left = [node.name for node in seen.nodes if node.name not in silent]
    while left:
        batch = left[: move.batch]
        left = left[len(batch) :]
        came = _moved(move, batch)
        code = worst(code, _tell(came))
        if left and any(one.code != outcome.FINE for one in came.values()):
            why = "not moved, for the nodes before did not come out well"
            return worst(code, _tell(dict.fromkeys(left, Came(outcome.FINE, (why,)))))
    return code


def worst(*codes: int) -> int:
    """The worst of exit codes."""
    return min(codes, key=_WORST_FIRST.index)


def _moved(move: Move, nodes: Sequence[str]) -> Mapping[str, Came]:
    """What came of it on each of the nodes."""
    waits = [] if move.timeout is None else ["--timeout", f"{move.timeout:g}"]
    words = ["clinit", "--wait", *waits, "--", move.group, move.level]
    limit = None if move.timeout is None else move.timeout + overssh.TIMEOUT
    came: dict[str, Came] = {}

    def hear(answer: Answer) -> None:
        came[answer.node] = _came(answer, move)

    try:
        overssh.ask(nodes, words, hear, move.fanout, limit)
    except KeyboardInterrupt:
        not_moved = Came(outcome.INTERRUPTED, ("not moved: interrupted",))
        heard = {
            node: Came(outcome.INTERRUPTED, one.lines) if one.code == outcome.TIMED_OUT else one
            for node, one in came.items()
        }
        return dict.fromkeys(nodes, not_moved) | heard
    except NoOutputError as error:
        return dict.fromkeys(nodes, Came(outcome.TIMED_OUT, (f"unknown, it may have begun: {error}",))) | came
    return came


def _came(answer: Answer, move: Move) -> Came:
    """What an answer means. It is an end only if clinit itself has said so."""
    said = [printable(line) for line in decoded(answer.output).splitlines()]
    also = [printable(line) for line in decoded(answer.errors).splitlines()]
    lines = tuple(said + also)[:_MOST_LINES]
    if answer.code in _NO_COMMAND:
        return Came(outcome.NO_DAEMON, (f"not moved: clinit cannot be run there: {answer.reason}",))
    if answer.is_cut_off or answer.code is None or answer.code >= _NOT_OF_CLINIT:
        return Came(outcome.TIMED_OUT, (f"unknown, it may have begun: {answer.reason}",))
    if answer.code in {outcome.FINE, outcome.FAILED} and not _is_end(said[:1], move):
        what = f"unknown: clinit exits with {answer.code} there, and does not say how it went"
        return Came(outcome.TIMED_OUT, (what, *lines))
    if answer.code not in _WORST_FIRST:
        return Came(outcome.TIMED_OUT, (f"unknown: clinit exits with {answer.code} there", *lines))
    return Came(answer.code, lines or (f"clinit exits with {answer.code} there, and says nothing",))


def _is_end(said: Sequence[str], move: Move) -> bool:
    """Whether clinit has said there how it went: `GROUP LEVEL STATE`."""
    told = f"{printable(move.group)} {printable(move.level)} "
    return any(line.startswith(told) for line in said)


def _tell(came: Mapping[str, Came]) -> int:
    """Print what came of it, the same of several nodes once; the worst exit code."""
    by_outcome: dict[Came, list[str]] = {}
    for node, one in came.items():
        by_outcome.setdefault(one, []).append(node)
    for one, nodes in by_outcome.items():
        first, *others = one.lines
        say([f"{printable(overssh.fold(nodes))}: {first}", *(f"  {line}" for line in others)])
    return worst(outcome.FINE, *(one.code for one in came.values()))
