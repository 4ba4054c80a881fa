"""clstat: the lines that HA managers read, and the ancestor's way to ask for some of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cltab2systemd.clstat import Line, parse, select, serialize

LINES: list[Line] = [("web", "1", "DONE"), ("db", "1", "STARTING"), ("mail", "stop", "FAILED")]

# What a group or level can be called: any characters but ASCII blanks and control characters.
_NAME = st.text(st.characters(min_codepoint=0x21, blacklist_categories=["Cs"], blacklist_characters="\x7f"), min_size=1)


def test_serialize() -> None:
    """One line per group, as the ancestor writes it."""
    expected = "Cluster::Init::Group web 1 DONE\nCluster::Init::Group db 1 STARTING\n"
    assert expected == serialize(LINES[:2])
    assert serialize([]) == ""


@given(st.lists(st.tuples(_NAME, _NAME, st.sampled_from(["DONE", "FAILED"]))))
def test_round_trip(lines: list[Line]) -> None:
    """Any names that a table may have come out as they went in."""
    assert lines == parse(serialize(lines))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("\n\n", []),
        ("Cluster::Init::Daemon web 1 DONE\n", []),
        ("XCluster::Init::Group web 1 DONE\n", []),
        ("web Cluster::Init::Group 1 DONE\n", []),
        ("Cluster::Init::Group web 1\n", []),
        ("Cluster::Init::Group web 1 DONE", [("web", "1", "DONE")]),
        ("  Cluster::Init::Group\tweb   1 DONE \n", [("web", "1", "DONE")]),
        ("Cluster::Init::Group web 1 DONE more\n", [("web", "1", "DONE")]),
        ("Cluster::Init::Group a\u00a0b \u2028 DONE\n", [("a\u00a0b", "\u2028", "DONE")]),
        ("junk\nCluster::Init::Group web 1 DONE\n\0\n", [("web", "1", "DONE")]),
    ],
)
def test_parse(text: str, expected: list[Line]) -> None:
    """Lines of our class are split on blanks; whatever else stands there is passed over."""
    assert expected == parse(text)


@pytest.mark.parametrize(
    ("group", "level", "expected"),
    [
        (None, None, "web 1 DONE\ndb 1 STARTING\nmail stop FAILED\n"),
        ("web", None, "1 DONE\n"),
        (None, "1", "web DONE\ndb STARTING\n"),
        ("mail", "stop", "FAILED"),
        ("mail", "1", ""),
        ("none", None, ""),
        (None, "none", ""),
        ("", "", ""),
    ],
)
def test_select(group: str | None, level: str | None, expected: str) -> None:
    """What was asked for is left out of the answer; a single state stands alone, without a newline."""
    assert expected == select(LINES, group, level)
    assert select([], group, level) == ""
