"""docs/unit-scheme.md: it has every state of an entry and every health of a group, and no other."""

from __future__ import annotations

import re

from cltab2systemd.groups.overview import EntryState, Health
from lab.install import PROJECT

DOCUMENT = (PROJECT / "docs/unit-scheme.md").read_text()


def told(comment: str) -> list[str]:
    """The words of the first column of the table behind a comment."""
    table = DOCUMENT.partition(f"<!-- {comment} -->\n")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


def test_states_of_entries() -> None:
    """In the order of the code."""
    assert [*map(str, EntryState)] == told("states of entries")


def test_health_of_groups() -> None:
    """In the order of the code."""
    assert [*map(str, Health)] == told("health of groups")
