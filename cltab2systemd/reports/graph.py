"""A table as a graph in DOT, for Graphviz. Pure.

A cluster for each group, with its entries in file order. Each level is a line in a colour of its own that goes through
the entries that it starts, in their order: solid where the next entry waits until the one before has ended, dashed
where it does not. An entry that is required has a double border: if it fails, the lines end there.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from cltab2systemd.groups.changes import is_member
from cltab2systemd.reports.show import without_lists
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cltab2systemd.table.model import Entry, ResourceGroup

# Okabe and Ito's, which people tell apart however they see colours; without yellow, which is no colour for a line.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#56b4e9", "#e69f00")

_HEAD = """\
digraph cltab {
    graph [fontname="sans-serif", fontsize=12, style=rounded, color="#999999", labelloc=t, nodesep=0.3, ranksep=0.35];
    node [fontname="sans-serif", fontsize=11, shape=box, style=rounded, height=0.3];
    edge [arrowsize=0.6, penwidth=1.5];
"""


def dot(groups: Iterable[ResourceGroup]) -> str:
    """The DOT text of some groups."""
    lines = itertools.chain.from_iterable(_cluster(number, group) for number, group in enumerate(groups))
    return _HEAD + "".join(f"    {line}\n" for line in lines) + "}\n"


def quoted(text: str) -> str:
    """Text as a quoted string of DOT that shows just this text, printable and not too long.

    Graphviz interprets a backslash, and an ampersand as the beginning of an HTML entity.
    """
    shown = shortened(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
    return f'"{shown}"'


def _cluster(number: int, group: ResourceGroup) -> Iterator[str]:
    # Nodes are named by number: names of the table would need to be told apart, and escaped otherwise than labels.
    nodes = {entry.tag: f"g{number}_entry{index}" for index, entry in enumerate(group.entries)}
    label = group.name if group.boot_level is None else f"{group.name}, boots to level {group.boot_level}"
    label += ", stops in order" if group.stops_in_order else ""
    yield f"subgraph cluster_{number} {{"
    yield f"    label={quoted(label)};"
    for entry in group.entries:
        look = "" if entry.runnable else ', style="rounded,dashed", fontcolor="#777777", color="#777777"'
        look += ", peripheries=2" * entry.holds_back
        yield (
            f"    {nodes[entry.tag]} [label={quoted(f'{entry.tag}: {entry.kind}')}, "
            f"tooltip={quoted(_tooltip(entry))}{look}];"
        )
    # Invisible edges keep the entries in file order, also where no level has two of them.
    for before, after in itertools.pairwise(nodes.values()):
        yield f"    {before} -> {after} [style=invis, weight=10];"
    for index, level in enumerate(without_lists(group.levels)):
        node, colour = f"g{number}_level{index}", COLOURS[index % len(COLOURS)]
        look = ", peripheries=2" if level == group.boot_level else ""
        yield f'    {node} [label={quoted(f"level {level}")}, shape=ellipse, style=bold, color="{colour}"{look}];'
        yield from _line(node, level, colour, group.entries, nodes)
    yield "}"


def _tooltip(entry: Entry) -> str:
    return entry.command if entry.preflight is None else f"{entry.command}; preflight: {entry.preflight.command}"


def _line(start: str, level: str, colour: str, entries: tuple[Entry, ...], nodes: dict[str, str]) -> Iterator[str]:
    """The line of a level: from its own node through the entries that it starts."""
    members = [entry for entry in entries if is_member(entry, level)]
    if members:
        yield f'    {start} -> {nodes[members[0].tag]} [color="{colour}", tooltip={quoted(f"level {level}")}];'
    for before, after in itertools.pairwise(members):
        style = "solid" if before.mode.is_waited_for or before.notifies else "dashed"
        yield (
            f"    {nodes[before.tag]} -> {nodes[after.tag]} "
            f'[color="{colour}", style={style}, tooltip={quoted(f"level {level}")}];'
        )
