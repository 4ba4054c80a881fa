"""The ids of resources and constraints: from names, so that a second run changes the same ones. Pure.

An id begins with a letter or `_`, and has letters, digits, `_`, `.` and `-` (NCName of XML, as far as pcs and crmsh
take it). Behind a dot stands either an escaped byte of a name, in capitals, or a word of ours, in small letters. So no
two names, and no two things of a name, have the same id.
"""

from __future__ import annotations

from cltab2systemd.text import encoded

_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_PLAIN = _LETTERS | frozenset("0123456789_-")


def resource(group: str) -> str:
    """The id of a group's resource: the group's name, if it can be one.

    Other bytes than letters, digits, `_` and `-` are `.XX`. A name that does not begin with a letter has `_` before it.
    """
    escaped = "".join(chr(byte) if chr(byte) in _PLAIN else f".{byte:02X}" for byte in encoded(group))
    return escaped if escaped[0] in _LETTERS else f"_{escaped}"


def address(group: str, number: int) -> str:
    """The id of the address of a group, the first one has the number 1."""
    return f"{resource(group)}.ip" + (f".{number}" if number > 1 else "")


def together(group: str) -> str:
    """The id of the group of Pacemaker that has a group and its addresses."""
    return f"{resource(group)}.all"


def prefers(group: str, node: str) -> str:
    """The id of what says how much a group is to be on a node."""
    return f"{resource(group)}.prefers.{node}"


def after(group: str, other: str) -> str:
    """The id of what says that a group is started behind another one."""
    return f"{resource(group)}.after.{resource(other)}"


def beside(group: str, other: str) -> str:
    """The id of what says that a group is where another one is."""
    return f"{resource(group)}.with.{resource(other)}"
