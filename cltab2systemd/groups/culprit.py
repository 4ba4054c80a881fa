"""Who has stopped or killed an entry by hand. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from cltab2systemd.groups.endings import was_killed
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from cltab2systemd.groups.units import Probe, Process


@dataclass(frozen=True, slots=True)
class Culprit:
    """Who has asked for it.

    Attributes:
        time: µs since 1970.
        user: by name; the number as text, if it has no name.
        uid: None if it is not known.
        pid: likewise.
        command: what was called; empty if it is not known.
    """

    time: int
    user: str
    uid: int | None
    pid: int | None
    command: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run of an entry's unit that has ended.

    Attributes:
        unit: the unit.
        group_slice: the slice that it is in.
        began: when, in µs since 1970.
        ended: likewise.
    """

    unit: str
    group_slice: str
    began: int
    ended: int


def by(culprit: Culprit | None) -> str:
    """Words behind `stopped`, such as ` by alice with 'clinitctl stop web:cache'`; empty for nobody."""
    return "" if culprit is None else f" by {shortened(culprit.user)}{_with(culprit)}"


def as_asked(culprit: Culprit | None) -> str:
    """Words behind how a process was killed, such as `, as alice asked with 'systemctl kill …'`; empty for nobody."""
    return "" if culprit is None else f", as {shortened(culprit.user)} asked{_with(culprit)}"


def as_somebody_asked(probe: Probe, unit: str, process: Process) -> str:
    """The same of the last main process of a unit, if it was killed; empty if it was not, or nobody knows."""
    return as_asked(probe.culprit(unit)) if was_killed(process) else ""


def _with(culprit: Culprit) -> str:
    return f" with '{shortened(culprit.command)}'" if culprit.command else ""


def noted(invocation: str, culprit: Culprit) -> str:
    """A note for the next daemon: which run has been ended, and by whom."""
    return json.dumps([invocation, asdict(culprit)])


def parsed(note: str) -> tuple[str, Culprit] | None:
    """What a note says; None if it is not as it should be."""
    try:
        invocation, values = json.loads(note)
        culprit = Culprit(**values)
    except (ValueError, TypeError, RecursionError):
        return None
    numbers = [culprit.time, *(each for each in (culprit.uid, culprit.pid) if each is not None)]
    texts = (invocation, culprit.user, culprit.command)
    are_numbers = all(type(number) is int and 0 <= number <= 2**63 for number in numbers)
    is_sound = are_numbers and all(isinstance(text, str) for text in texts)
    return (invocation, culprit) if is_sound else None
