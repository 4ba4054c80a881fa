"""What a health check has noted: it comes back as it was written, and whatever else is there is no harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cltab2systemd.probing.notes import LONGEST_WORDS, RESTART, TELL, Note, parsed
from cltab2systemd.terminal import printable


@given(
    st.text("0123456789abcdef", max_size=32), st.integers(0, 1000), st.integers(0, 10**18 - 1),
    st.sampled_from([TELL, RESTART]), st.text().map(printable),
)  # fmt: skip
def test_round_trip(invocation: str, count: int, since: int, action: str, words: str) -> None:
    """A note is read as it was written."""
    found = parsed(Note(invocation, count, since, action, words[:LONGEST_WORDS], before=count).text)
    assert found is not None
    assert (found.invocation, found.count, found.since, found.action) == (invocation, count, since, action)
    assert (found.before, found.unwell_since) == (count, count or since)
    assert found.words == words[:LONGEST_WORDS]
    assert (found.is_unhealthy, found.restarts) == (since > 0, since > 0 and action == RESTART)


@given(st.one_of(st.text(), st.text().map(lambda words: f"ab 3 7 tell 0\n{words}")))
def test_what_a_user_may_write(text: str) -> None:
    """The directory is the entry's user's: whatever is there is no note, or one that a terminal can show."""
    found = parsed(text)
    assert found is None or (found.words.isprintable() and len(found.words) <= LONGEST_WORDS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "ab 3 7",
        "ab 3 7 tell\n",
        "ab 3 7 stop 0\n",
        "ab -3 7 tell 0\n",
        "ab 3 ٣ tell 0\n",
        "ab 3 7 tell more\n",
        "ab 3 7 tell 0 more\n",
        f"a 3 {'9' * 30} tell 0",
    ],
)
def test_no_note(text: str) -> None:
    """Nothing else is taken for one."""
    assert parsed(text) is None
