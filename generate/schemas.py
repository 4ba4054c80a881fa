"""JSON schemas of what programs print, made from docs/json.md, which tests hold to what is printed."""

from __future__ import annotations

import json
import re
from typing import Any

# The section of the document, by the name of the file.
SCHEMAS = {
    "clinit-apply": "`clinit --apply --json`",
    "clinitctl-status": "`clinitctl status --json`",
    "clinitctl-nodes": "`clinitctl nodes --json`",
    "clinitctl-watch": "`clinitctl watch --json`",
    "clinitctl-history": "`clinitctl history --json`",
    "clinitctl-why": "`clinitctl why --json GROUP`",
    "clinitctl-why-several": "`clinitctl why --json`",
    "cltab2systemd-diff": "`diff`",
    "cltab2systemd-explain": "`explain`",
    "cltab2systemd-rehearse": "`rehearse`",
    "cltab2systemd-show": "`show`",
    "cltab2systemd-show-units": "`show --units`",
    "cltab2systemd-tables": "`tables`",
}
# Those that are a list of what their section tells of.
_LISTS = {"clinit-apply"}
# One that has another in it stands before that.
_SHAPES = {
    "explained": "`clinitctl why --json GROUP`",
    "reason": "A reason",
    "ending": "An ending",
    "culprit": "A culprit",
    "progress": "A progress",
    "entry": "An entry",
    "finding": "A finding of a rehearsal",
    "place": "A place",
}
_BYTES = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}}
_TYPES: dict[str, dict[str, Any]] = {
    "text": {"anyOf": [{"type": "string"}, _BYTES]},
    "word": {"type": "string"},
    "flag": {"type": "boolean"},
    "number": {"type": "integer"},
    "list": {"type": "array"},
    "object": {"type": "object"},
}
_ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \|(.*)\|$", re.MULTILINE)
# A column that begins with words names all that there are; also behind `for programs; `.
_WORDS = re.compile(r"^ (?:for programs; )?`")


def text(name: str, document: str) -> str:
    """A schema as a file.

    Args:
        name: of SCHEMAS.
        document: docs/json.md.
    """
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMAS[name].strip("`"),
        "description": "Made from docs/json.md by `make generated`.",
    }
    told = _object(document, SCHEMAS[name])
    schema |= {"type": "array", "items": told} if name in _LISTS else told
    used, shapes = json.dumps(schema), {}
    for shape, title in _SHAPES.items():
        if f"#/$defs/{shape}" in used:
            shapes[shape] = _object(document, title)
            used += json.dumps(shapes[shape])
    if shapes:
        schema["$defs"] = shapes
    return json.dumps(schema, indent=2) + "\n"


def _object(document: str, title: str) -> dict[str, Any]:
    """The schema of the object that a section tells of."""
    section = document.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    places: dict[str, dict[str, Any]] = {"": {"type": "object"}}
    for path, kind, told in _ROW.findall(section):
        places[path] = _of_kind(kind.strip(), told)
        if path.endswith("[]"):
            places[path.removesuffix("[]")]["items"] = places[path]
            continue
        above, _, member = path.rpartition(".")
        places[above].setdefault("properties", {})[member] = places[path]
        places[above].setdefault("required", []).append(member)
    return places[""]


def _of_kind(kind: str, told: str) -> dict[str, Any]:
    kind, _, null = kind.partition(" or ")
    if kind in _SHAPES:
        reference = {"$ref": f"#/$defs/{kind}"}
        return {"anyOf": [reference, {"type": "null"}]} if null else reference
    schema = {**_TYPES[kind]}
    if kind == "word" and _WORDS.match(told):
        schema["enum"] = [*re.findall("`([a-zA-Z-]+)`", told), *([None] if null else [])]
    if null and "anyOf" in schema:
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    elif null:
        schema["type"] = [schema["type"], "null"]
    return schema
