r"""The reader of command lines: how /bin/sh takes one apart, as far as that is told without a shell. Pure.

There are two views, the second made of the first:

1. `tokens`: all of a line, whatever it is, in words, signs and comments. `is_closed` and `open_quote` ask them.
2. `calls`: the simple commands of a line that has nothing else, but for a comment at its end: no substitution,
   parenthesis or reserved word, but for `!` and `time`.

`wrappers` tells which word of a call is the program that is run in the end.

Two things are read otherwise than the shell reads them. A shell expands `$x`, `*` and `~`; here, they stay as they are,
and `Word.is_exact` tells whether a word has any. Blanks are all blanks of Unicode, for to people they look the same;
the shell knows the space and the tab.

A command that needs no shell (`units.commands.plain`) has words and blanks only. Then `#` begins no comment.
"""

from __future__ import annotations

import enum
import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# No command line that a person understands is longer; nor is it worth its time.
LONGEST = 4096


class Kind(enum.Enum):
    """What a part of a command line is."""

    WORD = "a word"
    REDIRECTION = "the sign of a redirection, with the number before it; its word follows"
    SEPARATOR = "what stands between commands"
    OPENING = "a parenthesis that opens a subshell or a substitution"
    CLOSING = "a parenthesis that closes one"
    COMMENT = "a comment, to the end of the line"
    OPEN = "a character that begins what nothing closes, or what is not understood here"


