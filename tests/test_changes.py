"""What may not run on when a group gets new lines."""

from __future__ import annotations

import pytest

from cltab2systemd.changes import tags_moved_here, tags_to_stop
from cltab2systemd.table import Entry, parse


def entries(text: str) -> tuple[Entry, ...]:
    """The entries of a table."""
    return parse(text.encode(), "cltab")[0].entries


OLD = "g:a:12:respawn:x\ng:b:1:wait:y\ng:c:2:once:z\n"


@pytest.mark.parametrize(
    ("new", "level", "stopped"),
    [
        (OLD, "1", {"c"}),
        (OLD, "2", {"b"}),
        (OLD, "9", {"a", "b", "c"}),
        (OLD.replace("respawn:x", "respawn:xx"), "1", {"a", "c"}),
        (OLD.replace("a:12:respawn", "a:12:once"), "1", {"a", "c"}),
        (OLD.replace("a:12:respawn", "a:12:off"), "1", {"a", "c"}),
        (OLD.replace("a:12:", "a:1:"), "1", {"c"}),
        (OLD.replace("a:12:", "a:2:"), "1", {"a", "c"}),
        (OLD.replace("g:b:1:wait:y\n", ""), "1", {"b", "c"}),
        (OLD + "g:d:1:once:new\n", "1", {"c"}),
        ("g:c:1:once:z\n" + OLD.replace("g:c:2:once:z\n", ""), "1", set()),
        ("", "1", {"a", "b", "c"}),
    ],
)
def test_tags_to_stop(new: str, level: str, stopped: set[str]) -> None:
    """What changed, was deleted or is outside of the level; neither new levels nor a new place in the file."""
    assert stopped == tags_to_stop(entries(OLD), entries(new), level)


def test_tags_moved_here() -> None:
    """A tag that another group's units have, and this group's lines too, has moved."""
    assert {"b"} == tags_moved_here(entries("h:b:1:wait:y\nh:q:1:wait:y\n"), entries(OLD))
    assert set() == tags_moved_here(entries("h:q:1:wait:y\n"), entries(OLD))
