"""The XML that programs of Pacemaker write, as far as all who read it have to know. Pure."""

from __future__ import annotations

import xml.etree.ElementTree as ET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Of Pacemaker 2.1 and later; and of older versions, which wrote some of it.
_ROOTS = ("pacemaker-result", "crm_mon")


def root_of(text: bytes, names: Sequence[str] = _ROOTS) -> ET.Element:
    """The outermost element, of one of some names. ValueError if it is no such XML, with the reason for a person."""
    try:
        root = ET.fromstring(text)  # noqa: S314 - of the cluster's own programs, and bounded
    except (ET.ParseError, LookupError) as error:  # of an encoding that nobody knows
        raise ValueError(str(error)) from None
    if root.tag not in names:
        raise ValueError(f"an element {root.tag}")
    return root


def id_of(resource: ET.Element) -> str:
    """The id of a resource; that of a clone for each of its instances, which may have a number behind it."""
    return resource.get("id", "").partition(":")[0]


def nodes_of(resource: ET.Element) -> list[str]:
    """The names of the nodes on which a resource is active."""
    return [node.get("name", "") for node in resource.iterfind("node")] if resource.get("active") == "true" else []


def literal(text: str) -> str:
    """Text as XPath has it, which cannot escape a quote."""
    if "'" not in text:
        return f"'{text}'"
    parts = ', "\'", '.join(f"'{part}'" for part in text.split("'"))
    return f"concat({parts})"
