"""The life of a group as the daemon moves it, and of the daemon that halts all groups: two tables. Pure.

systemd knows what runs. It does not know what the daemon was about to do. An example: a group is empty because its
lines are changing, and it is to go to level 3 then. That is its phase. A row says what an event leads to:

1. the mark on disk is written or removed, so that the next daemon knows where a group was to go;
2. then the phase changes, and clstat shows it;
3. then those are told who wait for it.

A daemon may die between any two of these. So nothing is told that is not on disk, or in the units, by then.
docs/lifecycle.md has the tables as pictures, which `make generated` draws from here.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Phase(enum.StrEnum):
    """What the daemon is doing with a group."""

    RESTING = "resting"  # nothing; the units say how the group is
    PREPARING = "preparing"  # a level is asked for, and nothing of the group has been touched for it
    EMPTYING = "emptying"  # entries are being stopped under the old units
    INSTALLING = "installing"  # the new units are being written and loaded
    QUEUEING = "queueing"  # the new units are loaded, and the start of the level is to be queued
    MOVING = "moving"  # systemd has the start of the level
    LEFT = "left"  # broken off between the first stop and the start
    RESUMED = "resumed"  # an earlier daemon was broken off there, or the boot; this one is about to go on
    GONE = "gone"  # it has left the table, and its units are being removed


class Event(enum.StrEnum):
    """What happens to a group."""

    REQUESTED = "a level is asked for"
    LINES_DIFFER = "its units are to be made anew"
    STOPS_BEGIN = "entries are being stopped"
    AT_REST = "what was to be stopped is at rest"
    NOTHING_TO_INSTALL = "its units are as they are to be"
    LOADED = "the new units are loaded"
    QUEUED = "the start of the level is queued"
    REFUSED = "a step is refused"
    SETTLED = "the level has come to its end"
    TAKEN = "somebody has taken it elsewhere"
    STARTED_BY_HAND = "a level was started by hand since"
    FOUND = "a new daemon finds its mark"
    DUE = "its boot level is due"
    HALTED = "all groups are halted, and nothing of it runs"
    FORGOTTEN = "it has left the table, and nothing of it runs"
    KEPT = "its units cannot be removed"


class Mark(enum.StrEnum):
    """What happens to the mark on disk. The mark holds the level that a group is to go to."""

    KEEP = ""  # as it is: written or not, as for every group in that phase
    WRITE = "written"
    REMOVE = "removed"


class Shown(enum.StrEnum):
    """What clstat shows of a group."""

    OBSERVED = "as the units are"
    STOPPING = "the level before, STOPPING or HALTING"
    FAILED = "the level asked for, FAILED"


class Tells(enum.StrEnum):
    """Who is told what."""

    NOBODY = ""
    SUPERSEDED_BY = "the earlier request: superseded"
    STARTED = "started"
    OUTCOME = "the outcome"
    REFUSAL = "the refusal"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Row:
    """What an event leads to in a phase."""

    phase: Phase
    mark: Mark = Mark.KEEP
    tells: Tells = Tells.NOBODY


SHOWN: Mapping[Phase, Shown] = {
    Phase.RESTING: Shown.OBSERVED,
    Phase.PREPARING: Shown.OBSERVED,
    Phase.EMPTYING: Shown.STOPPING,
    Phase.INSTALLING: Shown.STOPPING,
    Phase.QUEUEING: Shown.STOPPING,
    Phase.MOVING: Shown.OBSERVED,
    Phase.LEFT: Shown.FAILED,
    Phase.RESUMED: Shown.STOPPING,
    Phase.GONE: Shown.OBSERVED,  # until its units are removed; then there is no line
}
"""What clstat shows in each phase. A group of which it shows no level yet is never STOPPING: its units tell then."""

MARKED = frozenset({Phase.EMPTYING, Phase.INSTALLING, Phase.QUEUEING, Phase.LEFT, Phase.RESUMED})
"""The phases in which there is a mark: entries may be down that belong to the level on show."""

_ANEW = Row(Phase.EMPTYING, Mark.WRITE, Tells.SUPERSEDED_BY)
_BROKEN_OFF = Row(Phase.LEFT, tells=Tells.REFUSAL)

ROWS: Mapping[tuple[Phase, Event], Row] = {
    (Phase.RESTING, Event.REQUESTED): Row(Phase.PREPARING),
    (Phase.RESTING, Event.FOUND): Row(Phase.RESUMED),
    (Phase.RESTING, Event.DUE): Row(Phase.RESUMED, Mark.WRITE),
    (Phase.RESTING, Event.FORGOTTEN): Row(Phase.GONE),
    (Phase.PREPARING, Event.REQUESTED): Row(Phase.PREPARING, tells=Tells.SUPERSEDED_BY),
    (Phase.PREPARING, Event.LINES_DIFFER): Row(Phase.EMPTYING, Mark.WRITE),
    (Phase.PREPARING, Event.NOTHING_TO_INSTALL): Row(Phase.PREPARING),
    (Phase.PREPARING, Event.QUEUED): Row(Phase.MOVING, tells=Tells.STARTED),
    (Phase.PREPARING, Event.REFUSED): Row(Phase.RESTING, tells=Tells.REFUSAL),
    (Phase.EMPTYING, Event.REQUESTED): _ANEW,
    (Phase.EMPTYING, Event.LINES_DIFFER): Row(Phase.EMPTYING),
    (Phase.EMPTYING, Event.STOPS_BEGIN): Row(Phase.EMPTYING, tells=Tells.STARTED),
    (Phase.EMPTYING, Event.AT_REST): Row(Phase.INSTALLING),
    (Phase.EMPTYING, Event.NOTHING_TO_INSTALL): Row(Phase.QUEUEING),
    (Phase.EMPTYING, Event.REFUSED): _BROKEN_OFF,
    (Phase.INSTALLING, Event.REQUESTED): _ANEW,
    (Phase.INSTALLING, Event.LOADED): Row(Phase.QUEUEING),
    (Phase.INSTALLING, Event.REFUSED): _BROKEN_OFF,
    (Phase.QUEUEING, Event.REQUESTED): _ANEW,
    (Phase.QUEUEING, Event.LINES_DIFFER): Row(Phase.EMPTYING),
    (Phase.QUEUEING, Event.NOTHING_TO_INSTALL): Row(Phase.QUEUEING),
    (Phase.QUEUEING, Event.QUEUED): Row(Phase.MOVING, Mark.REMOVE, Tells.STARTED),
    (Phase.QUEUEING, Event.REFUSED): _BROKEN_OFF,
    (Phase.MOVING, Event.REQUESTED): Row(Phase.PREPARING, tells=Tells.SUPERSEDED_BY),
    (Phase.MOVING, Event.SETTLED): Row(Phase.RESTING, tells=Tells.OUTCOME),
    (Phase.MOVING, Event.TAKEN): Row(Phase.RESTING, tells=Tells.SUPERSEDED),
    (Phase.MOVING, Event.REFUSED): Row(Phase.RESTING, tells=Tells.REFUSAL),
    (Phase.LEFT, Event.REQUESTED): Row(Phase.EMPTYING, Mark.WRITE),
    (Phase.LEFT, Event.STARTED_BY_HAND): Row(Phase.RESTING, Mark.REMOVE),
    (Phase.LEFT, Event.HALTED): Row(Phase.RESTING, Mark.REMOVE),
    (Phase.LEFT, Event.FORGOTTEN): Row(Phase.GONE, Mark.REMOVE),
    (Phase.RESUMED, Event.DUE): Row(Phase.RESUMED, Mark.WRITE),
    (Phase.RESUMED, Event.REQUESTED): Row(Phase.EMPTYING, Mark.WRITE),
    (Phase.RESUMED, Event.REFUSED): _BROKEN_OFF,  # a request whose mark could not be written
    (Phase.RESUMED, Event.HALTED): Row(Phase.RESTING, Mark.REMOVE),
    (Phase.RESUMED, Event.FORGOTTEN): Row(Phase.GONE, Mark.REMOVE),
    (Phase.GONE, Event.KEPT): Row(Phase.RESTING),
}
"""What an event leads to in a phase. Without a row it cannot happen, but by a fault of the daemon."""


@dataclass(frozen=True, slots=True)
class Life:
    """Where a group is in its life.

    Attributes:
        phase: what the daemon is doing with it.
        level: where it is to go, or was to go when that was broken off.
        since: when it was broken off (CLOCK_MONOTONIC, in µs); 0 if an earlier daemon did.
        why: the reason, if this daemon knows it.
        fresh: the tags of entries that were stopped, or got another definition, on the way. How they ended before does
            not count any more. None if these are not known, and so all of them may be.
    """

    phase: Phase = Phase.RESTING
    level: str | None = None
    since: int = 0
    why: str = ""
    fresh: frozenset[str] | None = frozenset()

    @property
    def shown(self) -> Shown:
        """What clstat shows."""
        return SHOWN[self.phase]

    def freshened(self, tags: frozenset[str]) -> Life:
        """The same, with entries that count as new from now on."""
        return self if self.fresh is None else replace(self, fresh=self.fresh | tags)


def noted_life(level: str | None) -> Life:
    """Where a group is without a daemon: resting, or on its way to the level that its note on disk has."""
    return Life() if level is None else Life(Phase.MOVING, level)


class ImpossibleError(Exception):
    """An event in a phase in which it cannot happen: a fault of the daemon."""


def step(life: Life, event: Event, level: str | None = None, *, now: int = 0, why: str = "") -> tuple[Life, Row]:
    """What an event makes of a life.

    Args:
        life: as it is.
        event: what happens.
        level: what is asked for (REQUESTED), found on disk (FOUND), or due (DUE).
        now: CLOCK_MONOTONIC, in µs (REFUSED).
        why: the reason (REFUSED).

    Returns:
        The life from then on, and the row, which says what is done besides.

    Raises:
        ImpossibleError: the event cannot happen in this phase.
    """
    row = ROWS.get((life.phase, event))
    if row is None:
        raise ImpossibleError(f"{event}, in phase {life.phase}")
    if row.phase in {Phase.RESTING, Phase.GONE}:
        return Life(row.phase), row
    if event is Event.FOUND:
        return Life(row.phase, level, fresh=None), row
    if row.phase is Phase.LEFT:
        return replace(life, phase=row.phase, since=now, why=why), row
    fresh = frozenset[str]() if row.phase is Phase.MOVING else life.fresh
    return Life(row.phase, life.level if level is None else level, fresh=fresh), row


class Serving(enum.StrEnum):
    """What the daemon does for all groups."""

    SERVING = "serving"
    HALTING = "halting"  # all groups are being stopped for good; nobody can switch one
    HALTED = "halted"  # they are stopped, and the daemon ends: its files are gone


class HaltEvent(enum.StrEnum):
    """What happens to the daemon."""

    REQUESTED = "a halt is asked for"
    REFUSED = "a group cannot be halted"
    ENDED = "all groups are halted"


HALT_ROWS: Mapping[tuple[Serving, HaltEvent], Serving] = {
    (Serving.SERVING, HaltEvent.REQUESTED): Serving.HALTING,
    (Serving.HALTING, HaltEvent.REQUESTED): Serving.HALTING,
    (Serving.HALTING, HaltEvent.REFUSED): Serving.SERVING,
    (Serving.HALTING, HaltEvent.ENDED): Serving.HALTED,
}
"""The halt of all groups. Each active group is asked to go to the halt level. The others get Event.HALTED."""
