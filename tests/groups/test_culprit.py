"""Who has stopped an entry: in words, and as a note for the next daemon."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cltab2systemd.groups.culprit import Culprit, as_asked, by, noted, parsed

NUMBERS = st.integers(0, 2**63)
CULPRITS = st.builds(Culprit, NUMBERS, st.text(), st.none() | NUMBERS, st.none() | NUMBERS, st.text())


@given(st.text(), CULPRITS)
@settings(deadline=None)
def test_a_note_is_read_as_it_was_written(invocation: str, culprit: Culprit) -> None:
    """Whatever is in it; and it has no line break."""
    note = noted(invocation, culprit)

    assert parsed(note) == (invocation, culprit)
    assert note.isprintable()


@pytest.mark.parametrize(
    "note", ["", "{", "5", "[]", '["a", {}]', '["a", {"time": 1}]', "[1, 2, 3]", "[" * 2000,
             '["a", {"time": "1", "user": "a", "uid": null, "pid": null, "command": ""}]',
             '[null, {"time": 1, "user": "a", "uid": null, "pid": null, "command": ""}]'],
)  # fmt: skip
def test_a_note_that_is_none(note: str) -> None:
    """Is left out."""
    assert parsed(note) is None


def test_words() -> None:
    """What is not known is not said; what a terminal would obey is spelt out."""
    whole, bare = Culprit(1, "alice", 7, 8, "systemctl stop \x1b"), Culprit(1, "alice", None, None, "")

    assert by(whole) == " by alice with 'systemctl stop \\x1b'"
    assert (by(bare), by(None)) == (" by alice", "")
    assert as_asked(whole) == ", as alice asked with 'systemctl stop \\x1b'"
    assert (as_asked(bare), as_asked(None)) == (", as alice asked", "")
