"""How command lines are read, with a real shell as the measure."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import COMMAND

from cltab2systemd.check.commandline import Kind, calls, comment_start, is_closed, leading_words, open_quote, tokens
from cltab2systemd.text import decoded, encoded
from cltab2systemd.units.commands import SHELL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# `p` and `q` are programs of the test: each writes its words down, and `q` fails, so that what is behind `||` runs.
# A record is written at once, for calls of a pipeline run at the same time.
_PROGRAMS = r"""
p() { printf '%s\0' "$@" END >&3; }
q() { p "$@"; false; }
exec 3>>records
"""
_PLAIN = st.text("abz019=./@%+,:_^-é\udcff", min_size=1, max_size=3)
_PIECES = st.one_of(
    _PLAIN,
    st.sampled_from(["''", '""', "'a  b'", '"a  b"', "'\"'", '"\'"', "'\\'", "';'", '"&&"', "'$x'", "' # '"]),
    st.sampled_from(['"\\\\"', '"\\""', '"\\$x"', '"\\`"', '"\\a"']),
    st.sampled_from(["\\ ", "\\'", '\\"', "\\\\", "\\$", "\\;", "\\#", "\\a", "\\&", "\\>"]),
)  # fmt: skip
_EXPANDED = st.sampled_from(
    ["$x", "*", "?", "~", "{a,b}", "[a]", "a#b", "!", '"$x"', "$(p)", "`p`", "${x}", "'", '"', "("]
)
_WORDS = st.lists(_PIECES, min_size=1, max_size=3).map("".join)
_DOUBTFUL_WORDS = st.lists(st.one_of(_PIECES, _EXPANDED), min_size=1, max_size=3).map("".join)
_REDIRECTIONS = st.sampled_from([">/dev/null", "2>&1", "</dev/null", "2> /dev/null", ">|/dev/null", ">>/dev/null"])
_SEPARATORS = st.sampled_from(["&&", "||", ";", "|", "&"])
_BLANKS = st.sampled_from([" ", "  ", "\t"])


@st.composite
def lines(draw: st.DrawFn, words: st.SearchStrategy[str]) -> str:
    """A command line of some calls of `p` and `q`, with words and redirections, and perhaps a comment."""
    line = ""
    for is_last in (*[False] * draw(st.integers(0, 2)), True):
        separator = "" if is_last else draw(_SEPARATORS)
        line += "q" if separator == "||" else "p"
        for part in draw(st.lists(st.one_of(words, words, _REDIRECTIONS), max_size=4)):
            line += draw(_BLANKS) + part
        # Without a blank, a digit would belong to the sign of a redirection, as a word before it does not.
        line += "" if is_last else draw(_BLANKS) + separator + draw(st.sampled_from(["", " "]))
    return line + draw(st.sampled_from(["", "", " # a 'comment", "\t#"]))


def passed(directory: Path, commands: Sequence[str]) -> list[list[tuple[str, ...]]]:
    """The words that a real shell passes to the programs of each command, in some order."""
    records = directory / "records"
    script = _PROGRAMS + "".join(f"p LINE {number}\n{command}\nwait\n" for number, command in enumerate(commands))
    records.unlink(missing_ok=True)
    subprocess.run([SHELL, "-c", encoded(script)], cwd=directory, check=False, timeout=60)
    found: list[list[tuple[str, ...]]] = []
    for record in decoded(records.read_bytes()).split("END\0")[:-1]:
        words = tuple(record.split("\0")[:-1])
        if words == ("LINE", str(len(found))):
            found.append([])
        else:
            found[-1].append(words)
    return found


def told(line: str) -> list[tuple[str, ...]] | None:
    """The words that are passed as the reader tells them; None if it does not claim to know, or not all is run."""
    found = calls(line[: comment_start(line)])
    words = [tuple(word.text for word in call.words) for call in found]
    is_run = all(call[:1] == ("q" if one.separator == "||" else "p",) for one, call in zip(found, words, strict=True))
    is_known = bool(found) and is_run and all(word.is_exact for call in found for word in call.words)
    return [call[1:] for call in words] if is_known else None


@settings(deadline=None, max_examples=30)
@given(st.lists(lines(_WORDS), min_size=10, max_size=40))
def test_words_are_what_a_shell_passes(tmp_path_factory: pytest.TempPathFactory, drawn: list[str]) -> None:
    """Without expansions the reader tells all words, and they are those that a real shell passes."""
    found = passed(tmp_path_factory.mktemp("words"), drawn)

    assert [sorted(told(line) or [("NOT TOLD",)]) for line in drawn] == [sorted(words) for words in found]


@settings(deadline=None, max_examples=30)
@given(st.lists(lines(_DOUBTFUL_WORDS), min_size=10, max_size=40))
def test_what_is_claimed_among_expansions_is_right(tmp_path_factory: pytest.TempPathFactory, drawn: list[str]) -> None:
    """Among lines that a shell expands, those that the reader claims to know are passed as it tells."""
    known = {line: words for line in drawn if (words := told(line)) is not None}
    found = passed(tmp_path_factory.mktemp("words"), [*known])

    assert [sorted(words) for words in known.values()] == [sorted(words) for words in found]


@settings(deadline=None)
@given(st.one_of(COMMAND, lines(_DOUBTFUL_WORDS)))
def test_tokens_are_the_whole_line(line: str) -> None:
    """Tokens stand where they say, and there are only blanks between them."""
    at = 0
    for token in tokens(line):
        assert line[at : token.start].strip() == ""
        assert line[token.start : token.end] == token.raw
        at = token.end
    assert line[at:].strip() == ""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a 'b c'\"d\"e;f", ["WORD a", "WORD 'b c'\"d\"e", "SEPARATOR ;", "WORD f"]),
        ("a2>x 2>>y", ["WORD a2", "REDIRECTION >", "WORD x", "REDIRECTION 2>>", "WORD y"]),
        ("'a'2>x", ["WORD 'a'2", "REDIRECTION >", "WORD x"]),
        ("a&>x", ["WORD a", "SEPARATOR &", "REDIRECTION >", "WORD x"]),
        ("(a)&&b", ["OPENING (", "WORD a", "CLOSING )", "SEPARATOR &&", "WORD b"]),
        ("a#b #c 'd", ["WORD a#b", "COMMENT #c 'd"]),
        ("a\\ #b;#c", ["WORD a\\ #b", "SEPARATOR ;", "COMMENT #c"]),
        ("${x:-';'}\"$(y ';')\" `z;`", ["WORD ${x:-';'}\"$(y ';')\"", "WORD `z;`"]),
        ("$(x; y)z", ["WORD $(x; y)z"]),
        ("$(x 'y')", ["OPENING $(", "WORD x", "WORD 'y'", "CLOSING )"]),
        ("a 'b", ["WORD a", "OPEN '", "WORD b"]),
        ("a\\", ["WORD a", "OPEN \\"]),
        ("a\r#b", ["WORD a", "OPEN #", "WORD b"]),
    ],
)
def test_tokens(line: str, expected: list[str]) -> None:
    """What each part of a line is."""
    assert [f"{token.kind.name} {token.raw}" for token in tokens(line)] == expected


@pytest.mark.parametrize(
    "line",
    ["(a)", "a $(b)", "a ${b}", "a `b`", "a <<b", "a ;; b", "; a", "a | | b", "if a", "{ a", "a 'b", "a\\",
     "! ! a", "a | ! b", "!", "time if a", "time ! a",
     "a >", "a > ; b", "a > # b", "a $'b'", "a <<<b", "a <(b)", "a" * 5000],
)  # fmt: skip
def test_what_is_no_list_of_calls(line: str) -> None:
    """A line with anything but simple commands has no calls: what it does takes a shell to tell."""
    assert calls(line) == []


def test_calls() -> None:
    """Each call has its words, its redirections, and what separates it from the next."""
    first, second, third = calls("A=1 x $y 2>&1 >'a b' && > z ; v &")

    assert [word.text for word in first.words] == ["A=1", "x", "$y"]
    assert [(redirection.sign, redirection.target.text) for redirection in first.redirections] == [
        ("2>&", "1"), (">", "a b"),
    ]  # fmt: skip
    assert [word.is_exact for word in first.words] == [True, True, False]
    assert (first.separator, first.end) == ("&&", 21)
    assert (second.words, second.separator) == ((), ";")
    assert (third.words[0].start, third.words[0].end, third.separator, third.end) == (30, 31, "&", 32)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a 'b' $(c", ["a", "'b'"]), ("a >b c | d", ["a", "c"]), ("(a)", []), ("a 'b", ["a"]), ("", []),
        ("A=$(b) c", ["A=$(b)", "c"]),
    ],
)  # fmt: skip
def test_leading_words(line: str, expected: list[str]) -> None:
    """The first words of any line, as far as they are words."""
    assert [word.raw for word in leading_words(line)] == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [("a 'b", 2), ('a "b\\"', 2), ("a 'b' c\"d", 7), ("a 'b'", None), ("a \\' b", None), ("a # 'b", None),
     ("a `'` b", 3), ("a ${b:-'}", 7)],
)  # fmt: skip
def test_open_quotes(line: str, expected: int | None) -> None:
    """The quote that nothing closes."""
    assert open_quote(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a; (b", True), ("if a", True), ("a 'b' \"$c ${d} $(e)\" `f`", True), ("a # 'b", True), ("a $(b", True),
        ("a 'b", False), ("a\\", False), ("a <<b", False), ("a $((1", False), ("a ((1", False), ("a <(b", False),
        ("a ${b", False), ("a \"${b:-'}\"", False), ("a $'b'", False), ("a `b'`", False), ('a "$(b', False),
    ],
)  # fmt: skip
def test_lines_that_are_closed(line: str, *, expected: bool) -> None:
    """Whether nothing of a line can take in the next one."""
    assert is_closed(line) == expected


def test_kinds_have_names_in_the_grammar() -> None:
    """Each kind of token is found in some line."""
    found = {token.kind for token in tokens("a >b; (c) '# d # e")}
    assert found == set(Kind)
