"""Findings as a person reads them: the summary, the line, a caret under the right character, the hint."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cltab2systemd.table.diagnostics import SHOWN_WIDTH, Diagnostic, Place, Severity, has_errors, in_order, render
from cltab2systemd.terminal import printable
from cltab2systemd.text import decoded


def finding(source: str = "", column: int = 1, width: int = 1, **values: str) -> Diagnostic:
    place = Place("cltab", 7, column, width)
    return Diagnostic("code", Severity.ERROR, place, values.get("message", "bad"), source, values.get("hint", ""))


def marked(source: str, column: int, width: int = 1) -> str:
    """What stands over the caret and its tail on a terminal, where some characters take two cells and some none."""
    _, shown, caret = render(finding(source, column, width)).split("\n")
    start, end = len(caret) - len(caret.lstrip()), len(caret)
    cells = [(character, cell) for character in shown for cell in range(_cells(character))]
    return "".join(character for character, cell in cells[start:end] if cell == 0)


def _cells(character: str) -> int:
    return 0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1


def test_render() -> None:
    """The whole of a finding, as netplan and compilers show theirs."""
    expected = """\
cltab:7:9: error: unknown mode 'wiat' [code]
  g:tag:1:wiat:true
          ^~~~
  hint: did you mean 'wait'?"""
    found = finding("g:tag:1:wiat:true", 9, 4, message="unknown mode 'wiat'", hint="did you mean 'wait'?")
    assert expected == render(found)


def test_render_without_source_and_hint() -> None:
    """What there is not is not shown."""
    assert render(finding()) == "cltab:7:1: error: bad [code]"
    assert finding().summary == "cltab:7:1: error: bad"


@pytest.mark.parametrize(
    ("source", "column", "width", "expected"),
    [
        ("g:t:1:bad:x", 7, 3, "bad"),
        ("g:t:1:bad:x", 1, 11, "g:t:1:bad:x"),
        ("bad", 1, 1, "b"),
        ("a\tb:c", 4, 1, ":"),
        ("a\tb", 2, 1, "\\x09"),
        ("a\x1b[0m\x00b", 7, 1, "b"),
        ("\udcff\udce9:c", 3, 1, ":"),
        ("\udcff\udce9:c", 2, 1, "\\xe9"),
        ("é:c", 2, 1, ":"),
        ("數據:bad", 4, 3, "bad"),
        ("a數:c", 2, 1, "數"),
        ("e\u0301:bad", 4, 3, "bad"),
        ("\u202eevil:c", 6, 1, ":"),
        ("x" * 500 + ":bad:" + "y" * 500, 502, 3, "bad"),
        ("\t" * 500 + ":bad:", 502, 3, "bad"),
    ],
)
def test_the_caret_is_under_the_place(source: str, column: int, width: int, expected: str) -> None:
    """The caret and its tail mark the characters of the place, whatever stands before them."""
    assert expected == marked(source, column, width)


def test_a_place_behind_the_line() -> None:
    """A missing field at the end of a line is marked just behind it."""
    assert render(finding("g:t:", 5)).split("\n")[1:] == ["  g:t:", "      ^"]


def test_long_lines_are_cut() -> None:
    """A line of a megabyte is shown as a piece around the place, and so is a place of a megabyte."""
    for column, width in ((1, 1), (500_000, 3), (1_000_000, 1), (1, 1_000_000), (999_999, 500)):
        _, shown, caret = render(finding("x" * 1_000_000, column, width)).split("\n")
        assert len(shown) <= SHOWN_WIDTH + 2
        assert len(caret) <= SHOWN_WIDTH + 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain é 數", "plain é 數"),
        ("a\tb\r\n\0\x7f", "a\\x09b\\x0d\\x0a\\x00\\x7f"),
        ("\x85\x9b", "\\x85\\x9b"),
        ("\udc80\udcff", "\\x80\\xff"),
        ("\xa0\u2028\u202e\ufeff", "\\xa0\\u2028\\u202e\\ufeff"),
        ("\U000e0001\U0010ffff", "\\U000e0001\\U0010ffff"),
    ],
)
def test_printable(text: str, expected: str) -> None:
    """What a terminal would obey, hide or refuse is spelt out."""
    assert expected == printable(text)


# What a file can hold when it is decoded: any text, and undecodable bytes.
_DECODED = st.one_of(st.text(), st.binary()).map(
    lambda value: decoded(value if isinstance(value, bytes) else value.encode("utf-8", "replace"))
)


@settings(deadline=None)
@given(_DECODED, _DECODED, st.integers(1, 50), st.integers(1, 50))
def test_a_rendered_finding_is_clean(source: str, message: str, column: int, width: int) -> None:
    """Nothing in a table can reach the terminal but printable text, and lines are never broken."""
    lines = render(finding(source.replace("\n", ""), column, width, message=message)).split("\n")
    assert all(line.isprintable() for line in lines)
    assert len(lines) == (3 if source.replace("\n", "") else 1)
    "\n".join(lines).encode("utf-8")


def test_in_order() -> None:
    """Findings come in the order of their places, as a reader meets them."""
    places = [Place("a", 1, 2), Place("a", 1, 10), Place("a", 2, 1), Place("a", 10, 1), Place("b", 1, 1)]
    found = [Diagnostic("c", Severity.ERROR, place, "") for place in places]
    assert tuple(found) == in_order(reversed(found))


def test_only_errors_count() -> None:
    """A warning does not keep a table from taking effect."""
    warning = Diagnostic("c", Severity.WARNING, Place("a", 1), "")
    error = Diagnostic("c", Severity.ERROR, Place("a", 1), "")
    assert [has_errors(found) for found in ([], [warning], [warning, error])] == [False, False, True]
