"""What a table says, as values for JSON. Pure.

Text of a table can be any bytes. What is UTF-8 becomes a string; anything else an array of the bytes as numbers, which
is how `journalctl --output=json` has it, and which every JSON parser takes. No text of a table is ever a key.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cltab2systemd.table.model import Entry
    from cltab2systemd.table.settings import Directive

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"


def text(value: str) -> Json:
    """Text of a table."""
    data = encoded(value)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return [*data]


def optional(value: str | None) -> Json:
    """Text of a table that may be missing."""
    return None if value is None else text(value)


def texts(values: Iterable[str]) -> Json:
    """Several texts of a table."""
    return [text(value) for value in values]


def value(found: object) -> Json:
    """A value of strings, numbers, lists and objects, in which any string may be text of a table."""
    if isinstance(found, str):
        return text(found)
    if isinstance(found, dict):
        return {str(name): value(member) for name, member in found.items()}
    if isinstance(found, list):
        return [*map(value, found)]
    assert found is None or isinstance(found, int)
    return found


def directives(values: Iterable[Directive]) -> Json:
    """Directives, in their order."""
    return [{"name": text(directive.name), "value": text(directive.value)} for directive in values]


def entry(value: Entry) -> dict[str, Json]:
    """An entry: its fields as the table has them, and the levels that they name."""
    return {
        "group": text(value.group),
        "tag": text(value.tag),
        "levels": text(value.levels.text),
        "level_names": texts(value.levels.names),
        "mode": str(value.mode),
        "command": text(value.command),
        "directives": directives(value.directives),
        "required": value.required,
        "ready": optional(None if value.ready is None else value.ready.text),
        "ready_of": optional(value.ready_of or None),
        "health": optional(None if value.health is None else value.health.text),
        "preflight": optional(None if value.preflight is None else value.preflight.text),
    }


def document(value: Json) -> str:
    """A JSON document, for a person to read as well; ASCII, so that no terminal can choke on it."""
    return json.dumps(value, indent=2)
