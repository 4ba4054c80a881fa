"""What a cluster is to be told, as frozen data, whoever writes it. Pure.

The words are those of Pacemaker Explained: primitive, operation, meta attribute, constraint.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

# A name and a value, in the order in which they are written.
Pairs: TypeAlias = "tuple[tuple[str, str], ...]"


@dataclass(frozen=True, slots=True)
class Operation:
    """How an action of a resource is done: its name, and options such as `timeout`."""

    name: str
    options: Pairs

    def id_in(self, resource: str) -> str:
        """Its id in a resource with this id: the one that pcs gives it."""
        return f"{resource}-{self.name}-interval-{dict(self.options)['interval']}"


@dataclass(frozen=True, slots=True)
class Primitive:
    """A resource of an OCF agent; `provider` and `kind` name the agent."""

    id: str
    provider: str
    kind: str
    parameters: Pairs
    operations: tuple[Operation, ...]
    meta: Pairs = ()


@dataclass(frozen=True, slots=True)
class Together:
    """A group of Pacemaker: its members are on one node, and are started in their order."""

    id: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Location:
    """A resource is to be on a node, or not."""

    id: str
    resource: str
    node: str
    score: str


@dataclass(frozen=True, slots=True)
class Order:
    """A resource is started behind another one, and stopped before it."""

    id: str
    first: str
    then: str


@dataclass(frozen=True, slots=True)
class Colocation:
    """A resource is only where another one is."""

    id: str
    resource: str
    beside: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """All of it. Each `id` is there once, and the same from run to run.

    Attributes:
        primitives: the resources.
        together: which of them are groups of Pacemaker.
        locations: constraints.
        orders: constraints.
        colocations: constraints.
        remarks: what a person should know, a printable line each.
    """

    primitives: tuple[Primitive, ...] = ()
    together: tuple[Together, ...] = ()
    locations: tuple[Location, ...] = ()
    orders: tuple[Order, ...] = ()
    colocations: tuple[Colocation, ...] = ()
    remarks: tuple[str, ...] = field(default=(), compare=False)

    def shared_ids(self) -> set[str]:
        """The ids of resources that the operations of others would have as well."""
        taken = {operation.id_in(primitive.id) for primitive in self.primitives for operation in primitive.operations}
        return taken & {primitive.id for primitive in self.primitives}
