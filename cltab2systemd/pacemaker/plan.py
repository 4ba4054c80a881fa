"""What a cluster is to be told of a table. Pure.

A group that comes to a level at boot (`:::initdefault.`) runs on every node, so no cluster has it. Of any other group
somebody has to say at which level it is in the cluster: nothing in a table says which one is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.pacemaker import identifiers
from cltab2systemd.pacemaker.configuration import (
    Colocation,
    Configuration,
    Location,
    Operation,
    Order,
    Primitive,
    Together,
)
from cltab2systemd.pacemaker.timeouts import timeouts
from cltab2systemd.table.pacemaker import UNMANAGED, Managed
from cltab2systemd.table.settings import Kind, setting_line
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cltab2systemd.pacemaker.timeouts import Timeouts
    from cltab2systemd.table.model import ResourceGroup, Table

# As docs/high-availability.md has them. They are each resource's own: the cluster's defaults are about others as well.
META = (("resource-stickiness", "100"), ("migration-threshold", "3"), ("failure-timeout", "10min"))
# Of an address: what its agent asks for.
_OPERATIONS_OF_ADDRESS = (
    Operation("start", (("interval", "0s"), ("timeout", "20s"))),
    Operation("stop", (("interval", "0s"), ("timeout", "20s"))),
    Operation("monitor", (("interval", "10s"), ("timeout", "20s"))),
)


@dataclass(frozen=True, slots=True)
class Managing:
    """A group of the table that a cluster has, and at which level; that is empty if nobody has said so."""

    group: ResourceGroup
    told: Managed
    level: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the table that the cluster is told."""
        return self.group.name, self.level, self.told.stop

    @property
    def is_spellable(self) -> bool:
        """Whether every tool can spell its names: no bytes that are not UTF-8, and nothing that is not printable."""
        return all(map(str.isprintable, self.names))

    @property
    def id(self) -> str:
        """The id of what constraints are about: the group with its addresses, if it has any."""
        make = identifiers.together if self.told.addresses else identifiers.resource
        return make(self.group.name)


def managed(table: Table, levels: Mapping[str, str]) -> dict[str, Managing]:
    """The groups of a table that a cluster is to have, by their names.

    Args:
        table: the table.
        levels: what somebody says of levels, by groups; it beats the table.
    """
    found = {}
    for name, group in table.groups.items():
        if not why_left_out(table, name):
            told = table.managed.get(name, Managed())
            found[name] = Managing(group, told, levels.get(name, told.level))
    return found


def plan(table: Table, managed_groups: Mapping[str, Managing]) -> Configuration:
    """What a cluster is to be told of groups of a table, each with a level; what is not among them is passed over."""
    primitives: list[Primitive] = []
    together, locations, orders, colocations = [], [], [], []
    remarks = [*_left_out(table)]
    ids = {name: managing.id for name, managing in managed_groups.items()}
    for name, managing in managed_groups.items():
        told = managing.told
        times = timeouts(managing.group, managing.level, told.stop)
        addresses = [*_addresses(managing)]
        primitives += [*addresses, _primitive(managing, times)]
        remarks += times.remarks
        if addresses:
            members = (*(address.id for address in addresses), identifiers.resource(name))
            together.append(Together(identifiers.together(name), members))
        for preference in told.preferences:
            constraint = identifiers.prefers(name, preference.node)
            locations.append(Location(constraint, managing.id, preference.node, preference.score))
        orders += [Order(identifiers.after(name, o), ids[o], managing.id) for o in told.after if o in ids]
        colocations += [Colocation(identifiers.beside(name, o), managing.id, ids[o]) for o in told.beside if o in ids]
    return Configuration(
        tuple(primitives), tuple(together), tuple(locations), tuple(orders), tuple(colocations), tuple(remarks)
    )


def _primitive(managing: Managing, times: Timeouts) -> Primitive:
    name, stop = managing.group.name, managing.told.stop
    # The level for stopped even if it is the agent's default: an upsert leaves in the cluster what it does not name.
    parameters = (("group", name), ("level", managing.level), ("stop_level", stop))
    actions = (("start", times.start), ("stop", times.stop), ("reload-agent", times.switch))
    operations = (
        *(Operation(action, (("interval", "0s"), ("timeout", f"{time}s"))) for action, time in actions),
        Operation("monitor", (("interval", "10s"), ("timeout", "20s"))),
        # Where it should not run: else a cluster never learns that somebody has started it there by hand.
        Operation("monitor", (("interval", "11s"), ("timeout", "20s"), ("role", "Stopped"))),
    )
    return Primitive(identifiers.resource(name), "clinit", "group", parameters, operations, META)


def _addresses(managing: Managing) -> Iterator[Primitive]:
    for number, address in enumerate(managing.told.addresses, 1):
        parameters = (("ip", address.ip), ("cidr_netmask", str(address.prefix)))
        made = identifiers.address(managing.group.name, number)
        yield Primitive(made, "heartbeat", "IPaddr2", parameters, _OPERATIONS_OF_ADDRESS)


def why_left_out(table: Table, name: str) -> str:
    """Why no cluster has a group of the table, printable; empty if one has it."""
    group = table.groups[name]
    if group.boot_level is not None:
        line = setting_line(Kind.BOOT_LEVEL, shortened(name), shortened(group.boot_level))
        return f"it runs on every node, by {line}"
    if not table.managed.get(name, Managed()).is_managed:
        return f"{setting_line(Kind.PACEMAKER, shortened(name), UNMANAGED)} says so"
    return ""


def _left_out(table: Table) -> Iterator[str]:
    for name in table.groups:
        if why := why_left_out(table, name):
            yield f"{shortened(name)} is left out: {why}"
