"""Whether Pacemaker has a group that is to be moved on many nodes: then nothing is done there.

A node has a note of that by the resource agent, and then its Pacemaker is asked; without a note, whether there is one.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from cltab2systemd.client.ownerwords import PROGRAMS, QUESTION, STOP_LEVEL, Request, Standing, command, standing
from cltab2systemd.crmxml import literal
from cltab2systemd.operators import overssh
from cltab2systemd.outputs import NoOutputError, not_understood
from cltab2systemd.terminal import printable, shortened
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cltab2systemd.cluster.answers import Answer
    from cltab2systemd.cluster.seen import NodeSeen
    from cltab2systemd.operators.nodeswitch import Move

# What Pacemaker's programs exit with where it does not run.
_NOT_CONNECTED = 102
# And where it has no such thing.
_NOT_FOUND = 105
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


def refusal(move: Move, nodes: Sequence[NodeSeen], silent: dict[str, str]) -> list[str]:
    """Why nothing is done, and what is to be done: printable lines; none if Pacemaker does not act on the group.

    Args:
        move: what is to be done.
        nodes: as they have answered.
        silent: those that have not, with the reason; those that do not answer any more are added.
    """
    return _owned(move, nodes) or _unnoted(move, nodes, silent)


def _owned(move: Move, nodes: Sequence[NodeSeen]) -> list[str]:
    """`refusal` by nodes that have a note."""
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
    """`refusal` by nodes without a note: no probe has come there since the boot, or there is no Pacemaker.

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
        raise not_understood("crm_mon", error) from error


def _refusal(request: Request, found: Standing) -> Iterator[str]:
    where = f"runs it on {' and '.join(map(shortened, found.nodes))}" if found.nodes else "runs it nowhere"
    yield (
        f"nothing is done: Pacemaker has {shortened(request.group)} as its resource {shortened(request.resource)}, "
        f"and {where}"
    )
    to, what = ("stop it", "stop") if request.level == STOP_LEVEL else ("change its level", "level")
    yield f"on a node of the cluster, to {to}: {command(what, request)}"
    yield f"to have Pacemaker look away first: {command('look away', request)}"
