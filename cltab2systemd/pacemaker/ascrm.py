"""A cluster's configuration as crmsh reads it. Pure.

The ids of operations are those that pcs gives them, so that all formats change the same ones. Comments stand at the
end: crmsh puts any other one into the configuration, at what stands behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.pacemaker.heading import as_comment, heading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.pacemaker.configuration import Configuration, Pairs, Primitive

_USAGE = (
    "Apply it:   crm configure load update FILE",
    "Try it on a copy:   cibadmin -Q >cib.xml; cp cib.xml new.xml;",
    "  CIB_file=new.xml crm configure load update FILE;",
    "  crm_verify -x new.xml; crm_diff -o cib.xml -n new.xml; crm_simulate -S -x new.xml",
    "What has one of these ids is changed, whatever it is; crm_diff shows it.",
)


def text(configuration: Configuration, path: str) -> str:
    """The lines, of a table with this path. Each value has to be `is_spellable`."""
    lines = [*_lines(configuration), "", *as_comment(heading(configuration, path, _USAGE))]
    return "".join(f"{line}\n" for line in lines)


def is_spellable(value: str) -> bool:
    """Whether crmsh reads a value as it is, and writes it so that it can read it again.

    It makes references of other characters than those of ASCII, and loses its way behind these two (crmsh 4.4).
    """
    return value.isascii() and not set(value) & set('"\\')


def _lines(configuration: Configuration) -> Iterator[str]:
    for primitive in configuration.primitives:
        yield " \\\n\t".join(_primitive(primitive))
    for group in configuration.together:
        yield f"group {group.id} {' '.join(group.members)}"
    for location in configuration.locations:
        yield f"location {location.id} {location.resource} {location.score}: {location.node}"
    for order in configuration.orders:
        yield f"order {order.id} Mandatory: {order.first}:start {order.then}:start"
    for colocation in configuration.colocations:
        yield f"colocation {colocation.id} inf: {colocation.resource} {colocation.beside}"


def _primitive(primitive: Primitive) -> Iterator[str]:
    yield f"primitive {primitive.id} ocf:{primitive.provider}:{primitive.kind}"
    yield f"params {_words(primitive.parameters)}"
    for operation in primitive.operations:
        options = {"id": operation.id_in(primitive.id), **dict(operation.options)}
        yield f"op {operation.name} {_words(tuple(options.items()))}"
    if primitive.meta:
        yield f"meta {_words(primitive.meta)}"


def _words(pairs: Pairs) -> str:
    return " ".join(f'{name}="{value}"' for name, value in pairs)
