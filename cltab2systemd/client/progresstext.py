"""What is told meanwhile to whoever waits, for a switch, or for a halt or an update of all groups. Pure.

What comes in is an object of type Progress or HaltProgress as the daemon sends it (`cltab2systemd.varlink`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.client import progress
from cltab2systemd.terminal import columns, cut, printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def line(news: dict[str, Any], passed: float, width: int | None = None) -> str:
    """How far it has come, in the longest form that fits; arguments as for `progress.line`."""
    if not _is_of_halt(news):
        return progress.line(news, passed, width)
    text = ""
    for text in _forms(news, passed, width):
        if width is None or columns(text) <= width:
            return text
    return cut(text, max(1, width or 1))


def plain_lines(news: dict[str, Any], passed: float) -> Iterator[tuple[str, object, str]]:
    """The same at full length, without a clock: for a file, in which it stays.

    Yields:
        What a line is about; what of it makes it different enough for another line; and the line.
    """
    if not _is_of_halt(news):
        yield "", progress.change(news), progress.plain(news, passed)
        return
    if news["total"] > 1 or _is_disconnected(news):
        yield "", _count(news), _count(news)
    for group in news["groups"]:
        yield group["group"], progress.change(group), progress.plain(group, passed)


def _is_of_halt(news: dict[str, Any]) -> bool:
    return "groups" in news


def _is_disconnected(news: dict[str, Any]) -> bool:
    return news.get("phase") == progress.DISCONNECTED


def _action(news: dict[str, Any]) -> str:
    return str(news.get("action", "halt"))


def _count(halt: dict[str, Any]) -> str:
    if _action(halt) == "apply":
        if _is_disconnected(halt):
            return "apply: the daemon has gone away; waiting for the next one"
        return f"apply: {halt['done']} of {halt['total']} groups are done"
    if halt["done"] == halt["total"]:
        return "halt: all groups are stopped; the daemon ends"
    return f"halt: {halt['done']} of {halt['total']} groups are stopped"


def _forms(halt: dict[str, Any], passed: float, width: int | None) -> Iterator[str]:
    """The line, from the longest form to the shortest."""
    groups: list[dict[str, Any]] = halt["groups"]
    brief = f"{halt['done']}/{halt['total']}"
    if not groups:
        yield _count(halt)
        yield f"{_action(halt)} {brief}"
        yield brief
        return
    first = progress.line(groups[0], passed)
    if halt["total"] > 1:
        yield f"{_count(halt)}: {first}{_others(halt, named=True)}"
        yield f"{_count(halt)}: {first}{_others(halt)}"
        yield f"{_count(halt)}: {first}"
        yield f"{brief} {first}"
        if width is not None and width > len(brief) + 1:
            yield f"{brief} {progress.line(groups[0], passed, width - len(brief) - 1)}"
    yield progress.line(groups[0], passed, width)


def _others(halt: dict[str, Any], *, named: bool = False) -> str:
    """Which other groups are not stopped."""
    others = halt["total"] - halt["done"] - 1
    if others < 1:
        return ""
    if not named or others != len(halt["groups"]) - 1:
        return f"; also {others} more group{'s' if others > 1 else ''}"
    return f"; also {', '.join(printable(group['group']) for group in halt['groups'][1:])}"
