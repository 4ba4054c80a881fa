"""Nodes and groups as lines for a person, and as a value for programs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.cluster.judgement import Kind, is_for_one_node
from cltab2systemd.cluster.seen import Condition
from cltab2systemd.terminal import aligned, cut, printable, shortened, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cltab2systemd.cluster.judgement import Finding
    from cltab2systemd.cluster.seen import ClusterSeen, GroupSeen, NodeSeen

    Fold = Callable[[Sequence[str]], str]

# More nodes than that have no column each.
MOST_COLUMNS = 8
# Digits of a digest that people compare.
_DIGITS = 8
_WORDS = {
    Kind.CONFLICT: "{group} {detail} active on {nodes}: a conflict",
    Kind.FAILED: "{group} is FAILED on {nodes}; there, 'clinitctl why {group}' tells why",
    Kind.DEGRADED: "{group} is degraded on {nodes}; there, 'clinitctl why {group}' tells why",
    Kind.NOWHERE: "{group} is active {detail}",
    Kind.ELSEWHERE: "{group} is not active on {nodes}: {detail}",
    Kind.BY_HAND: "{group} is active on {nodes}, where the cluster does not have its resource {detail}",
    Kind.DIFFERENT_LINES: "{nodes}: other lines of {group} applied than elsewhere: {detail}",
    Kind.DIFFERENT_TABLE: "{nodes}: another table in force than elsewhere: {detail}",
    Kind.REFUSED_TABLE: "{nodes}: the table is refused: {detail}; there, 'cltab2systemd check' tells more",
    Kind.NO_TABLE: "{nodes}: no table is in force; there, 'cltab2systemd check' tells more",
    Kind.NO_DAEMON: "{nodes}: no daemon answers; there, 'clinitctl status' tells more",
    Kind.OLD_CLSTAT: "{nodes}: clstat cannot be trusted; there, 'clinitctl status' tells why",
    Kind.DOWN: "{nodes}: {detail}",
    Kind.STALE: "{nodes}: what is shown is old: {detail}",
    Kind.SILENT: "{nodes}: tells nothing: {detail}",
}


def sentence(finding: Finding, fold: Fold) -> str:
    """A finding as a printable line.

    Args:
        finding: what was found.
        fold: makes one text of the names of nodes.
    """
    group = "" if finding.group is None else shortened(finding.group)
    nodes = printable(fold(finding.nodes))
    return _WORDS[finding.kind].format(group=group, nodes=nodes, detail=printable(finding.detail))


def lines(seen: ClusterSeen, found: Iterable[Finding], width: int | None, fold: Fold) -> Iterator[str]:
    """What is wrong, then groups and nodes: a column for each node if these are few, or else a line for each answer."""
    told = [line for finding in found for line in wrapped(sentence(finding, fold), width)]
    yield from told
    if told and seen.nodes:
        yield ""
    rows = _matrix(seen) if len(seen.nodes) <= MOST_COLUMNS else _folded(seen, fold)
    for line in aligned(rows) if rows else ():
        yield cut(line, width)


def _matrix(seen: ClusterSeen) -> list[list[str]]:
    if not seen.nodes:
        return []
    rows = [["", *(_heading(node) for node in seen.nodes)], ["(table)", *(_table(node) for node in seen.nodes)]]
    return rows + [[shortened(group), *(_cell(node, group) for node in seen.nodes)] for group in seen.group_names()]


def _folded(seen: ClusterSeen, fold: Fold) -> list[list[str]]:
    rows = _rows_of("(node)", ((_heading_word(node), node.name) for node in seen.nodes), fold)
    rows += _rows_of("(table)", ((_table(node), node.name) for node in seen.nodes if node.groups is not None), fold)
    for group in seen.group_names():
        told = ((_status(here), name) for name, here in seen.on_nodes(group).items())
        rows += _rows_of(shortened(group), told, fold)
    return rows


def _rows_of(what: str, told: Iterable[tuple[str, str]], fold: Fold) -> list[list[str]]:
    """Rows of what nodes have in common: it, and who they are."""
    by_word: dict[str, list[str]] = {}
    for word, node in told:
        by_word.setdefault(word, []).append(node)
    return [
        ["" if number else what, word, printable(fold(nodes))] for number, (word, nodes) in enumerate(by_word.items())
    ]


def _heading(node: NodeSeen) -> str:
    name = shortened(node.name)
    word = _heading_word(node)
    return name if word == Condition.ONLINE else f"{name} ({word})"


def _heading_word(node: NodeSeen) -> str:
    return "stale" if node.is_stale and node.condition is not Condition.DOWN else str(node.condition)


def _table(node: NodeSeen) -> str:
    if node.groups is None:
        return "?"
    return (node.table or "?")[:_DIGITS] + (" refused" if node.is_refused else "")


def _cell(node: NodeSeen, group: str) -> str:
    if node.groups is None:
        return "?"
    return _status(node.groups[group]) if group in node.groups else "-"


def _status(here: GroupSeen) -> str:
    level = "" if here.level is None else f"{shortened(here.level)} "
    remarks = (" degraded" if here.health == "degraded" else "", " on trial" if here.on_trial else "")
    return f"{level}{here.state}{''.join(remarks)}"


def as_object(seen: ClusterSeen, found: Iterable[Finding]) -> dict[str, object]:
    """The value that `clinitctl nodes --json` prints; docs/json.md describes it."""
    return {
        "nodes": [
            {
                "node": node.name,
                "condition": str(node.condition),
                "reason": node.reason or None,
                "tells": node.groups is not None,
                "stale": node.is_stale,
                "table": {"digest": node.table, "refused": node.is_refused},
            }
            for node in seen.nodes
        ],
        "groups": [_group_object(seen, group) for group in seen.group_names()],
        "findings": [
            {
                "kind": str(finding.kind),
                "group": finding.group,
                "nodes": [*finding.nodes],
                "text": sentence(finding, ", ".join),
            }
            for finding in found
        ],
    }


def _group_object(seen: ClusterSeen, group: str) -> dict[str, object]:
    resource = seen.resource_of(group)
    return {
        "group": group,
        "for_one_node": is_for_one_node(seen, group),
        "resource": None if resource is None else resource.name,
        "nodes": [
            {
                "node": name,
                "level": here.level,
                "state": here.state,
                "health": here.health,
                "on_trial": here.on_trial,
                "active": here.is_active,
                "digest": here.digest,
            }
            for name, here in seen.on_nodes(group).items()
        ],
    }
