"""A group that is moved on many nodes, over ssh: `clinitctl nodes -w NODESET switch GROUP LEVEL`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.client import outcome
from cltab2systemd.client.ownerwords import PROGRAMS, QUESTION, STOP_LEVEL, Request, Standing, command, standing
from cltab2systemd.commands.printing import complain, say
from cltab2systemd.crmxml import literal
from cltab2systemd.operators import overssh
from cltab2systemd.outputs import NoOutputError
from cltab2systemd.terminal import printable, shortened
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cltab2systemd.cluster.answers import Answer
    from cltab2systemd.cluster.seen import NodeSeen

# The worst first: what may be under way, or has failed, weighs more than what was not begun.
_WORST_FIRST = (
    outcome.INTERRUPTED, outcome.FAILED, outcome.TIMED_OUT, outcome.SUPERSEDED, outcome.NO_DAEMON, outcome.REFUSED,
    outcome.USAGE, outcome.FINE,
)  # fmt: skip
# What a shell or ssh exits with, and no clinit.
_NOT_OF_CLINIT = 126
_NO_COMMAND = (126, 127)
# What Pacemaker's programs exit with where it does not run.
_NOT_CONNECTED = 102
# And where it has no such thing.
_NOT_FOUND = 105
# Lines that are shown of one answer.
_MOST_LINES = 20
_ASK_PACEMAKER = (
    f'for name in {" ".join(PROGRAMS)}; do if command -v "$name" >/dev/null; then echo "$name"; break; fi; done; '
    f'exec {shlex.join(QUESTION)} "$1"'
)


# Where nothing is noted: whether Pacemaker is installed, and has the group, or had it when it ran. Prints why nothing
# may be done, or nothing. A note comes by a probe: none comes before Pacemaker runs, nor where a ban forbids it.
_CONFIGURATION = "/var/lib/pacemaker/cib"
_ASK_UNNOTED = f"""\
command -v crm_mon >/dev/null || exit 0
crm_mon --one-shot --output-as=xml --include=none >/dev/null 2>&1
case $? in
0) how='Pacemaker runs there, and has it' ;;
{_NOT_CONNECTED})
	how='Pacemaker is stopped there, and had it when it ran'
	[ -d {_CONFIGURATION} ] || exit 0
	[ -x {_CONFIGURATION} ] || {{ echo 'Pacemaker is not reached there, and only root may read what it had'; exit 0; }}
	[ -e {_CONFIGURATION}/cib.xml ] || exit 0
	export CIB_file={_CONFIGURATION}/cib.xml
	;;
*) echo 'crm_mon does not say whether Pacemaker runs there'; exit 0 ;;
esac
cibadmin --query --xpath "$1" >/dev/null 2>&1
case $? in
0) echo "$how" ;;
{_NOT_FOUND}) ;;
*) echo 'what Pacemaker has there, or had, cannot be read' ;;
esac
"""


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
    if refusal := _owned(move, seen.nodes) or _unnoted(move, seen.nodes, silent):
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


def _owned(move: Move, nodes: Sequence[NodeSeen]) -> list[str]:
    """Why nothing is done, and what is to be done: printable lines; none if Pacemaker does not act on the group."""
    noted: dict[str, list[str]] = {}
    for node in nodes:
        here = (node.groups or {}).get(move.group)
        if here is not None and here.resource:
            noted.setdefault(here.resource, []).append(node.name)
    return [line for resource, names in noted.items() for line in _standing(move, resource, names)]


def _standing(move: Move, resource: str, names: Sequence[str]) -> Iterator[str]:
    """`_owned` of one resource, as the nodes tell that have a note of it."""
    answers: list[Answer] = []
    words = ["sh", "-c", _ASK_PACEMAKER, "sh", resource]
    overssh.ask(names, words, answers.append, move.fanout, overssh.TIMEOUT)
    doubts = []
    for answer in answers:
        try:
            program, found = _pacemakers(answer, resource)
        except NoOutputError as error:
            doubts.append(f"{answer.node}: {error}")
            continue
        if found is not None and found.managed:
            yield from _refusal(Request(move.group, move.level, names[0], resource, program), found)
            return
    # A stop makes no second copy: at worst it ends one, or Pacemaker takes it back.
    if doubts and move.level != STOP_LEVEL:
        yield (
            f"nothing is done: {overssh.fold(names)} have noted that Pacemaker has {shortened(move.group)} as its "
            f"resource {shortened(resource)}, and it is not known how that is: {shortened(doubts[0])}"
        )
        yield _by_hand(move)


def _by_hand(move: Move) -> str:
    command_there = printable(shlex.join(["clinit", move.group, move.level]))
    return f"where it does not run elsewhere, and Pacemaker is not to start it, on the node itself: {command_there}"


def _unnoted(move: Move, nodes: Sequence[NodeSeen], silent: dict[str, str]) -> list[str]:
    """`_owned` by nodes without a note: no probe has come there since the boot, or there is no Pacemaker.

    Nodes that do not answer any more are added to `silent`, with the reason.
    """
    groups = {node.name: (node.groups or {}).get(move.group) for node in nodes}
    names = [name for name, group in groups.items() if group is not None and not group.resource]
    if not names or move.level == STOP_LEVEL:
        return []
    answers: list[Answer] = []
    path = f"//primitive[@provider='clinit'][.//nvpair[@name='group'][@value={literal(move.group)}]]"
    overssh.ask(names, ["sh", "-c", _ASK_UNNOTED, "sh", path], answers.append, move.fanout, overssh.TIMEOUT)
    for answer in answers:
        if answer.problem or answer.code != 0:
            silent[answer.node] = answer.reason
        elif answer.output:
            why = shortened(decoded(answer.output).strip())
            whose = f"it is not known whether Pacemaker has {shortened(move.group)}"
            return [f"nothing is done: {whose}: {answer.node}: {why}", _by_hand(move)]
    return []


def _pacemakers(answer: Answer, resource: str) -> tuple[str, Standing | None]:
    """Which program changes resources on a node, and what Pacemaker there says of one; None if it has none such.

    NoOutputError if it says nothing.
    """
    if answer.code == _NOT_CONNECTED:
        raise NoOutputError("Pacemaker does not run there")
    if answer.code != 0:
        raise NoOutputError(answer.reason)
    program, _, text = answer.output.partition(b"\n")
    try:
        return next((name for name in PROGRAMS if name.encode() == program), PROGRAMS[-1]), standing(text, resource)
    except ValueError as error:
        raise NoOutputError(f"what crm_mon writes is not understood: {error}") from error


def _refusal(request: Request, found: Standing) -> Iterator[str]:
    where = f"runs it on {' and '.join(map(shortened, found.nodes))}" if found.nodes else "runs it nowhere"
    yield (
        f"nothing is done: Pacemaker has {shortened(request.group)} as its resource {shortened(request.resource)}, "
        f"and {where}"
    )
    to, what = ("stop it", "stop") if request.level == STOP_LEVEL else ("change its level", "level")
    yield f"on a node of the cluster, to {to}: {command(what, request)}"
    yield f"to have Pacemaker look away first: {command('look away', request)}"
