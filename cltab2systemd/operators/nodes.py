"""`clinitctl nodes`: groups on many nodes, and what is wrong between the nodes."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from cltab2systemd.client import outcome
from cltab2systemd.client.seconds import Seconds
from cltab2systemd.cluster import groupsource, view
from cltab2systemd.cluster.judgement import Kind, findings
from cltab2systemd.commands.printing import complain, say
from cltab2systemd.operators import nodeswitch, overssh, pacemaker
from cltab2systemd.operators.nodeswitch import Move
from cltab2systemd.operators.statusview import DEGRADED
from cltab2systemd.outputs import NoOutputError
from cltab2systemd.reports import asjson
from cltab2systemd.terminal import printable, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cltab2systemd.cluster.judgement import Finding
    from cltab2systemd.cluster.seen import ClusterSeen

CONFLICT = 8
"""The exit code if a group is active on several nodes that is for one."""

# Seconds between two looks with --watch.
_PAUSE = 2.0
# Nodes tell of a change each for itself, the cluster after a second. A group that moves is on two nodes until all have:
# not on more, and of two hundred nodes nobody waits to be told so twice.
_MOMENT = 2.0
_MISPLACED = {Kind.ELSEWHERE, Kind.BY_HAND}
_OF_A_MOVE = 2
_WORDS_OF_SWITCH = 3
_CLEAR = "\x1b[H\x1b[2J\x1b[3J"


@click.command(name="nodes")
@click.argument("words", nargs=-1, metavar="[GROUP]… | switch GROUP LEVEL")
@click.option("-W", "--watch", is_flag=True, help="Again at each change, until Ctrl-C.")
@click.option(
    "--json", "as_json", is_flag=True, help="For a program: one JSON document; with --watch, a line for each change."
)
@click.option("-w", "nodeset", metavar="NODESET", help="Ask these nodes over ssh: n[1-3], or a group such as @web.")
@click.option("--cib", metavar="FILE", help="What this file says, which has a CIB of Pacemaker.")
@click.option("--fanout", type=click.IntRange(min=1), metavar="NUMBER", help="Ask so many nodes at once.")
@click.option("--timeout", type=Seconds(), metavar="SECONDS", help="Wait for a node at most so long.")
@click.option(
    "--batch", type=click.IntRange(min=1), metavar="NUMBER", help="With switch: so many nodes after each other."
)
@click.option(
    "--source", "upcall", type=click.Choice(groupsource.UPCALLS),
    help="For ClusterShell's groups of nodes: what its upcall of that name asks for.",
)  # fmt: skip
def command(
    words: tuple[str, ...], *, watch: bool, as_json: bool, nodeset: str | None, cib: str | None, fanout: int | None,
    timeout: float | None, batch: int | None, upcall: str | None,
) -> None:  # fmt: skip
    """Show groups on many nodes, and what is wrong between the nodes; or move a group there.

    Without a GROUP, these are all groups. Nodes of a Pacemaker cluster tell it how their groups are where
    clinit-publish.service runs; any of them can be asked. With -w, nodes are asked over ssh instead, by ClusterShell;
    `switch` moves a group on all of these. Exit codes: 8 if a group is active on several nodes that is for one, 4 if
    one is FAILED, 7 if something else is worth a look; of `switch` those of `clinit --wait`, the worst of all nodes.
    """
    moved = words[1:] if words[:1] == ("switch",) and len(words) == _WORDS_OF_SWITCH else ()
    if nodeset is None and (moved or fanout or timeout):
        raise click.UsageError("name the nodes: -w NODESET")
    if [bool(moved), watch or as_json, upcall is not None].count(True) > 1:
        raise click.UsageError("switch, --source, and --watch or --json do not go together")
    if batch and not moved:
        raise click.UsageError("--batch goes with switch")
    if upcall is not None and len(words) != (upcall in groupsource.NEED_A_WORD):
        raise click.UsageError("--source map takes a group, --source reverse a node, and the others take nothing")
    if nodeset is None:
        source = Source(lambda: _of_pacemaker(cib), ", ".join)
    elif cib is not None:
        raise click.UsageError("-w and --cib do not go together")
    else:
        source = _over_ssh(nodeset, moved, batch, fanout, timeout)
    if upcall is not None:
        raise SystemExit(_answer(source, upcall, "".join(words)))
    if watch:
        _watch(source, words, as_json=as_json)
    raise SystemExit(_show(source, words, as_json=as_json))


@dataclass(frozen=True, slots=True)
class Source:
    """Who is asked.

    Attributes:
        look: asks how the nodes are. NoOutputError if that cannot be known.
        fold: makes one text of the names of nodes.
    """

    look: Callable[[], ClusterSeen]
    fold: Callable[[Sequence[str]], str]

    def look_at(self, groups: Sequence[str]) -> ClusterSeen:
        """What is seen of some groups; of all, if none is named."""
        seen = self.look()
        return seen.chosen(groups) if groups else seen


def _over_ssh(
    nodeset: str, moved: Sequence[str], batch: int | None, fanout: int | None, timeout: float | None
) -> Source:
    """The nodes of a node set; the process ends here if a group is to be moved there, or there are no such nodes."""
    try:
        names = overssh.nodes_of(nodeset)
        if moved:
            group, level = moved
            raise SystemExit(nodeswitch.switch(Move(names, group, level, batch, fanout, timeout)))
    except NoOutputError as error:
        complain(f"clinitctl: {shortened(str(error))}")
        raise SystemExit(outcome.REFUSED) from error
    return Source(lambda: _at_rest(lambda: overssh.cluster_seen(names, fanout, timeout)), overssh.fold)


def _of_pacemaker(cib: str | None) -> ClusterSeen:
    """What Pacemaker knows of its nodes, or a CIB of then. NoOutputError."""
    if cib is not None:
        try:
            return pacemaker.cluster_of(cib)
        except NoOutputError as error:
            raise NoOutputError(f"{cib}: {error}") from error
    try:
        return _at_rest(pacemaker.cluster_seen)
    except NoOutputError as error:
        raise NoOutputError(f"the cluster does not tell how its nodes are: {error}; -w asks them over ssh") from error


def _at_rest(look: Callable[[], ClusterSeen]) -> ClusterSeen:
    """What is seen; what may only be so while a group moves is looked at once more."""
    seen = look()
    if any(map(_may_pass, findings(seen))):
        time.sleep(_MOMENT)
        seen = look()
    return seen


def _may_pass(finding: Finding) -> bool:
    return finding.kind in _MISPLACED or (finding.kind is Kind.CONFLICT and len(finding.nodes) <= _OF_A_MOVE)


def _show(source: Source, groups: Sequence[str], *, as_json: bool) -> int:
    try:
        seen = source.look_at(groups)
    except NoOutputError as error:
        complain(f"clinitctl: {shortened(str(error))}")
        return outcome.NO_DAEMON
    if unknown := [name for name in groups if name not in seen.group_names()]:
        complain(f"clinitctl: no node tells of a group {shortened(unknown[0])}")
        return outcome.REFUSED
    found = findings(seen)
    say([asjson.document(asjson.value(view.as_object(seen, found)))] if as_json else _lines(seen, found, source.fold))
    return code(found)


def _answer(source: Source, upcall: str, word: str) -> int:
    """Print what an upcall of ClusterShell's asks for: node sets and words that it takes."""
    try:
        seen = source.look()
    except NoOutputError as error:
        complain(f"clinitctl: {shortened(str(error))}")
        return outcome.NO_DAEMON
    names = groupsource.answer(seen, upcall, word)
    say([printable(name) for name in names])
    return outcome.FINE


