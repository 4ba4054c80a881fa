"""Text for people: what a terminal would obey, hide or refuse is spelt out, and columns are counted. Pure."""

from __future__ import annotations

import functools
import unicodedata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Characters of what a message quotes; a name that can be used fits whole.
QUOTED_WIDTH = 255

# Colours, as `coloured` takes them: codes of ECMA-48.
RED = "31"
YELLOW = "33"
DIM = "2"

# Between two columns.
_GAP = "  "


def printable(text: str) -> str:
    r"""Text that a terminal and a UTF-8 stream can take: undecodable bytes and control characters become `\xNN`."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable()
        else f"\\x{ord(character) & 0xFF:02x}"
        if ord(character) < 0xA0 or 0xDC80 <= ord(character) <= 0xDCFF
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def coloured(text: str, colour: str) -> str:
    """Text in a colour of ECMA-48; as it is if that is empty. To be done last: colours take no columns."""
    return f"\x1b[{colour}m{text}\x1b[0m" if colour else text


def shortened(text: str) -> str:
    """Text as a message quotes it: at most `QUOTED_WIDTH` characters."""
    return printable(text if len(text) <= QUOTED_WIDTH else text[: QUOTED_WIDTH - 1] + "…")


def duration(microseconds: int) -> str:
    """A length of time in its two largest units, such as `2min 5s`, `3d 4h` or `12ms`."""
    left = max(0, microseconds) // 1000
    if 0 < left < 1000:
        return f"{left}ms"
    parts: list[str] = []
    for name, length in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        number, left = divmod(left, length)
        if number or parts:
            parts.append(f"{number}{name}")
    return " ".join(part for part in parts[:2] if part[0] != "0") or "0s"


def moment(microseconds: int) -> str:
    """A time since 1970 as people here read it, and as `journalctl --since=` takes it: `2026-11-26 12:38:01`."""
    from datetime import datetime  # noqa: PLC0415 - a status has no use for it

    return datetime.fromtimestamp(microseconds // 1_000_000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def clock(microseconds: int, now: int) -> str:
    """A time since 1970 as people here read it: `12:38:01`; with the date, if that is another one than now."""
    date, _, time = moment(microseconds).partition(" ")
    return time if moment(now).startswith(date) else f"{date} {time}"


def columns(text: str) -> int:
    """How many columns of a terminal printable text takes: East Asian characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(map(_columns_of, text))


@functools.cache
def _columns_of(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me"} or "\u1160" <= character <= "\u11ff":  # these vowels join, too
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of printable cells, as many in each, as lines: each column as wide as its widest cell."""
    sizes = [[*map(columns, row)] for row in rows]
    widths = [*map(max, zip(*sizes, strict=True))]
    return [
        _GAP.join(cell + " " * (wide - size) for cell, size, wide in zip(row, of_row, widths, strict=True)).rstrip()
        for row, of_row in zip(rows, sizes, strict=True)
    ]


def cut(line: str, width: int | None) -> str:
    """A printable line as far as a terminal of so many columns shows it, with `…` for the rest; None is no limit."""
    if width is None or columns(line) <= width:
        return line
    # No character takes more than two columns, so that this is near the place already.
    kept = line[: max(0, width - 1)]
    while columns(kept) > max(0, width - 1):
        kept = kept[:-1]
    return f"{kept}…"


def wrapped(line: str, width: int | None) -> list[str]:
    """A printable line over as many lines of a terminal as it needs, each with its indentation; None is no limit.

    A word that is too long for a line is cut into pieces.
    """
    if width is None or columns(line) <= width:
        return [line]
    indent = " " * min(len(line) - len(line.lstrip(" ")), max(0, width - 2))
    found, present = [], indent
    for word in line.split():
        for piece in _pieces(word, max(2, width - len(indent))):
            gap = " " if present.strip() else ""
            if gap and columns(present) + 1 + columns(piece) > width:
                found.append(present)
                present, gap = indent, ""
            present += gap + piece
    return [*found, present]


def _pieces(word: str, width: int) -> list[str]:
    """A word in pieces of at most so many columns, which are at least two."""
    found = [""]
    for character in word:
        if columns(found[-1] + character) > width:
            found.append("")
        found[-1] += character
    return found
