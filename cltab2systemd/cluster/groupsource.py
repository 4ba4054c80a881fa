"""Groups on nodes as ClusterShell's groups of nodes: what its upcalls ask for (groups.conf(5)). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cltab2systemd.cluster.seen import ClusterSeen

UPCALLS = ("map", "all", "list", "reverse")
"""`all` is all nodes, `list` the names of groups. The others take a word: a group, as for `on`; and a node."""

NEED_A_WORD = ("map", "reverse")

# What is no name of a group to ClusterShell.
_ILLEGAL = frozenset("@,!&^*[]:\"'$`\\")


def answer(seen: ClusterSeen, upcall: str, word: str) -> list[str]:
    """Names of nodes for `map` and `all`, of groups for `list` and `reverse`.

    Args:
        seen: the nodes.
        upcall: one of UPCALLS.
        word: what it asks about, if it needs a word.
    """
    answers: dict[str, Callable[[], list[str]]] = {
        "map": lambda: _on(seen, word),
        "all": lambda: [node.name for node in seen.nodes],
        "list": lambda: [*filter(_is_name, seen.group_names())],
        "reverse": lambda: [group for group in filter(_is_name, seen.group_names()) if word in _on(seen, group)],
    }
    return answers[upcall]()


def _on(seen: ClusterSeen, word: str) -> list[str]:
    """The nodes on which a group is active (`web`), or in a state (`web:FAILED`)."""
    group, _, state = word.partition(":")
    here = seen.on_nodes(group)
    return [name for name, one in here.items() if (one.state == state if state else one.is_active)]


def _is_name(group: str) -> bool:
    return group.isprintable() and " " not in group and _ILLEGAL.isdisjoint(group)
