"""What is seen of the nodes and their groups, as frozen data. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Condition(enum.StrEnum):
    """How a node is, whatever it says of its groups."""

    ONLINE = "online"
    STANDBY = "standby"
    MAINTENANCE = "maintenance"
    PENDING = "pending"  # it is joining the cluster
    UNCLEAN = "unclean"  # it has to be fenced
    DOWN = "down"


class Trouble(enum.StrEnum):
    """What is wrong with the control daemon of a node that tells how its groups are."""

    NO_DAEMON = "no-daemon"  # none answers: perhaps nobody minds the groups
    NO_TABLE = "no-table"  # it has no table in force
    OLD_CLSTAT = "old-clstat"  # it does not keep clstat true


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """A group on one node.

    Attributes:
        level: the level that it is at, or was at last; None if there is none.
        state: as in clstat.
        health: as `clinitctl status` has it.
        digest: of the lines that its units were made from; None if it has none.
        resource: the cluster's resource that it is, by what the node knows; empty if it is none.
        at_boot: whether it comes to a level at boot.
        on_trial: whether its level is on trial: it goes back by itself.
    """

    level: str | None
    state: str
    health: str
    digest: str | None = None
    resource: str = ""
    at_boot: bool = False
    on_trial: bool = False

    @property
    def is_active(self) -> bool:
        """Whether something of it may run: also what is on its way, and what has failed."""
        return self.health != "at-rest"


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """One node.

    Attributes:
        name: as whoever was asked has it.
        condition: how it is.
        reason: why it is so, for a person; empty if nothing is to be told.
        groups: its groups by name; None if it tells nothing.
        table: the digest of its table in force; None if that is not known.
        is_refused: whether the table that is on its disk is refused.
        is_stale: whether what it tells is old: it may be otherwise by now.
        trouble: what is wrong with its daemon; None if nothing is, or it is not known.
    """

    name: str
    condition: Condition
    reason: str = ""
    groups: Mapping[str, GroupSeen] | None = None
    table: str | None = None
    is_refused: bool = False
    is_stale: bool = False
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class ResourceSeen:
    """A resource of the cluster that is a group.

    Attributes:
        name: its id.
        nodes: on which the cluster has it active.
        is_clone: whether it may be on several.
        is_managed: whether the cluster acts on it, at least on one node.
    """

    name: str
    nodes: tuple[str, ...]
    is_clone: bool = False
    is_managed: bool = True


@dataclass(frozen=True, slots=True)
class ClusterSeen:
    """All of it.

    Attributes:
        nodes: in the order in which they are shown.
        resources: of the cluster; None if no cluster manager was asked.
    """

    nodes: tuple[NodeSeen, ...]
    resources: tuple[ResourceSeen, ...] | None = None

    def group_names(self) -> list[str]:
        """The names of all groups, in the order in which the nodes tell them."""
        return [*dict.fromkeys(name for node in self.nodes for name in node.groups or {})]

    def on_nodes(self, group: str) -> dict[str, GroupSeen]:
        """What the nodes tell of a group, by their names."""
        return {node.name: node.groups[group] for node in self.nodes if node.groups and group in node.groups}

    def resource_of(self, group: str) -> ResourceSeen | None:
        """The resource that a group is, by what its nodes know; None if it is none."""
        known = {seen.resource for seen in self.on_nodes(group).values()}
        return next((resource for resource in self.resources or () if resource.name in known), None)

    def chosen(self, groups: Sequence[str]) -> ClusterSeen:
        """The same with some groups only."""
        nodes = tuple(
            node
            if node.groups is None
            else replace(node, groups={name: seen for name, seen in node.groups.items() if name in groups})
            for node in self.nodes
        )
        return replace(self, nodes=nodes)
