"""Names that are one slip of the hand apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cltab2systemd.table.spelling import Spellings, is_slip


@pytest.mark.parametrize(
    ("name", "other", "expected"),
    [
        ("prod", "prod", False), ("prod", "prob", True), ("prod", "prodd", True), ("prod", "rod", True),
        ("prod", "pord", True), ("prod", "PROD", True), ("prod", "dorp", False), ("prod", "ro", False),
        ("prod", "prod1", False), ("web1", "web2", False), ("web1", "wbe1", True), ("on", "off", False),
        ("m", "M", True), ("ON", "on", True),
        ("ab", "ac", False), ("a", "", False), ("äöü", "äöx", True),
    ],
)  # fmt: skip
def test_slips(name: str, other: str, expected: bool) -> None:
    """One letter more, less or other, two that changed places, or the case; digits and short names are meant."""
    assert is_slip(name, other) == expected
    assert is_slip(other, name) == expected


def test_case_comes_first() -> None:
    """Of several slips, the name that differs in case only was meant."""
    assert Spellings(["webb", "wab", "web"]).like("WEB") == "web"


_NAMES = st.text("abAB1", max_size=5)


@given(st.lists(_NAMES, max_size=4), _NAMES)
def test_all_slips_are_found(names: list[str], name: str) -> None:
    """Looking them up finds a slip if there is one among few names."""
    expected = any(is_slip(name, other) for other in names)
    like = Spellings(names).like(name)
    assert expected == (like is not None)
    assert like is None or is_slip(name, like)
