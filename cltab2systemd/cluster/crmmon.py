"""The XML of crm_mon(8): nodes, the attributes that they publish, and the resources that are groups. Pure.

It is that of `crm_mon --output-as=xml --include=none,nodes,attributes,resources`, as Pacemaker 2.1 and 3.0 write it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cltab2systemd.cluster import attributes
from cltab2systemd.cluster.seen import ClusterSeen, Condition, NodeSeen, ResourceSeen
from cltab2systemd.crmxml import id_of, nodes_of, root_of

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET
    from collections.abc import Iterator, Mapping

    from cltab2systemd.cluster.seen import GroupSeen

INCLUDE = "--include=none,nodes,attributes,resources"
AGENT = "ocf:clinit:group"
# Seconds after which what a node tells is old: it says that it is there every 30.
STALE = 100
# Of what can be told as a time.
_LATEST = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp())

# In this order: what holds of a node that is several things.
_CONDITIONS = (
    ("unclean", "true", Condition.UNCLEAN),
    ("online", "false", Condition.DOWN),
    ("pending", "true", Condition.PENDING),
    ("maintenance", "true", Condition.MAINTENANCE),
    ("standby", "true", Condition.STANDBY),
)
_NO_ATTRIBUTES: Mapping[str, str] = {}


def cluster_seen(text: bytes, heartbeats: Mapping[str, int] | None, now: int) -> ClusterSeen:
    """What crm_mon says.

    Args:
        text: its XML.
        heartbeats: when each node's publisher last looked, in seconds since 1970; None if that is not to be known, as
            of an old CIB.
        now: the time, likewise.

    Raises:
        ValueError: it is no XML of crm_mon's.
    """
    root = root_of(text)
    published = _published(root)
    nodes = tuple(
        _node(element, published.get(element.get("name", ""), _NO_ATTRIBUTES), heartbeats, now)
        for element in root.iterfind("nodes/node")
    )
    return ClusterSeen(nodes, tuple(_resources(root)))


def attributes_of(text: bytes) -> dict[str, dict[str, str]]:
    """The node attributes that are ours, by node and name. ValueError if it is no XML of crm_mon's."""
    return _published(root_of(text))


def heartbeats_of(text: bytes) -> dict[str, int]:
    """The heartbeats in what `attrd_updater --query --all --output-as=xml` says. ValueError if it is no such XML."""
    return {
        element.get("host", ""): int(element.get("value", ""))
        for element in root_of(text).iterfind("attribute")
        if element.get("value", "").isdecimal()
    }


def _published(root: ET.Element) -> dict[str, dict[str, str]]:
    return {
        node.get("name", ""): {
            attribute.get("name", ""): attribute.get("value", "")
            for attribute in node.iterfind("attribute")
            if attribute.get("name") == attributes.TABLE or attributes.group_of(attribute.get("name", "")) is not None
        }
        for node in root.iterfind("node_attributes/node")
    }


def _node(element: ET.Element, told: Mapping[str, str], heartbeats: Mapping[str, int] | None, now: int) -> NodeSeen:
    name = element.get("name", "")
    condition = next(
        (condition for attribute, value, condition in _CONDITIONS if element.get(attribute) == value), Condition.ONLINE
    )
    table = attributes.table_of(told.get(attributes.TABLE, ""))
    if table is None:
        return NodeSeen(name, condition, "clinit-publish.service does not run there, or has just begun")
    old = "" if heartbeats is None else _why_stale(heartbeats.get(name), now)
    digest, is_refused, trouble = table
    return NodeSeen(name, condition, old, _groups(told), digest, is_refused, bool(old), trouble)


def _why_stale(heartbeat: int | None, now: int) -> str:
    """Why what a node tells is old, or may be; empty if it is not. The time is by the clock there."""
    if heartbeat is None:
        return "it is not known when clinit-publish.service there last looked"
    if abs(now - heartbeat) <= STALE:
        return ""
    # A time, and no age: what is watched changes only if something does.
    looked = datetime.fromtimestamp(min(heartbeat, _LATEST), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    why = "which is to come: its clock is wrong, or the one here" if heartbeat > now else "if its clock is right"
    return f"clinit-publish.service there last looked at {looked}, {why}"


def _groups(told: Mapping[str, str]) -> dict[str, GroupSeen]:
    found = ((attributes.group_of(name), attributes.group_seen(value)) for name, value in told.items())
    return {group: seen for group, seen in found if group is not None and seen is not None}


def _resources(root: ET.Element) -> Iterator[ResourceSeen]:
    clones = {id(element) for clone in root.iter("clone") for element in clone.iter("resource")}
    found: dict[tuple[str, bool], list[ET.Element]] = {}
    for element in root.iter("resource"):
        if element.get("resource_agent") == AGENT:
            found.setdefault((id_of(element), id(element) in clones), []).append(element)
    for (name, is_clone), elements in found.items():
        nodes = tuple(node for element in elements for node in nodes_of(element))
        yield ResourceSeen(name, nodes, is_clone, any(element.get("managed") != "false" for element in elements))
