"""The kinds of log lines: each has an id, an explanation, and a row in clinit(8); and nothing else is said."""

from __future__ import annotations

import ast
import re
import string
from collections import Counter
from typing import TYPE_CHECKING

from manpages import items, page, section

from cltab2systemd import events
from cltab2systemd.events import EVENTS, Asker
from lab.install import PROJECT

if TYPE_CHECKING:
    import pytest

CATALOG = (PROJECT / "packaging/clinit.catalog").read_text()
MODULES = sorted((PROJECT / "cltab2systemd").rglob("*.py"))
PRIORITIES = {20: "info", 30: "warning", 40: "err"}
# The calls of a logger whose lines would have no id.
PLAIN = {"info", "warning", "error", "exception", "critical", "log"}


def calls() -> list[tuple[str, ast.Call]]:
    """All calls of methods in rooms of the daemon, with the text of what is called."""
    rooms = ("core", "daemon", "systemd", "disk", "groups")
    paths = [path for path in MODULES if path.parent.name in rooms]
    nodes = [node for path in paths for node in ast.walk(ast.parse(path.read_text()))]
    return [(ast.unparse(node.func), node) for node in nodes if isinstance(node, ast.Call)]


def test_ids_are_unique() -> None:
    """Each kind has an id of 128 bits, which no other has."""
    ids = [event.message_id for event in EVENTS.values()]

    assert len(EVENTS) > 40
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in ids)
    assert [each for each, number in Counter(ids).items() if number > 1] == []


def test_the_catalog_explains_each_kind() -> None:
    """There is one entry for each, in the order of the code; each has a subject, our page, and known fields only."""
    entries = re.split(r"^-- ", CATALOG, flags=re.MULTILINE)[1:]
    known = {*events.FIELDS.values(), *events.ASKER_FIELDS.values()}

    assert [event.message_id for event in EVENTS.values()] == [entry.split()[0] for entry in entries]
    for entry in entries:
        head, _, text = entry.partition("\n\n")
        assert re.findall(r"^([\w-]+): \S", head, re.MULTILINE) == ["Subject", "Defined-By", "Documentation"]
        assert "Documentation: man:clinit(8)\n" in head + "\n"
        assert text.strip()
        assert set(re.findall(r"@(\w+)@", entry)) <= known


def test_the_manual_has_each_kind_and_each_field() -> None:
    """clinit(8) has both, and no others."""
    text = section(page("clinit.8"), "JOURNAL")
    kinds = re.findall(r"^\.It ([A-Z_]+) Ta (\w+) Ta ([0-9a-f]{32})$", text, re.MULTILINE)
    fields = [*events.FIELDS.values(), *events.ASKER_FIELDS.values(), events.INSTANCE_FIELD, events.OBJECT_FIELD]

    assert [(name, PRIORITIES[each.level], each.message_id) for name, each in EVENTS.items()] == kinds
    assert fields == [item for item in items(text) if item.isupper() and " " not in item]


def test_every_line_is_of_a_kind() -> None:
    """Nothing of the daemon is logged without an id but for what is of use only to us, at priority debug."""
    assert [name for name, _ in calls() if name.startswith("log.") and name.partition(".")[2] in PLAIN] == []


def test_every_kind_is_said_with_its_words() -> None:
    """Each call gives the values that the text needs; and each kind is of use."""
    said = set()
    for name, call in calls():
        event = EVENTS.get(name.removeprefix("events.").removesuffix(".record"))
        if event is None:
            continue
        said.add(event.message_id)
        given = {keyword.arg for keyword in call.keywords}
        needed = {field for _, field, _, _ in string.Formatter().parse(event.words) if field}
        assert needed <= given or None in given, ast.unparse(call)
    source = "".join(path.read_text() for path in MODULES)

    for name, event in EVENTS.items():
        assert event.message_id in said or len(re.findall(rf"\bevents\.{name}\b", source)) > 0, name


def test_the_fields_of_a_line() -> None:
    """They are of those values that are known; what belongs to the text only is no field."""
    asker = Asker(uid=0, pid=7)
    record = events.REFUSED.record(group="web", level="3", origin=None, mode="", why="no", asker=asker, duration=0)

    assert record.getMessage() == "web: no"
    assert record.__dict__["fields"] == (
        ("MESSAGE_ID", events.REFUSED.message_id),
        ("CLINIT_GROUP", "web"),
        ("CLINIT_LEVEL", "3"),
        ("CLINIT_DURATION_USEC", "0"),
        ("CLINIT_ASKED_BY", "client"),
        ("CLINIT_ASKED_UID", "0"),
        ("CLINIT_ASKED_PID", "7"),
    )


def test_braces_of_a_table_are_no_placeholders(caplog: pytest.LogCaptureFixture) -> None:
    """What comes from a table or a client is never evaluated."""
    with caplog.at_level("INFO"):
        events.REQUESTED(group="{why}%s{0}", level="{level.__class__}")

    assert [record.getMessage() for record in caplog.records] == ["{why}%s{0}: going to level {level.__class__}"]
