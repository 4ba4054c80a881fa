"""Messages of Cluster::Init, as IPC::LDT frames them in its "object mode". Pure: bytes in, fields out, and back.

A message is its length as eight decimal digits, then that many bytes: a frozen array with one hash in it. The hash of
a request has `group` and `level`, that of a reply also `msg`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.ancestor.storable import StorableError, freeze, thaw

if TYPE_CHECKING:
    from collections.abc import Mapping

# The bytes before the payload, all of them digits.
MAGIC_DIGITS = 8
# The most bytes of payload that are accepted, and sent; two names and a sentence are far less.
LARGEST_FRAME = 65_536


class LdtError(ValueError):
    """Bytes that are not a message, or fields that do not fit into one; the text says what is wrong."""


def frame(fields: Mapping[str, str | None]) -> bytes:
    """A message with its length before it; LdtError if it is too long, or has text that no bytes can be."""
    try:
        payload = freeze([fields])
    except StorableError as error:
        raise LdtError(str(error)) from error
    _check(len(payload))
    return f"{len(payload):0{MAGIC_DIGITS}d}".encode() + payload


def payload_length(header: bytes) -> int:
    """How many bytes follow the first eight; LdtError if these are not digits, or announce more than is accepted."""
    if len(header) != MAGIC_DIGITS or not header.isdigit():
        raise LdtError(f"a message starts with {MAGIC_DIGITS} digits, not {header[:MAGIC_DIGITS]!r}")
    length = int(header)
    _check(length)
    return length


def unframe(payload: bytes) -> dict[str, str | None]:
    """The fields of a message without its length, all that it has; LdtError if it is not exactly one hash of strings.

    A field that is missing is missing here, and one that is undef is None: a message need not have any.
    """
    try:
        hashes = thaw(payload)
    except StorableError as error:
        raise LdtError(f"not a frozen message: {error}") from error
    if len(hashes) != 1:
        raise LdtError(f"a message is one hash, not {len(hashes)}")
    return hashes[0]


def _check(length: int) -> None:
    if length > LARGEST_FRAME:
        raise LdtError(f"{length} bytes, more than the {LARGEST_FRAME} of the longest message")
