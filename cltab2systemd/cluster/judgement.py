"""What is wrong between nodes. Pure."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.cluster.seen import Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from cltab2systemd.cluster.seen import ClusterSeen, NodeSeen, ResourceSeen


class Kind(enum.StrEnum):
    """What is wrong; the worst first."""

    CONFLICT = "conflict"  # a group for one node is active on several, or may be
    FAILED = "failed"
    DEGRADED = "degraded"
    NOWHERE = "nowhere"  # a group that is to run is active on no node that tells
    ELSEWHERE = "elsewhere"  # it is not active where the cluster manager has it
    BY_HAND = "by-hand"  # it is active where the cluster manager does not have it
    DIFFERENT_LINES = "different-lines"  # nodes have applied different lines of a group
    DIFFERENT_TABLE = "different-table"  # nodes have different tables in force
    REFUSED_TABLE = "refused-table"
    NO_TABLE = "no-table"  # a daemon has no table in force
    NO_DAEMON = "no-daemon"  # a node has no daemon that answers
    OLD_CLSTAT = "old-clstat"  # a daemon does not keep clstat true
    DOWN = "down"
    STALE = "stale"
    SILENT = "silent"  # a node is there, and tells nothing


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: what.
        nodes: which nodes it is about.
        group: which group; None if it is about the nodes.
        detail: more, for a person; empty if there is none.
    """

    kind: Kind
    nodes: tuple[str, ...]
    group: str | None = None
    detail: str = ""


def findings(seen: ClusterSeen) -> list[Finding]:
    """All that is wrong, the worst first."""
    found = [*_of_nodes(seen), *_of_tables(seen.nodes)]
    for group in seen.group_names():
        found += _of_group(seen, group)
    order = [*Kind]
    return sorted(found, key=lambda finding: order.index(finding.kind))


def is_for_one_node(seen: ClusterSeen, group: str) -> bool:
    """Whether a group may be active on one node only: it is a resource and no clone, or comes up nowhere at boot."""
    resource = seen.resource_of(group)
    if resource is not None:
        return not resource.is_clone
    return not any(on.at_boot for on in seen.on_nodes(group).values())


def _is_to_run(seen: ClusterSeen, group: str) -> bool:
    """Whether a group is to be active somewhere; a cluster manager may leave others to people."""
    return (
        seen.resources is None
        or seen.resource_of(group) is not None
        or any(on.at_boot for on in seen.on_nodes(group).values())
    )


def _of_nodes(seen: ClusterSeen) -> Iterator[Finding]:
    for node in seen.nodes:
        if node.condition in {Condition.DOWN, Condition.UNCLEAN, Condition.PENDING}:
            yield Finding(Kind.DOWN, (node.name,), detail=node.reason or str(node.condition))
        elif node.groups is None:
            yield Finding(Kind.SILENT, (node.name,), detail=node.reason)
        elif node.is_stale:
            yield Finding(Kind.STALE, (node.name,), detail=node.reason)
        if node.trouble is not None:
            yield Finding(Kind(node.trouble), (node.name,))
        if node.is_refused:
            yield Finding(Kind.REFUSED_TABLE, (node.name,), detail=node.reason or "it is not known why")


def _of_tables(nodes: Iterable[NodeSeen]) -> Iterator[Finding]:
    yield from _different(Kind.DIFFERENT_TABLE, {node.name: node.table for node in nodes if node.table is not None})


def _different(kind: Kind, digests: Mapping[str, str], group: str | None = None) -> Iterator[Finding]:
    """The nodes that have not what most have; all, if none of it is what most have."""
    if len(set(digests.values())) < 2:
        return
    (usual, count), (_, next_count) = Counter(digests.values()).most_common(2)
    others = [name for name, value in digests.items() if value != usual or count == next_count]
    by_digest: dict[str, list[str]] = {}
    for name in others:
        by_digest.setdefault(digests[name], []).append(name)
    for digest, names in by_digest.items():
        yield Finding(kind, tuple(names), group, digest if count == next_count else f"{digest}, most have {usual}")


def _of_group(seen: ClusterSeen, group: str) -> Iterator[Finding]:
    on = seen.on_nodes(group)
    telling = {node.name for node in seen.nodes if node.groups is not None and not node.is_stale}
    active = tuple(name for name, here in on.items() if here.is_active)
    known = tuple(name for name in active if name in telling)
    if len(known) > 1 and is_for_one_node(seen, group):
        # Of one that is FAILED, much may run, or nothing.
        sure = tuple(name for name in known if on[name].health != "failed")
        yield Finding(Kind.CONFLICT, *((sure, group, "is") if len(sure) > 1 else (known, group, "may be")))
    for kind, health in ((Kind.FAILED, "failed"), (Kind.DEGRADED, "degraded")):
        if nodes := tuple(name for name, here in on.items() if here.health == health):
            yield Finding(kind, nodes, group)
    resource = seen.resource_of(group)
    # Where nobody tells, the cluster manager may know.
    may_run = resource is not None and not telling.issuperset(resource.nodes)
    if not active and not may_run and _is_to_run(seen, group):
        all_tell = len(telling) == len(seen.nodes)
        yield Finding(Kind.NOWHERE, (), group, "nowhere" if all_tell else "on no node that tells")
    if resource is not None and not any(here.health == "moving" for here in on.values()):
        yield from _misplaced(resource, group, telling, known)
    digests = {name: here.digest for name, here in on.items() if here.digest is not None}
    yield from _different(Kind.DIFFERENT_LINES, digests, group)


def _misplaced(
    resource: ResourceSeen, group: str, telling: AbstractSet[str], active: Sequence[str]
) -> Iterator[Finding]:
    """Where a group is not as the cluster has it.

    Args:
        resource: which it is.
        group: its name.
        telling: the nodes that tell how their groups are now.
        active: on which of these it is active.
    """
    if missing := tuple(name for name in resource.nodes if name in telling and name not in active):
        yield Finding(Kind.ELSEWHERE, missing, group, f"the cluster's resource {resource.name} is active there")
    if resource.is_managed and (more := tuple(name for name in active if name not in resource.nodes)):
        yield Finding(Kind.BY_HAND, more, group, resource.name)
