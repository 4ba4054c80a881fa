"""A cluster's configuration as variables of the Ansible role ha_cluster (linux-system-roles), in YAML. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from cltab2systemd.pacemaker.heading import as_comment, heading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.pacemaker.configuration import Configuration, Pairs, Primitive

_Value: TypeAlias = "str | bool | list[_Value] | dict[str, _Value]"

_USAGE = (
    "Variables of the role ha_cluster (linux-system-roles), which replaces the whole configuration of a cluster:",
    "what its variables do not name is lost, fencing as well. So add these to those of the cluster.",
)


def text(configuration: Configuration, path: str) -> str:
    """The document, of a table with this path."""
    lines = [*as_comment(heading(configuration, path, _USAGE)), "---"]
    for name, value in variables(configuration).items():
        lines += _member(name, value, "")
    return "".join(f"{line}\n" for line in lines)


def variables(configuration: Configuration) -> dict[str, _Value]:
    """The variables, by their names; those that would be empty are not there."""
    found: dict[str, _Value] = {
        "ha_cluster_resource_primitives": [*map(_primitive, configuration.primitives)],
        "ha_cluster_resource_groups": [
            {"id": group.id, "resource_ids": [*group.members]} for group in configuration.together
        ],
        "ha_cluster_constraints_location": [
            {"resource": {"id": it.resource}, "node": it.node, "id": it.id, "options": _pairs((("score", it.score),))}
            for it in configuration.locations
        ],
        "ha_cluster_constraints_order": [
            {
                "resource_first": {"id": it.first, "action": "start"},
                "resource_then": {"id": it.then, "action": "start"},
                "id": it.id,
                "options": _pairs((("kind", "Mandatory"),)),
            }
            for it in configuration.orders
        ],
        "ha_cluster_constraints_colocation": [
            {
                "resource_leader": {"id": it.beside},
                "resource_follower": {"id": it.resource},
                "id": it.id,
                "options": _pairs((("score", "INFINITY"),)),
            }
            for it in configuration.colocations
        ],
    }
    return {name: value for name, value in found.items() if value}


def _primitive(primitive: Primitive) -> _Value:
    made: dict[str, _Value] = {
        "id": primitive.id,
        "agent": f"ocf:{primitive.provider}:{primitive.kind}",
        "copy_operations_from_agent": False,
        "instance_attrs": [{"attrs": _pairs(primitive.parameters)}],
        "operations": [{"action": it.name, "attrs": _pairs(it.options)} for it in primitive.operations],
    }
    return {**made, "meta_attrs": [{"attrs": _pairs(primitive.meta)}]} if primitive.meta else made


def _pairs(pairs: Pairs) -> list[_Value]:
    return [{"name": name, "value": value} for name, value in pairs]


def _member(name: str, value: _Value, indent: str) -> Iterator[str]:
    if isinstance(value, dict):
        yield f"{indent}{name}:"
        for key, member in value.items():
            yield from _member(key, member, f"{indent}  ")
    elif isinstance(value, list):
        yield f"{indent}{name}:"
        for item in value:
            yield from _item(item, f"{indent}  ")
    else:
        yield f"{indent}{name}: {_scalar(value)}"


def _item(value: _Value, indent: str) -> Iterator[str]:
    if not isinstance(value, dict):
        assert isinstance(value, str)
        yield f"{indent}- {_scalar(value)}"
        return
    lines = [line for key, member in value.items() for line in _member(key, member, f"{indent}  ")]
    yield f"{indent}- {lines[0][len(indent) + 2 :]}"
    yield from lines[1:]


def _scalar(value: str | bool) -> str:
    """A value of printable text in double quotes, so that nothing of it is YAML's: no number, no `no`, no reference."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
