"""systemd's Journal Export Format, which `journalctl --output=export` writes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# No value of a field is kept beyond this; the rest is dropped. Bytes.
LONGEST_VALUE = 16 * 1024 * 1024


class _Stream:
    """Bytes that come in blocks, taken by lines and by lengths."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._block = b""
        self._at = 0

    def line(self) -> bytes | None:
        """The next line without its newline, cut at `LONGEST_VALUE`; None at the end, also of half a line."""
        parts: list[bytes] = []
        kept = 0
        while (end := self._block.find(b"\n", self._at)) < 0:
            kept += self._keep(parts, kept, self._block[self._at :])
            if not self._next():
                return None
        self._keep(parts, kept, self._block[self._at : end])
        self._at = end + 1
        return b"".join(parts)

    def exactly(self, length: int) -> bytes | None:
        """So many bytes, cut at `LONGEST_VALUE`; None if there are fewer."""
        parts: list[bytes] = []
        kept = 0
        while len(self._block) - self._at < length:
            length -= len(self._block) - self._at
            kept += self._keep(parts, kept, self._block[self._at :])
            if not self._next():
                return None
        self._keep(parts, kept, self._block[self._at : self._at + length])
        self._at += length
        return b"".join(parts)

    @staticmethod
    def _keep(parts: list[bytes], kept: int, part: bytes) -> int:
        part = part[: LONGEST_VALUE - kept]
        parts.append(part)
        return len(part)

    def _next(self) -> bool:
        self._block, self._at = next(self._blocks, b""), 0
        return bool(self._block)


def number(text: str | None) -> int | None:
    """The number that a field has, such as a time, a pid or a uid; None if there is none, or one that fits nowhere."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None


def records(blocks: Iterator[bytes]) -> Iterator[dict[bytes, bytes]]:
    """The entries in systemd's Journal Export Format, each as its fields; of a field that is there twice, the first.

    Args:
        blocks: the text, cut anywhere. What is not whole at its end is left out.
    """
    stream = _Stream(blocks)
    found: dict[bytes, bytes] = {}
    while (line := stream.line()) is not None:
        if not line:
            if found:
                yield found
            found = {}
            continue
        name, equals, value = line.partition(b"=")
        if not equals:
            size = stream.exactly(8)
            content = None if size is None else stream.exactly(int.from_bytes(size, "little"))
            if content is None or stream.exactly(1) is None:
                return
            value = content
        found.setdefault(name, value)
