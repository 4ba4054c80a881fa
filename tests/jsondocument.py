"""Reads docs/json.md: which members it tells of each JSON value, with their types; and holds values against it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from jsonschema import Draft202012Validator

from lab.install import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SCHEMAS = [json.loads(path.read_text()) for path in (PROJECT / "docs/schemas").iterdir()]
DOCUMENT = (PROJECT / "docs/json.md").read_text()
ENTRY = "An entry"
# Values that stand in several places, and have a section of their own.
SHAPES = {
    "explained": "`clinitctl why --json GROUP`",
    "reason": "A reason",
    "ending": "An ending",
    "culprit": "A culprit",
    "progress": "A progress",
    "finding": "A finding of a rehearsal",
    "place": "A place",
}


def section(title: str) -> str:
    """The text below a heading."""
    return DOCUMENT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def documented(title: str) -> dict[str, str]:
    """The members that a section of the document tells, with their types."""
    return dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", section(title), re.MULTILINE))


def words_of(title: str, member: str) -> set[str]:
    """The words that the document names for a member."""
    (line,) = re.findall(rf"^\| `{re.escape(member)}` \|[^|]*\|(.*)\|$", section(title), re.MULTILINE)
    return {*re.findall("`([^`]+)`", line)}


def is_text(value: object) -> bool:
    """Whether a value is text of a table: a string, or bytes."""
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(byte, int) for byte in value))


FITS: dict[str, Callable[[object], bool]] = {
    "text": is_text,
    "word": lambda value: isinstance(value, str),
    "flag": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "entry": lambda value: isinstance(value, dict),
} | {shape: lambda value: isinstance(value, dict) for shape in SHAPES}


def schema_of(title: str) -> Draft202012Validator:
    """The schema of what a section tells."""
    (schema,) = (schema for schema in SCHEMAS if schema["title"] == title.strip("`"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


class Reader:
    """Compares JSON with a section of the document, and remembers what it has seen of it."""

    def __init__(self, title: str, shapes: dict[str, Reader] | None = None) -> None:
        entry = documented(ENTRY)
        self.members: dict[str, str] = {}
        for name, kind in documented(title).items():
            self.members[name] = kind
            if kind.startswith("entry"):
                self.members |= {f"{name}.{member}": of_member for member, of_member in entry.items()}
        self.seen: set[str] = set()
        self.shapes: dict[str, Reader] = {} if shapes is None else shapes

    def read(self, value: object, name: str = "") -> None:
        """Hold a value against what the document says of it, and all that is in it."""
        kind, _, null = self.members[name].partition(" or ") if name else ("", "", "")
        if name:
            self.seen |= {name, f"{name} is null" if value is None else f"{name} is something"}
            assert FITS[kind](value) or (value is None and null == "null"), (name, value)
        if kind in SHAPES and value is not None:
            if kind not in self.shapes:
                self.shapes[kind] = Reader(SHAPES[kind], self.shapes)
            self.shapes[kind].read(value)
        elif isinstance(value, dict):
            prefix = f"{name}." if name else ""
            below = [member[len(prefix) :] for member in self.members if member.startswith(prefix)]
            assert [*value] == [member for member in below if "." not in member and not member.endswith("[]")], name
            for member, found in value.items():
                self.read(found, f"{prefix}{member}")
        elif isinstance(value, list) and f"{name}[]" in self.members:
            for found in value:
                self.read(found, f"{name}[]")

    def missing(self) -> set[str]:
        """What the document tells and was not seen: a member, or that it may be null."""
        missing = self._missing()
        for shape, reader in self.shapes.items():
            missing |= {f"{shape}: {name}" for name in reader._missing()}
        return missing

    def _missing(self) -> set[str]:
        nulls = {f"{name} is null" for name, kind in self.members.items() if kind.endswith(" or null")}
        somethings = {f"{name} is something" for name in self.members}
        return ({*self.members} | nulls | somethings) - self.seen


def read_all(title: str, values: Iterable[object], unseen: frozenset[str] = frozenset()) -> None:
    """Hold values against a section, and its schema if it is about a document; together they show all that it tells.

    What they need not show is `unseen`.
    """
    reader, schema = Reader(title), None if title in SHAPES.values() else schema_of(title)
    for value in values:
        reader.read(value)
        if schema is not None:
            schema.validate([value] if schema.schema["type"] == "array" else value)
    assert reader.missing() - unseen == set()
