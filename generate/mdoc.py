"""Text of click's help as mdoc(7), the language of the man pages. Pure."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 80
# Code in backquotes, an option, a path, a name in capitals; each with what clings to it before and behind.
_MARKED = re.compile(
    r"(?:^|(?<= ))(?P<before>[(]*)"
    r"(?:`(?P<code>[^`]+)`|-(?P<flag>-?[A-Za-z][\w-]*)|(?P<path>/[\w./-]*[\w/])|(?P<name>[A-Z]{2,}(?: [A-Z]{2,})*))"
    r"(?P<behind>[).,:;?!]*)(?= |$)"
)
_MACROS = {"code": "Ql", "flag": "Fl", "path": "Pa", "name": "Ar"}
_SENTENCE = re.compile(r"(?<=[.?!]) +(?=[A-Z`(-])")


def prose(text: str, names: set[str]) -> Iterator[str]:
    """A paragraph as lines: a new one for each sentence, and for each macro.

    Args:
        text: sentences, with code in backquotes.
        names: the words in capitals that stand for what people give, such as FILE.
    """
    for sentence in _SENTENCE.split(text):
        end = 0
        for found in _MARKED.finditer(sentence):
            kind = next(name for name in _MACROS if found[name])
            if kind == "name" and names.isdisjoint(found["name"].split()):
                continue
            yield from wrapped(sentence[end : found.start()].strip())
            words = [*found["before"], _escaped(found[kind]), *found["behind"]]
            yield f".{_MACROS[kind]} {' '.join(words)}"
            end = found.end()
        yield from wrapped(sentence[end:].strip())


def wrapped(text: str) -> list[str]:
    """A text without macros, as lines."""
    lines = textwrap.wrap(_escaped(text), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [rf"\&{line}" if line[0] in ".'" else line for line in lines]


def argument(usage: str) -> str:
    """An argument such as `[FILE]…`, as what follows a dot or another macro."""
    repeated = "" if usage == (usage := usage.replace("...", "…").removesuffix("…")) else " ..."
    if found := re.fullmatch(r"\[\[(\w+)\] (\w+)\]", usage):
        return f"Op Oo Ar {found[1]} Oc Ar {found[2]}{repeated}"
    if found := re.fullmatch(r"\[(\w+)\|(\w+)\]", usage):
        return f"Op Ar {found[1]} | {found[2]}{repeated}"
    if found := re.fullmatch(r"\[(\w+)\]", usage):
        return f"Op Ar {found[1]}{repeated}"
    return f"Ar {usage}{repeated}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\e")