def code(found: Sequence[Finding]) -> int:
    """The exit code."""
    kinds = {finding.kind for finding in found}
    if Kind.CONFLICT in kinds:
        return CONFLICT
    if Kind.FAILED in kinds:
        return outcome.FAILED
    return DEGRADED if kinds else outcome.FINE


def _lines(seen: ClusterSeen, found: Sequence[Finding], fold: Callable[[Sequence[str]], str]) -> Iterator[str]:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return view.lines(seen, found, width, fold)


def _watch(source: Source, groups: Sequence[str], *, as_json: bool) -> None:
    """Show it again at each change; a terminal is drawn anew. Ends with the process."""
    import json  # noqa: PLC0415 - not needed for lines

    draws = sys.stdout.isatty() and not as_json
    before: list[str] = []
    while True:
        try:
            seen = source.look_at(groups)
            found = findings(seen)
            if as_json:
                shown = [json.dumps(asjson.value(view.as_object(seen, found)))]
            else:
                shown = [*_lines(seen, found, source.fold)]
        except NoOutputError as error:
            if as_json:  # or what was printed last would be taken for what is
                complain(f"clinitctl: {shortened(str(error))}")
                raise SystemExit(outcome.NO_DAEMON) from error
            shown = [shortened(str(error))]
        if shown != before:
            say([_CLEAR + shown[0], *shown[1:]] if draws and shown else shown if as_json else [*shown, ""])
            before = shown
        time.sleep(_PAUSE)
