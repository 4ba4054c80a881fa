"""A cluster's configuration as XML, for cibadmin: an upsert by id. Pure.

The ids of parts, such as parameters, are those that pcs gives them, so that both may change the same resource.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from cltab2systemd.pacemaker.heading import heading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.pacemaker.configuration import Configuration, Operation, Pairs, Primitive

# With short options, since a comment cannot have two hyphens in a row.
_USAGE = (
    "Apply it:   cibadmin -M -c -o configuration -x FILE",
    "Try it on a copy:   cibadmin -Q >cib.xml; cp cib.xml new.xml;",
    "  CIB_file=new.xml cibadmin -M -c -o configuration -x FILE;",
    "  crm_verify -x new.xml; crm_diff -o cib.xml -n new.xml; crm_simulate -S -x new.xml",
    "What has one of these ids is changed, whatever it is, and keeps its other operations; crm_diff shows it.",
)


def text(configuration: Configuration, path: str) -> str:
    """The document, of a table with this path."""
    ids = _Ids(configuration)
    return "".join(f"{line}\n" for line in _lines(configuration, path, ids))


class _Ids:
    """Gives ids to parts: none twice, and none that a resource or a constraint has."""

    def __init__(self, configuration: Configuration) -> None:
        found = configuration
        self._taken = {
            thing.id
            for things in (found.primitives, found.together, found.locations, found.orders, found.colocations)
            for thing in things
        }

    def of(self, wanted: str) -> str:
        """The id that is wanted, or, if it is taken, one with a number behind it."""
        made, number = wanted, 0
        while made in self._taken:
            number += 1
            made = f"{wanted}-{number}"
        self._taken.add(made)
        return made


def _lines(configuration: Configuration, path: str, ids: _Ids) -> Iterator[str]:
    comment = [re.sub("-(?=-)", "- ", line) for line in heading(configuration, path, _USAGE)]
    yield from ("<!--", *(f"  {line}".rstrip() for line in comment), "-->", "<configuration>", "  <resources>")
    primitives = {primitive.id: primitive for primitive in configuration.primitives}
    inside = {member: group for group in configuration.together for member in group.members}
    for primitive in configuration.primitives:
        group = inside.get(primitive.id)
        if group is None:
            yield from _primitive(primitive, ids, "    ")
        elif primitive.id == group.members[0]:
            yield f"    <group{_attributes(id=group.id)}>"
            for member in group.members:
                yield from _primitive(primitives[member], ids, "      ")
            yield "    </group>"
    yield from ("  </resources>", "  <constraints>")
    yield from (f"    {line}" for line in _constraints(configuration))
    yield from ("  </constraints>", "</configuration>")


def _primitive(primitive: Primitive, ids: _Ids, indent: str) -> Iterator[str]:
    named = _attributes(id=primitive.id, **{"class": "ocf"}, provider=primitive.provider, type=primitive.kind)
    yield f"{indent}<primitive{named}>"
    yield from _pairs("instance_attributes", primitive.id, primitive.parameters, ids, f"{indent}  ")
    yield from _pairs("meta_attributes", primitive.id, primitive.meta, ids, f"{indent}  ")
    yield f"{indent}  <operations>"
    for operation in primitive.operations:
        yield f"{indent}    {_operation(primitive.id, operation, ids)}"
    yield f"{indent}  </operations>"
    yield f"{indent}</primitive>"


def _pairs(element: str, owner: str, pairs: Pairs, ids: _Ids, indent: str) -> Iterator[str]:
    if pairs:
        whole = ids.of(f"{owner}-{element}")
        yield f"{indent}<{element}{_attributes(id=whole)}>"
        for name, value in pairs:
            yield f"{indent}  <nvpair{_attributes(id=ids.of(f'{whole}-{name}'), name=name, value=value)}/>"
        yield f"{indent}</{element}>"


def _operation(owner: str, operation: Operation, ids: _Ids) -> str:
    made = ids.of(operation.id_in(owner))
    return f"<op{_attributes(id=made, name=operation.name, **dict(operation.options))}/>"


def _constraints(configuration: Configuration) -> Iterator[str]:
    for location in configuration.locations:
        what = {"id": location.id, "rsc": location.resource, "node": location.node, "score": location.score}
        yield f"<rsc_location{_attributes(**what)}/>"
    for order in configuration.orders:
        what = {"id": order.id, "kind": "Mandatory", "first": order.first, "first-action": "start"}
        yield f"<rsc_order{_attributes(**what, then=order.then, **{'then-action': 'start'})}/>"
    for colocation in configuration.colocations:
        what = {"id": colocation.id, "rsc": colocation.resource, "with-rsc": colocation.beside, "score": "INFINITY"}
        yield f"<rsc_colocation{_attributes(**what)}/>"


def _attributes(**values: str) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in values.items())
