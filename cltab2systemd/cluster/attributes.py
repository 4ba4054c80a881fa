"""What a node publishes of itself as node attributes of Pacemaker. Pure.

`clinit` has the table in force: its digest, and `refused` or `accepted`, and a third word if something is wrong with
the daemon, as `seen.Trouble` has it. `clinit-GROUP` has a group: level, state, health, digest of the applied lines,
resource, and `boot` if it comes to a level at boot; behind these `trial` if its level is on trial. `clinit.heartbeat`
has the time at which the publisher last looked, in seconds since 1970. It is private: the nodes' attribute managers
keep it, and no CIB has it.

Words are parted by a space. One that is not known is `-`. In a word, all but letters, digits, `.`, `_` and `-` of ASCII
is `%XX` for each byte. In the name of a group it is `_XX`, and so is `_`: Pacemaker makes ids of names, in which it
takes no more characters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cltab2systemd.cluster.answers import health_of, trouble_of
from cltab2systemd.cluster.seen import GroupSeen, Trouble
from cltab2systemd.text import decoded, encoded

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLE = "clinit"
HEARTBEAT = "clinit.heartbeat"
PREFIX = "clinit-"

_NONE = "-"
_BOOT, _TRIAL = "boot", "trial"
_REFUSED, _ACCEPTED = "refused", "accepted"
# What is escaped in a name, and in a word of a value.
_NOT_IN_A_NAME = re.compile(rb"[^A-Za-z0-9.-]")
_NOT_IN_A_WORD = re.compile(rb"[^A-Za-z0-9._-]")
# How many words a value has at least.
_OF_TABLE, _OF_GROUP = 2, 6


def of_group(group: str) -> str:
    """The name of a group's attribute."""
    return PREFIX + _escaped(group, _NOT_IN_A_NAME, "_")


def group_of(name: str) -> str | None:
    """The group that an attribute is of; None if it is of none."""
    return _unescaped(name.removeprefix(PREFIX), "_") if name.startswith(PREFIX) else None


def publish(found: Mapping[str, object]) -> dict[str, str]:
    """The attributes for a node, by name, but for its heartbeat.

    Args:
        found: as `clinitctl status --json` has it.
    """
    table, groups = found["table"], found["groups"]
    assert isinstance(table, dict)
    assert isinstance(groups, list)
    words = [table["digest"], _REFUSED if table["refusal"] else _ACCEPTED]
    if trouble := trouble_of(found):
        words.append(trouble)
    attributes = {TABLE: _words(*words)}
    for group in groups:
        attributes[of_group(group["group"])] = _words(
            group["level"], group["state"], health_of(group), group["digest"], group["resource"],
            None if group["boot_level"] is None else _BOOT, *([_TRIAL] if group.get("trial") else []),
        )  # fmt: skip
    return attributes


def table_of(value: str) -> tuple[str | None, bool, Trouble | None] | None:
    """The digest of a node's table in force, whether the one on disk is refused, and what is wrong with the daemon.

    None if the value is not ours.
    """
    words = _read(value, _OF_TABLE)
    if words is None:
        return None
    trouble = next((trouble for trouble in Trouble if trouble in words[_OF_TABLE:]), None)
    return words[0], words[1] == _REFUSED, trouble


def group_seen(value: str) -> GroupSeen | None:
    """What the value of a group's attribute says; None if it is not ours. There may be more words than we know."""
    words = _read(value, _OF_GROUP)
    if words is None:
        return None
    level, state, health, digest, resource, boot = words[:_OF_GROUP]
    if state is None or health is None:
        return None
    return GroupSeen(level, state, health, digest, resource or "", boot == _BOOT, _TRIAL in words[_OF_GROUP:])


def _words(*words: object) -> str:
    return " ".join(_NONE if word is None or word == "" else _word(str(word)) for word in words)


def _word(word: str) -> str:
    return "%2d" if word == _NONE else _escaped(word, _NOT_IN_A_WORD, "%")


def _read(value: str, least: int) -> list[str | None] | None:
    words = value.split(" ")
    return [None if word == _NONE else _unescaped(word, "%") for word in words] if len(words) >= least else None


def _escaped(text: str, others: re.Pattern[bytes], sign: str) -> str:
    return others.sub(lambda found: f"{sign}{found[0][0]:02x}".encode(), encoded(text)).decode("ascii")


def _unescaped(text: str, sign: str) -> str:
    found = re.sub(rb"%b([0-9a-f]{2})" % re.escape(sign).encode(), lambda two: bytes([int(two[1], 16)]), encoded(text))
    return decoded(found)
