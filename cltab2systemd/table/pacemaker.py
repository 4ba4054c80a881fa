"""What the setting `:::pacemaker.GROUP:` tells a Pacemaker cluster of a group. Pure.

A value is words, as `level=3 prefer=n1:100 after=db`, or the one word `no` for a group that the cluster does not have.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.table.checks import Fault
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# A name can have any character but these, so a value is split at blanks of ASCII only.
_WORD = re.compile(r"[^ \t]+")
_UNUSABLE = re.compile(r"[\x00-\x20\x7f]")
_PREFERENCE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*):(-?)(?:([0-9]{1,7})|(INFINITY))")
# What Pacemaker takes for infinity.
_INFINITY = 1_000_000

UNMANAGED = "no"
DEFAULT_STOP_LEVEL = "stop"
# The words, by whether one may be given more than once.
_REPEATED = {"level": False, "stop": False, "prefer": True, "after": True, "with": True, "ip": True}


@dataclass(frozen=True, slots=True)
class Word:
    """One `name=value` of such a value, and where in it the word and what is behind the `=` begin, from 0."""

    name: str
    value: str
    start: int

    @property
    def start_of_value(self) -> int:
        """Where what is behind the `=` begins."""
        return self.start + len(self.name) + 1


@dataclass(frozen=True, slots=True)
class Preference:
    """How much a group is to be on a node: a number, or `INFINITY`, perhaps with `-` before it."""

    node: str
    score: str


@dataclass(frozen=True, slots=True)
class Address:
    """An address that goes where its group goes."""

    ip: str
    prefix: int


@dataclass(frozen=True, slots=True)
class Managed:
    """What a cluster is told of a group.

    Attributes:
        level: at which the group is where the cluster has started it; empty if the setting does not say.
        stop: the level for stopped.
        preferences: the nodes that it is to be on, or not.
        after: the groups that are started before it.
        beside: the groups whose node is its node.
        addresses: what is up before it is started.
        is_managed: whether the cluster has it at all.
    """

    level: str = ""
    stop: str = DEFAULT_STOP_LEVEL
    preferences: tuple[Preference, ...] = ()
    after: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    is_managed: bool = True


def read(text: str) -> Managed | Fault:
    """What a value says, or the first thing that is wrong with it."""
    if text.strip(" \t") == UNMANAGED:
        return Managed(is_managed=False)
    found = [*words(text)]
    if not found:
        return Fault(0, 1, "nothing is said of the group", _words_hint())
    for number, word in enumerate(found):
        if fault := _fault(word, found[:number]):
            return fault
    values = {name: [word.value for word in found if word.name == name] for name in _REPEATED}
    level, stop = (values["level"] or [""])[0], (values["stop"] or [DEFAULT_STOP_LEVEL])[0]
    if level == stop:
        return Fault(0, len(text), f"'{shortened(level)}' is the level for stopped as well", "say another one by stop=")
    return Managed(
        level,
        stop,
        tuple(map(_preference, values["prefer"])),
        tuple(values["after"]),
        tuple(values["with"]),
        tuple(map(_address, values["ip"])),
    )


def words(text: str) -> Iterator[Word]:
    """The words of a value; what has no `=` is a name without a value."""
    for match in _WORD.finditer(text):
        name, _, value = match[0].partition("=")
        yield Word(name, value, match.start())


def _fault(word: Word, before: Sequence[Word]) -> Fault | None:
    whole = len(word.name) + 1 + len(word.value)
    if word.name not in _REPEATED:
        import difflib  # noqa: PLC0415 - slow to import, and seldom needed

        close = difflib.get_close_matches(word.name[:80], _REPEATED, n=1)
        hint = f"did you mean '{close[0]}='?" if close else _words_hint()
        return Fault(word.start, whole, f"unknown word '{shortened(word.name)}'", hint)
    if not word.value:
        return Fault(word.start, whole, f"nothing behind '{word.name}='", _words_hint())
    if _UNUSABLE.search(word.value):
        return Fault(word.start_of_value, len(word.value), "control character", "no name can have one")
    if any(word.name == other.name and (not _REPEATED[word.name] or _is_same(word, other)) for other in before):
        return Fault(word.start, whole, f"'{word.name}=' is given again", "remove one of them")
    if word.name == "prefer":
        return _fault_of_preference(word)
    return _fault_of_address(word) if word.name == "ip" else None


def _is_same(word: Word, other: Word) -> bool:
    """Whether two words of a name are about the same: of a preference the node counts, of an address what it is."""
    if word.name == "ip":
        with contextlib.suppress(ValueError):
            return _address(word.value).ip == _address(other.value).ip
    separator = {"prefer": ":"}.get(word.name, " ")
    return word.value.partition(separator)[0] == other.value.partition(separator)[0]


def _fault_of_preference(word: Word) -> Fault | None:
    match = _PREFERENCE.fullmatch(word.value)
    if match and int(match[3] or 0) <= _INFINITY:
        return None
    message = f"'{shortened(word.value)}' is no node with a score"
    hint = f"give NODE:SCORE, as n1:100; a score is a number up to {_INFINITY}, or INFINITY, or one of these with '-'"
    return Fault(word.start_of_value, len(word.value), message, hint)


def _preference(text: str) -> Preference:
    match = _PREFERENCE.fullmatch(text)
    assert match is not None
    number = int(match[3] or _INFINITY)
    return Preference(match[1], match[2] + ("INFINITY" if number == _INFINITY else str(number)))


def _fault_of_address(word: Word) -> Fault | None:
    with contextlib.suppress(ValueError):
        _address(word.value)
        if "/" in word.value and "%" not in word.value:
            return None
    message = f"'{shortened(word.value)}' is no address with a prefix"
    hint = "give it with the length of its network's prefix, as 192.0.2.80/24 or 2001:db8::80/64"
    return Fault(word.start_of_value, len(word.value), message, hint)


def _address(text: str) -> Address:
    import ipaddress  # noqa: PLC0415 - slow to import, and seldom needed

    found = ipaddress.ip_interface(text)
    return Address(str(found.ip), found.network.prefixlen)


def _words_hint() -> str:
    return f"the words are {', '.join(f'{name}=' for name in _REPEATED)}; or '{UNMANAGED}' alone"
