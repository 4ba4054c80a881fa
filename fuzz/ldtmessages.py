"""The target for the ancestor's protocol: any bytes from a client give one message, or close the connection."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from cltab2systemd import varlink
from cltab2systemd.ancestor import messages as ldt
from cltab2systemd.ancestor import storable
from cltab2systemd.text import encoded
from cltab2systemd.units.names import HALT_LEVEL
from fuzz.connection import GROUPS, PEERS, check_error, daemon, measured

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

_CLOSED = (ldt.LdtError, asyncio.IncompleteReadError)
_DIGITS = b"0123456789"

_TEXTS = (
    *(encoded(group) for group in GROUPS), b"web", b"web", b"1", b"2", b"", b" ", b"a b", b"\0",
    b"\xff", b"\xc3", b"\xc3\xa9", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"%n", b"/", b"..", b"x" * 255, b"x" * 256,
    HALT_LEVEL.encode(), b"a\nb", b"\xe2\x80\xa8", b"\xff" * 300,
)  # fmt: skip
_KEYS = (b"group", b"group", b"level", b"level", b"msg", b"class", b"", b"\xc3\xa9", b"\xff", b"k" * 300)
_LENGTHS = (0, 1, 2, 3, 255, 256, 65_535, 65_536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_PIECES = (
    b"\x04", b"\x04\x04\x04\x04\x04", b"\x02\0\0\0\x01", b"\x03\0\0\0\0", b"\x19\0\0\0\0\0", b"\x02\xff\xff\xff\xff",
    b"\x0a\x00", b"\x01\0\0\0\0", b"\x01\xff\xff\xff\xff", b"\x11\x03Foo\x03\0\0\0\0", b"\x13\x04", b"\x1a",
    b"\x05\x0b", b"\x00\0\0\0\0", b"\x08\x80", b"\x09\xff\xff\xff\xff", b"\x06" + b"\0" * 8, b"\x07" + b"\0" * 8,
    b"\x22", b"\x05",
)  # fmt: skip


def make(source: random.Random) -> bytes:
    """What a client sends in one connection, in the ancestor's protocol: its first byte is a digit."""
    kind = source.random()
    if kind < 0.05:
        return source.choice(_DIGITS).to_bytes() + source.randbytes(source.randrange(60))
    if kind < 0.15:
        return _framed(source, source.randbytes(source.randrange(60)))
    if kind < 0.25:
        return _framed(source, b"\x05\x0b" + b"".join(source.choices(_PIECES, k=source.randrange(12))))
    if kind < 0.252:
        return _framed(source, big(source))
    payload = _payload(source)
    while source.random() < 0.25:
        payload = source.choice(_MUTATIONS)(source, payload)
    data = _framed(source, payload)
    if source.random() < 0.1:
        data = source.choice(_MUTATIONS)(source, data)
    return data


def _framed(source: random.Random, payload: bytes) -> bytes:
    """With the length before it, mostly the true one."""
    kind = source.random()
    length = len(payload)
    if kind < 0.03:
        length = source.choice((0, 1, length + 1, max(0, length - 1), 65_536, 65_537, 99_999_999))
    header = b"%08d" % length
    if kind > 0.98:
        header = source.choice(
            (b"%8d" % length, b"+%07d" % length, b"1_000000", "٣".encode() * 4, header[:4], b"00000000")
        )
    return header + payload


def _payload(source: random.Random) -> bytes:
    """A frozen array, mostly with one hash of strings in it."""
    hashes = [_hash(source) for _ in range(source.choice((1, 1, 1, 1, 1, 1, 0, 2)))]
    minor = source.choice((5, 8, 9, 10, 11, 11, 11, 12, 255))
    references = b"\x04" * (0 if source.random() < 0.95 else source.randrange(8))
    return bytes((5, minor)) + references + b"\x02" + struct.pack(">I", len(hashes)) + b"".join(hashes)


def _hash(source: random.Random) -> bytes:
    flagged = source.random() < 0.3
    keys = source.sample(_KEYS, source.randrange(4)) if source.random() < 0.3 else [b"group", b"level"]
    pairs = b""
    for key in keys:
        pairs += _scalar(source)
        if flagged:
            pairs += source.choice((0, 0, 0, 0, 0, 0, 1, 1, 2, 4, 16, 17, 8, 255)).to_bytes()
        pairs += struct.pack(">I", len(key)) + key
    references = b"\x04" if source.random() < 0.97 else b"\x04" * source.randrange(8)
    kind = source.choice((b"\x19\0", b"\x19\0", b"\x19\x01", b"\x19\x02")) if flagged else b"\x03"
    return references + kind + struct.pack(">I", len(keys)) + pairs