@dataclass(frozen=True, slots=True)
class Token:
    """A part of a command line, as it is written.

    Attributes:
        kind: what it is.
        raw: its text, with quotes and backslashes.
        start: where it stands in the command line, in characters.
    """

    kind: Kind
    raw: str
    start: int

    @property
    def end(self) -> int:
        """Where what follows stands."""
        return self.start + len(self.raw)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a command.

    Attributes:
        text: the word without quotes and backslashes.
        raw: the word as it is written.
        start: where it stands in the command line, in characters.
    """

    text: str
    raw: str
    start: int

    @property
    def end(self) -> int:
        """Where what follows stands."""
        return self.start + len(self.raw)

    @property
    def name(self) -> str:
        """The name of a program, without its directory."""
        return self.text.rpartition("/")[2]

    @property
    def is_exact(self) -> bool:
        """Whether the shell passes just `text`: there is nothing in the word that it may expand."""
        return _EXACT_WORD.fullmatch(self.raw) is not None


@dataclass(frozen=True, slots=True)
class Redirection:
    """A redirection: its sign, with the number before it, and what is behind the sign."""

    sign: str
    target: Word


@dataclass(frozen=True, slots=True)
class Call:
    """A simple command.

    Attributes:
        words: assignments, the program and its arguments; none if the call is only redirections.
        redirections: in order, wherever they stand among the words.
        separator: what stands behind it: `;`, `&`, `|`, `&&`, `||`, or nothing.
        end: where the separator stands in the command line.
        is_negated: whether a `!` stands before it, or before the pipeline that it is in.
    """

    words: tuple[Word, ...]
    redirections: tuple[Redirection, ...]
    separator: str
    end: int
    is_negated: bool = False


# The pieces of words. Groups with a star inside and outside are atomic, against patience without end; possessive
# quantifiers would say the same, but match what they should not before Python 3.11.5.
_LETTER = r"[^\s;&|<>()'\"\\`$]"
_ESCAPE = r"\\."
_SINGLE = r"'[^']*'"
_DOUBLE = r"\"(?>(?:[^\"\\]|\\.)*)\""
# In substitutions, only what has no quotes or substitutions of its own is understood; so is what has quotes in `${…}`.
_PLAIN_INSIDE = r"(?>(?:[^()'\"`\\$<#{}]|\$\w)+)"
_IN_PARENTHESES = rf"\$\(\({_PLAIN_INSIDE}\)\)|\$\((?!\(){_PLAIN_INSIDE}\)"
_IN_BRACES = rf"\$\{{(?>(?:[^'\"\\`{{}}]|{_ESCAPE}|{_SINGLE}|{_DOUBLE})*)\}}"
_IN_BACKTICKS = r"`(?>(?:[^`\\'\"]|\\.|'[^'`]*'|\"(?>(?:[^\"\\`]|\\.)*)\")*)`"
_DOLLAR = r"\$(?![({'])"
_TOKEN = re.compile(
    rf"(?P<BLANK>\s+)"
    rf"|(?P<COMMENT>(?<![^ \t;&|()<>])\#.*)"
    rf"|(?P<REDIRECTION>[0-9]*(?:>>|>\||<<-?|[<>]&?))"
    rf"|(?P<SEPARATOR>&&|\|\||[;&|])"
    rf"|(?P<WORD>(?!\#)(?>(?:{_LETTER}|{_ESCAPE}|{_SINGLE}|{_DOUBLE}|{_IN_PARENTHESES}|{_IN_BRACES}|{_IN_BACKTICKS}"
    rf"|{_DOLLAR})+))"
    rf"|(?P<OPENING>\$?\()|(?P<CLOSING>\))|(?P<OPEN>.)",
    re.DOTALL,
)
_KINDS = {kind.name: kind for kind in Kind}

# Words by what is in them: nothing that is expanded; no substitution but of a plain variable, as `$x`; substitutions
# that are closed, however little of the shell's grammar one knows.
_EXACT_WORD = re.compile(
    rf"(?>(?:[^\s;&|<>()'\"\\`$*?\[\]{{}}~!#]|{_ESCAPE}|{_SINGLE}|\"(?>(?:[^\"\\`$]|\\.)*)\")+)", re.DOTALL
)
_SIMPLE_WORD = re.compile(
    rf"(?>(?:{_LETTER}|{_ESCAPE}|{_SINGLE}|\"(?>(?:[^\"\\`$]|\\.|\$(?![({{]))*)\"|\$(?![({{'\"]))+)", re.DOTALL
)
_CLOSED_SUBSTITUTION = (
    r"\$[\w@*#?!$-]|\$\{(?>[#!]?[\w@*?$#!-]+(?:[:%#/^,=?+-][^{}()'\"`\\$<>&;|]*)?)\}|`[^`'\"\\$<#]*`"
    rf"|{_IN_PARENTHESES}"
)
_CLOSED_WORD = re.compile(
    rf"(?>(?:{_LETTER}|{_ESCAPE}|{_SINGLE}|\"(?>(?:[^\"\\`$]|\\.|{_CLOSED_SUBSTITUTION}|\$(?=[\s\"/.,:;%=+]))*)\""
    rf"|{_CLOSED_SUBSTITUTION}|\$(?=[/.,:%=+]|\Z))+)",
    re.DOTALL,
)

_QUOTING = re.compile(r"""['"\\]""")
_QUOTED = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)""", re.DOTALL)
_ESCAPED_IN_DOUBLE = re.compile(r'\\(["\\$`])')
_ASSIGNMENT = re.compile(r"\w+=", re.ASCII)
_RESERVED_WORDS = """
    ! { } [[ case do done elif else esac fi for function if in select then time until while
"""
RESERVED = frozenset(_RESERVED_WORDS.split())


def tokens(command: str) -> Iterator[Token]:
    """All of a command line but its blanks, in order."""
    for match in _TOKEN.finditer(command):
        if kind := _KINDS.get(match.lastgroup or ""):
            yield Token(kind, match[0], match.start())


def comment_start(command: str) -> int | None:
    """Where the comment begins that the shell leaves out; None without one."""
    return next((token.start for token in tokens(command) if token.kind is Kind.COMMENT), None)


def open_quote(command: str) -> int | None:
    """Where the first quote stands that nothing closes; None without one."""
    return next((token.start for token in tokens(command) if token.kind is Kind.OPEN and token.raw in {"'", '"'}), None)


def is_closed(command: str) -> bool:
    """Whether it is certain that the shell reads what is on the next line as other commands.

    It is if no quote, here-document or substitution is open at the end of the line. Parentheses and reserved words may
    be open, and anything else may be wrong with the line.
    """
    end_of_sign = -1
    for token in tokens(command):
        if token.kind is Kind.OPEN or (token.kind is Kind.WORD and not _CLOSED_WORD.fullmatch(token.raw)):
            return False
        if token.kind is Kind.REDIRECTION and "<<" in token.raw:
            return False
        # `((` and `<(` are signs of their own for some shells.
        if token.kind is Kind.OPENING and token.start == end_of_sign:
            return False
        is_sign = token.kind is Kind.OPENING or token.kind is Kind.REDIRECTION
        end_of_sign = token.end if is_sign else -1
    return True


def calls(command: str) -> list[Call]:
    """The simple commands of a command line, in order; none if it is more complicated, or longer than `LONGEST`."""
    return [*_calls(command)] if len(command) <= LONGEST else []


# Several ask this of each command of a table.
@functools.lru_cache(maxsize=16384)
def _calls(command: str) -> Sequence[Call]:
    found: list[Call] = []
    words: list[Word] = []
    redirections: list[Redirection] = []
    sign, is_negated = "", False
    for token in tokens(command):
        if token.kind is Kind.COMMENT:
            break
        if token.kind is Kind.WORD and _SIMPLE_WORD.fullmatch(token.raw):
            word = word_of(token)
            if sign:
                redirections.append(Redirection(sign, word))
                sign = ""
            elif word.raw not in RESERVED or _is_no_reserved_word(word, words):
                words.append(word)
            elif word.raw == "!" and not (
                words or redirections or is_negated or (found and found[-1].separator == "|")
            ):
                is_negated = True
            else:
                return []
        elif token.kind is Kind.REDIRECTION and not sign and "<<" not in token.raw:
            sign = token.raw
        elif token.kind is Kind.SEPARATOR and not sign and (words or redirections):
            found.append(Call(tuple(words), tuple(redirections), token.raw, token.start, is_negated))
            words, redirections = [], []
            is_negated = is_negated and token.raw == "|"
        else:
            return []
    if words or redirections:
        found.append(Call(tuple(words), tuple(redirections), "", len(command), is_negated))
    return [] if sign or (is_negated and not words) else found


def _is_no_reserved_word(word: Word, before: Sequence[Word]) -> bool:
    """Whether a word that may be reserved is not: it is not the first of its command, behind `time` perhaps."""
    return before[0].raw != "time" if before else word.raw == "time"


def leading_words(command: str) -> list[Word]:
    """The words of the first simple command of a line, also if what follows is more complicated than `calls` reads."""
    words: list[Word] = []
    is_target = False
    for token in tokens(command):
        if token.kind is Kind.REDIRECTION:
            is_target = True
        elif token.kind is not Kind.WORD:
            break
        elif is_target:
            is_target = False
        else:
            words.append(word_of(token))
    return words


def word_of(token: Token) -> Word:
    """A token that is a word, without quotes and backslashes too."""
    is_quoted = _QUOTING.search(token.raw)
    return Word(_QUOTED.sub(_without_quotes, token.raw) if is_quoted else token.raw, token.raw, token.start)


def _without_quotes(match: re.Match[str]) -> str:
    single, double, escaped = match.groups()
    return single or (_ESCAPED_IN_DOUBLE.sub(r"\1", double) if double else escaped or "")


def is_assignment(word: Word) -> bool:
    """Whether a word before a program sets a variable for it."""
    return _ASSIGNMENT.match(word.text) is not None
