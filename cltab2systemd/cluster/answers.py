"""What nodes answer that were asked one by one, as over ssh. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from cltab2systemd.cluster.seen import Condition, GroupSeen, NodeSeen, Trouble
from cltab2systemd.terminal import shortened
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Mapping

# Exit codes of ssh and of a shell.
_NO_CONNECTION = 255
_NO_COMMAND = (126, 127)
_WORD = re.compile(r"[A-Za-z0-9-]{1,64}")
_ENTRY_AT_REST = ("stopped", "off")
# As `clinitctl status --json` has it. In other states, it is only who asks that gets no answer.
_ANSWERS = "answers"
_NO_DAEMON = ("gone", "silent")

_Object: TypeAlias = "Mapping[str, object]"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a command on a node.

    Attributes:
        node: its name.
        code: what the command exited with, or ssh; None if it was ended here, or nobody knows.
        output: what it has written to its standard output.
        errors: likewise, to its standard error.
        problem: why it was ended, for a person; else empty.
    """

    node: str
    code: int | None
    output: bytes
    errors: bytes
    problem: str = ""

    @property
    def is_cut_off(self) -> bool:
        """Whether it is not known what became of the command: there was no connection, or it was lost."""
        return self.code is None or self.code == _NO_CONNECTION

    @property
    def reason(self) -> str:
        """Why there is no answer, as a printable line."""
        said = [line.strip() for line in decoded(self.errors).splitlines() if line.strip()]
        last = shortened(said[-1]) if said else ""
        if self.problem:
            return f"{self.problem} ({last})" if last else self.problem
        if self.code == _NO_CONNECTION:
            return last or "ssh gives no reason"
        return last or f"exit code {self.code}"


def node_seen(answer: Answer) -> NodeSeen:
    """A node, by what `clinitctl status --json` has answered there."""
    if answer.is_cut_off:
        return NodeSeen(answer.node, Condition.DOWN, answer.reason)
    if answer.code in _NO_COMMAND:
        return NodeSeen(answer.node, Condition.ONLINE, f"clinitctl cannot be run there: {answer.reason}")
    if answer.problem or not answer.output:
        return NodeSeen(answer.node, Condition.ONLINE, answer.reason)
    try:
        return _told(answer.node, _object(json.loads(answer.output)))
    except (ValueError, KeyError, TypeError, RecursionError):
        return NodeSeen(answer.node, Condition.ONLINE, "what clinitctl answers there is not understood")


def _told(name: str, found: _Object) -> NodeSeen:
    if _list(found.get("missing", [])):  # one of these may run
        return NodeSeen(name, Condition.ONLINE, "systemd did not tell of all groups in time")
    table = _object(found["table"])
    groups = dict(map(_group, _list(found["groups"])))
    # One that nobody has read yet is not what was refused.
    refusal = None if table.get("unread") else _optional(table.get("refusal"))
    return NodeSeen(
        name, Condition.ONLINE, shortened(refusal or ""), groups, _word(table.get("digest")), bool(refusal),
        trouble=trouble_of(found),
    )  # fmt: skip


def _group(value: object) -> tuple[str, GroupSeen]:
    group = _object(value)
    # Versions before did not tell a digest, nor a resource; and there may have been no time to ask systemd of a group.
    return _text(group["group"]), GroupSeen(
        _optional(group["level"]), _word(group["state"]) or "?", health_of(group),
        _word(group.get("digest")), _optional(group.get("resource")) or "", group.get("boot_level") is not None,
        on_trial=group.get("trial") is not None,
    )  # fmt: skip


def trouble_of(found: _Object) -> Trouble | None:
    """What is wrong with the daemon, by `clinitctl status --json`."""
    daemon, table = _object(found["daemon"])["state"], _object(found["table"])
    if daemon in _NO_DAEMON:
        return Trouble.NO_DAEMON
    # Earlier versions, also of the daemon alone, tell no digest of anything.
    digests = [_object(group).get("digest") for group in _list(found["groups"])]
    if daemon == _ANSWERS and table.get("digest", "") is None and (any(digests) or not digests):
        return Trouble.NO_TABLE
    return Trouble.OLD_CLSTAT if _object(found["clstat"])["problem"] else None


def health_of(group: _Object) -> str:
    """How well a group of `clinitctl status --json` is; one is at rest at a level without entries, too, as `stop`."""
    health = _word(group["health"]) or "?"
    is_at_rest = all(_object(entry)["state"] in _ENTRY_AT_REST for entry in _list(group["entries"]))
    return "at-rest" if health == "well" and is_at_rest else health


def _object(value: object) -> _Object:
    if not isinstance(value, dict):
        raise TypeError(value)
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def _text(value: object) -> str:
    """Text of a table: a string, or its bytes as numbers."""
    if isinstance(value, list):
        return decoded(bytes(value))
    if not isinstance(value, str):
        raise TypeError(value)
    value.encode()  # half of a surrogate pair is a UnicodeEncodeError, which is a ValueError
    return value


def _word(value: object) -> str | None:
    """A word that programs have chosen, or none."""
    if value is None or (isinstance(value, str) and _WORD.fullmatch(value)):
        return value
    raise TypeError(value)


def _optional(value: object) -> str | None:
    return None if value is None else _text(value)