def _scalar(source: random.Random) -> bytes:
    kind = source.randrange(11)
    text = source.choice(_TEXTS)
    if kind < 6 and len(text) < 256:
        return bytes((source.choice((10, 10, 10, 23)), len(text))) + text
    if kind < 8:
        return source.choice((1, 24)).to_bytes() + struct.pack(">I", len(text)) + text
    if kind == 8:
        return b"\x08" + source.randbytes(1)
    if kind == 9:
        return b"\x09" + source.randbytes(4)
    return source.choice((b"\x05", b"\x0e", b"\x0f", b"\x10", b"\x22", b"\x23", source.choice(_PIECES)))


def big(source: random.Random) -> bytes:
    """Many, long or deep: what is at the limit of a message, or beyond it."""
    size = source.choice((65_000, 65_536, 65_540, source.randrange(5_000, 70_000)))
    kind = source.randrange(6)
    if kind == 0:
        return b"\x05\x0b" + b"\x04" * size
    if kind == 1:
        count = size // 6
        return b"\x05\x0b\x02" + struct.pack(">I", count) + b"\x04\x03\0\0\0\0" * count
    if kind == 2:
        count = size // 7
        pairs = b"".join(b"\x05\0\0\0\x02" + struct.pack(">H", number) for number in range(count))
        return b"\x05\x0b\x02\0\0\0\x01\x04\x03" + struct.pack(">I", count) + pairs
    if kind == 3:
        level = source.choice((b"x", b"\xff", b"\xc3\xa9")) * ((size - 100) // 2)
        text = source.choice((1, 24)).to_bytes() + struct.pack(">I", len(level)) + level
        pairs = b"\x0a\x03web\0\0\0\x05group" + text + b"\0\0\0\x05level"
        return b"\x05\x0b\x02\0\0\0\x01\x04\x03\0\0\0\x02" + pairs
    if kind == 4:
        return b"\x05\x0b\x02" + struct.pack(">I", source.choice((size, *_LENGTHS))) + b"\0" * source.randrange(size)
    return b"\x05\x0b" + source.choice(_PIECES) * (size // 10)


def _insert(source: random.Random, data: bytes) -> bytes:
    at = source.randrange(len(data) + 1)
    return data[:at] + source.choice(_PIECES) + data[at:]


def _delete(source: random.Random, data: bytes) -> bytes:
    start = source.randrange(len(data) + 1)
    return data[:start] + data[start + source.randrange(1, 6) :]


def _replace_byte(source: random.Random, data: bytes) -> bytes:
    at = source.randrange(len(data) + 1)
    return data[:at] + source.randbytes(1) + data[at + 1 :]


def _replace_length(source: random.Random, data: bytes) -> bytes:
    at = source.randrange(len(data) + 1)
    return data[:at] + struct.pack(">I", source.choice(_LENGTHS)) + data[at + 4 :]


def _repeat(source: random.Random, data: bytes) -> bytes:
    start = source.randrange(len(data) + 1)
    piece = data[start : start + source.randrange(1, 12)]
    return data[:start] + piece * source.randrange(2, 100) + data[start:]


def _cut(source: random.Random, data: bytes) -> bytes:
    return data[: source.randrange(len(data) + 1)]


_MUTATIONS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _insert, _delete, _replace_byte, _replace_byte, _replace_length, _repeat, _cut,
)  # fmt: skip


def check(data: bytes) -> Iterator[str]:
    """Check all that has to hold for a client who sends these bytes."""
    if not data[:1].isdigit():
        data = b"0" + data  # that would be the other protocol
    with suppress(ldt.LdtError):
        _check_payload(data[ldt.MAGIC_DIGITS :])
    outcome = measured(data, daemon().converse)
    assert not outcome.waiting, "an old client gets one answer, and then the end"
    if outcome.error is not None:
        assert not outcome.replies
        yield check_error(outcome.error, _CLOSED)
        return
    header, payload = outcome.replies[: ldt.MAGIC_DIGITS], outcome.replies[ldt.MAGIC_DIGITS :]
    assert ldt.payload_length(header) == len(payload)
    reply = ldt.unframe(payload)
    assert reply["msg"]
    asked = ldt.unframe(data[ldt.MAGIC_DIGITS :][: ldt.payload_length(data[: ldt.MAGIC_DIGITS])])
    assert all(reply.get(name) == asked.get(name) for name in ("group", "level"))
    assert reply["msg"] != varlink.STARTED or outcome.peer is not PEERS[2], "somebody without the right has switched"
    yield f"answered: {_kind_of(reply['msg'])}"


def _check_payload(payload: bytes) -> None:
    """What is thawed is strings, and is the same when it is frozen and thawed again."""
    fields = ldt.unframe(payload)
    assert all(isinstance(name, str) for name in fields)
    assert all(value is None or isinstance(value, str) for value in fields.values())
    assert storable.thaw(storable.freeze([fields])) == [fields]


def _kind_of(message: str) -> str:
    """The first words, which say which of the answers it is."""
    return " ".join(message.split()[:3]) if message.isascii() else "another"
