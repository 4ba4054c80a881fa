"""Perl's Storable, the small part that messages of Cluster::Init need: an array of hashes of strings. Pure.

The form is that of `Storable::nfreeze`, network order and in memory: two bytes of version, then one value. A value is
a byte for its type and what the type calls for; counts and lengths are four bytes, or one in the short types. The
source of the rules is Storable.xs, and perl itself, which the tests ask.

What arrives comes from anyone who may connect, so reading is a walk without recursion, over types that are listed
here. A count is believed only if the bytes that are left can hold as many. No class, code, hook, tie or back
reference is accepted: nothing that could make an object, or a loop.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAJOR = 2
# The first that has hashes with flags, before perl 5.8; nothing that is written here needs a later one.
MINOR = 5
# References before the array, or before a hash in it. Perl writes none and one.
MOST_REFERENCES = 4

_FIRST_BYTE = MAJOR << 1 | 1  # the lowest bit says: network order
_LONGEST_SHORT = 255
_LENGTH_BYTES = 4


class StorableError(ValueError):
    """Bytes that are not an array of hashes of strings, or text that cannot be stored; says what, and at which byte."""


class _Type(enum.IntEnum):
    """Every type of the format, under its name in Storable.xs."""

    SX_OBJECT = 0
    SX_LSCALAR = 1
    SX_ARRAY = 2
    SX_HASH = 3
    SX_REF = 4
    SX_UNDEF = 5
    SX_INTEGER = 6
    SX_DOUBLE = 7
    SX_BYTE = 8
    SX_NETINT = 9
    SX_SCALAR = 10
    SX_TIED_ARRAY = 11
    SX_TIED_HASH = 12
    SX_TIED_SCALAR = 13
    SX_SV_UNDEF = 14
    SX_SV_YES = 15
    SX_SV_NO = 16
    SX_BLESS = 17
    SX_IX_BLESS = 18
    SX_HOOK = 19
    SX_OVERLOAD = 20
    SX_TIED_KEY = 21
    SX_TIED_IDX = 22
    SX_UTF8STR = 23
    SX_LUTF8STR = 24
    SX_FLAG_HASH = 25
    SX_CODE = 26
    SX_WEAKREF = 27
    SX_WEAKOVERLOAD = 28
    SX_VSTRING = 29
    SX_LVSTRING = 30
    SX_SVUNDEF_ELEM = 31
    SX_REGEXP = 32
    SX_LOBJECT = 33
    SX_BOOLEAN_TRUE = 34
    SX_BOOLEAN_FALSE = 35


class _KeyFlag(enum.IntFlag):
    """What SX_FLAG_HASH says of a key."""

    UTF8 = 0x01
    WAS_UTF8 = 0x02  # characters up to U+00FF, stored as one byte each
    LOCKED = 0x04
    IS_SV = 0x08  # the key is a value of its own, with its own type
    PLACEHOLDER = 0x10  # a key that a restricted hash may have, and has not


_RESTRICTED = 0x01  # the one flag of a hash as a whole
# As a plain number: the complement of an IntFlag has no bits but those that it names.
_ACCEPTED_KEY_FLAGS = int(_KeyFlag.UTF8 | _KeyFlag.WAS_UTF8 | _KeyFlag.LOCKED | _KeyFlag.PLACEHOLDER)

# Types that are their value. SX_INTEGER and SX_DOUBLE are not accepted: they hold the sender's own byte order, and
# nfreeze writes a decimal text instead.
_CONSTANTS = {
    _Type.SX_UNDEF: None,
    _Type.SX_SV_UNDEF: None,
    _Type.SX_SV_YES: "1",
    _Type.SX_SV_NO: "",
    _Type.SX_BOOLEAN_TRUE: "1",
    _Type.SX_BOOLEAN_FALSE: "",
}
# Types that are text: how many bytes their length has, and whether Perl holds characters in them, or bytes.
_TEXTS = {
    _Type.SX_SCALAR: (1, False),
    _Type.SX_LSCALAR: (_LENGTH_BYTES, False),
    _Type.SX_UTF8STR: (1, True),
    _Type.SX_LUTF8STR: (_LENGTH_BYTES, True),
}
_HASHES = (_Type.SX_HASH, _Type.SX_FLAG_HASH)

# The fewest bytes that an element can have: a hash without keys; a value of one byte, and a key without characters.
_SMALLEST_HASH = 1 + _LENGTH_BYTES
_SMALLEST_PAIR = {_Type.SX_HASH: 1 + _LENGTH_BYTES, _Type.SX_FLAG_HASH: 1 + 1 + _LENGTH_BYTES}


def freeze(values: Sequence[Mapping[str, str | None]]) -> bytes:
    """What `Storable::nfreeze` would make of an array of hashes, for any perl since 5.8.

    ASCII, and text with undecodable bytes (surrogateescape), arrive as Perl's byte strings, other text as characters.
    StorableError for a surrogate that stands for no byte.
    """
    frozen = bytearray((_FIRST_BYTE, MINOR, _Type.SX_ARRAY)) + _number(len(values))
    for value in values:
        keys = [_encoded(key) for key in value]
        flagged = any(characters for _, characters in keys)
        frozen.append(_Type.SX_REF)
        frozen += bytes((_Type.SX_FLAG_HASH, 0)) if flagged else bytes((_Type.SX_HASH,))
        frozen += _number(len(keys))
        for (key, characters), text in zip(keys, value.values(), strict=True):
            frozen += _scalar(text)
            if flagged:
                frozen.append(_KeyFlag.UTF8 if characters else 0)
            frozen += _number(len(key)) + key
    return bytes(frozen)


def thaw(data: bytes) -> list[dict[str, str | None]]:
    """The array of hashes that `Storable::nfreeze` was given.

    Numbers come as their decimal text, true and false as "1" and "", undef as None, Perl's byte strings as UTF-8 with
    surrogateescape. StorableError, and no other, for all that is not exactly one such array.
    """
    return list(_Reader(data).hashes())


def _number(number: int) -> bytes:
    return number.to_bytes(_LENGTH_BYTES)


def _encoded(text: str) -> tuple[bytes, bool]:
    """The bytes of a text, and whether they are to be characters in Perl."""
    if text.isascii():
        return text.encode(), False
    try:
        return text.encode(), True
    except UnicodeEncodeError:
        pass
    try:
        return encoded(text), False
    except UnicodeEncodeError as error:
        raise StorableError(f"text that cannot be stored: {error}") from error


def _scalar(text: str | None) -> bytes:
    if text is None:
        return bytes((_Type.SX_UNDEF,))
    encoded, characters = _encoded(text)
    if len(encoded) <= _LONGEST_SHORT:
        return bytes((_Type.SX_UTF8STR if characters else _Type.SX_SCALAR, len(encoded))) + encoded
    return bytes((_Type.SX_LUTF8STR if characters else _Type.SX_LSCALAR,)) + _number(len(encoded)) + encoded


class _Reader:
    """Frozen bytes, and how far they were read. Every method reads on, and raises nothing but StorableError."""

    __slots__ = ("_data", "_offset")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    def hashes(self) -> Iterable[dict[str, str | None]]:
        """All of the bytes, as an array of hashes."""
        if (first := self._unsigned(1)) != _FIRST_BYTE:
            raise self._error(0, f"0x{first:02x}, where 0x{_FIRST_BYTE:02x} says major {MAJOR} in network order")
        self._unsigned(1)  # Minors only add types, and each type is judged by itself.
        self._referent((_Type.SX_ARRAY,))
        for _ in range(self._count(_SMALLEST_HASH)):
            yield self._hash()
        if self._offset != len(self._data):
            raise self._error(self._offset, f"{len(self._data) - self._offset} bytes after the end")

    def _hash(self) -> dict[str, str | None]:
        kind = self._referent(_HASHES)
        flagged = kind is _Type.SX_FLAG_HASH
        if flagged and (flags := self._unsigned(1)) & ~_RESTRICTED:
            raise self._error(self._offset - 1, f"unknown flags of a hash, 0x{flags:02x}")
        pairs: dict[str, str | None] = {}
        for _ in range(self._count(_SMALLEST_PAIR[kind])):
            text = self._scalar()
            start = self._offset
            flags = self._unsigned(1) if flagged else 0
            if flags & ~_ACCEPTED_KEY_FLAGS:
                raise self._error(start, f"flags of a key that are not accepted, 0x{flags:02x}")
            key = self._key(flags)
            if flags & _KeyFlag.PLACEHOLDER:
                continue
            if key in pairs:
                raise self._error(start, "a key for the second time")
            pairs[key] = text
        return pairs

    def _key(self, flags: int) -> str:
        if flags & _KeyFlag.WAS_UTF8 and not flags & _KeyFlag.UTF8:
            return self._take(self._unsigned(_LENGTH_BYTES)).decode("latin-1")
        return self._text(_LENGTH_BYTES, characters=bool(flags & _KeyFlag.UTF8))

    def _scalar(self) -> str | None:
        start = self._offset
        kind = self._type()
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind in _TEXTS:
            length_bytes, characters = _TEXTS[kind]
            return self._text(length_bytes, characters=characters)
        if kind is _Type.SX_BYTE:
            return str(self._unsigned(1) - 128)
        if kind is _Type.SX_NETINT:
            return str(int.from_bytes(self._take(4), signed=True))
        raise self._error(start, f"{kind.name}, where a string or a number is accepted")

    def _text(self, length_bytes: int, *, characters: bool) -> str:
        length = self._unsigned(length_bytes)
        start = self._offset
        try:
            return self._take(length).decode(errors="strict" if characters else "surrogateescape")
        except UnicodeDecodeError as error:
            raise self._error(start + error.start, f"not UTF-8: {error.reason}") from error

    def _referent(self, wanted: tuple[_Type, ...]) -> _Type:
        """The type that is behind references, if any; StorableError if it is none that is wanted."""
        for _ in range(MOST_REFERENCES + 1):
            start = self._offset
            kind = self._type()
            if kind in wanted:
                return kind
            if kind is not _Type.SX_REF:
                raise self._error(start, f"{kind.name}, where {wanted[0].name} is accepted")
        raise self._error(start, f"more than {MOST_REFERENCES} references in a row")

    def _type(self) -> _Type:
        number = self._unsigned(1)
        try:
            return _Type(number)
        except ValueError:
            raise self._error(self._offset - 1, f"unknown type {number}") from None

    def _count(self, smallest: int) -> int:
        """A number of elements, each of so many bytes at least."""
        start = self._offset
        count = self._unsigned(_LENGTH_BYTES)
        if count * smallest > (left := len(self._data) - self._offset):
            raise self._error(start, f"{count} elements, where {left} bytes are left")
        return count

    def _unsigned(self, size: int) -> int:
        return int.from_bytes(self._take(size))

    def _take(self, size: int) -> bytes:
        start = self._offset
        if size > (left := len(self._data) - start):
            raise self._error(start, f"{size} bytes are needed, {left} are left")
        self._offset += size
        return self._data[start : self._offset]

    @staticmethod
    def _error(offset: int, what: str) -> StorableError:
        return StorableError(f"at byte {offset}: {what}")
