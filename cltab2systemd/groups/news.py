"""What somebody who does not look is to be told: a group fails or recovers, or an entry keeps ending. Pure.

Nobody is told the same thing again and again: see `Newsroom`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cltab2systemd.groups.reasons import Cause
from cltab2systemd.groups.state import State
from cltab2systemd.units.names import HALT_LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cltab2systemd.groups.reasons import Reason
    from cltab2systemd.groups.state import GroupStatus

# Seconds between two news of a kind about a group.
INTERVAL = 60.0
# Seconds after which an entry that did not end is well, and news again if it is not.
WELL = 300.0
# Seconds that a failure waits which somebody may have brought about by hand, until it is known who has.
CULPRIT = 2.0
# Seconds that news wait which a failure of the same start may follow. The end of a request waits for that as well, but
# never so long. See `core.settlement`.
SETTLING = 10.0


class Kind(enum.StrEnum):
    """What has happened."""

    FAILED = "failed"  # a group is FAILED now, or also because of other entries
    RECOVERED = "recovered"  # a group that was FAILED is DONE or PASSED
    BACKING_OFF = "backing-off"  # a respawn entry has begun to pause, for it ends too often and too fast
    KEEPS_ENDING = "keeps-ending"  # a respawn entry ends again and again, and does not pause
    UNHEALTHY = "unhealthy"  # the health check of an entry has failed


# The troubles of entries that are no failures.
_TROUBLES = {
    Cause.PAUSED: Kind.BACKING_OFF,
    Cause.KEEPS_ENDING: Kind.KEEPS_ENDING,
    Cause.UNHEALTHY: Kind.UNHEALTHY,
}
_OF_ENTRIES = frozenset(_TROUBLES.values())
# What is not sure when it is seen: an entry runs for a moment before it turns out that it cannot be executed.
_UNSURE = frozenset({Kind.RECOVERED, Kind.KEEPS_ENDING})


@dataclass(frozen=True, slots=True)
class News:
    """One thing to tell."""

    kind: Kind
    status: GroupStatus
    reason: Reason | None  # None if it is good news
    at: float  # when it was seen, in seconds, as `now` of the `Newsroom`


@dataclass(frozen=True, slots=True)
class _Slot:
    """What is bounded: a kind of news about a group, and about one of its entries, if it is about one."""

    group: str
    kind: Kind
    unit: str = ""


@dataclass(slots=True)
class _Trouble:
    """The trouble of an entry."""

    told: set[Kind] = field(default_factory=set)
    over: float | None = None  # since when there is none, in seconds


class Newsroom:
    """Decides what is told, and when.

    A group that is FAILED is news when it comes to that, and when other entries fail. An entry's trouble is news once
    of each kind, until the entry has been well for `WELL` seconds, or its group was on its way to a level. Within
    `INTERVAL` seconds there is one of a kind about a group, and the last one is told later. A recovery, and that an
    entry keeps ending, is told when it has lasted for `SETTLING` seconds. What is over by then is not told.

    Args:
        before: how groups were when somebody else, an earlier daemon, looked last.
    """

    def __init__(self, before: Iterable[GroupStatus] = ()) -> None:
        # The units because of which a group is FAILED, for each that is, or has not recovered as far as anybody was
        # told; None if they are not known.
        self._failed: dict[str, frozenset[str] | None] = {
            status.group: None for status in before if status.state is State.FAILED
        }
        self._moved: set[str] = set()  # groups that have been on their way since they were told to be FAILED
        self._troubled: dict[tuple[str, str], _Trouble] = {}  # by group and unit
        self._held: dict[_Slot, tuple[float, News]] = {}  # what is to be told, and when
        self._told: dict[_Slot, float] = {}  # when something was told last

    def look(self, statuses: Iterable[GroupStatus], now: float) -> list[News]:
        """What is to be told now, after a look at all groups.

        Args:
            statuses: how they are.
            now: seconds, on any clock that goes on.
        """
        present = set()
        for status in statuses:
            present.add(status.group)
            for news in self._news_of(status, now):
                self._hold(news)
        for group in {*self._failed, *(group for group, _ in self._troubled), *(s.group for s in self._held)} - present:
            self._forget(group)
        return self.due(now)

    def due(self, now: float) -> list[News]:
        """What is to be told now, without a look."""
        slots = [slot for slot, (at, _) in self._held.items() if at <= now]
        self._told = {slot: at for slot, at in self._told.items() if now - at < INTERVAL} | dict.fromkeys(slots, now)
        for slot in slots:
            if slot.kind is Kind.RECOVERED:
                self._has_recovered(slot.group)
        return [self._held.pop(slot)[1] for slot in slots]

    @property
    def next_due(self) -> float | None:
        """When `due` has something to tell; None if nothing waits."""
        return min((at for at, _ in self._held.values()), default=None)

    def _hold(self, news: News) -> None:
        slot = _Slot(news.status.group, news.kind, news.reason.unit if news.kind in _OF_ENTRIES and news.reason else "")
        seen = news.at + SETTLING if news.kind in _UNSURE else news.at + CULPRIT * _may_tell_more(news.reason)
        self._held.pop(slot, None)
        self._held[slot] = (max(seen, self._told.get(slot, news.at - INTERVAL) + INTERVAL), news)

    def _news_of(self, status: GroupStatus, now: float) -> Iterator[News]:
        group = status.group
        if status.level == HALT_LEVEL or status.state in {State.CONFIGURED, State.HALTING}:
            self._forget(group)
        elif status.state.settled:
            yield from self._of_state(status, now)
            yield from self._of_troubles(status, now)
        else:
            self._moved.add(group)
            self._held.pop(_Slot(group, Kind.RECOVERED), None)
            self._forget_troubles(group)

    def _of_state(self, status: GroupStatus, now: float) -> Iterator[News]:
        group = status.group
        failed, recovered = _Slot(group, Kind.FAILED), _Slot(group, Kind.RECOVERED)
        if status.state is not State.FAILED:
            was_held = self._held.pop(failed, None) is not None
            if was_held and self._told.get(recovered, 0) > self._told.get(failed, 0):
                self._has_recovered(group)  # nobody has heard that it had failed once more
            elif group not in self._failed:
                self._moved.discard(group)
            elif recovered not in self._held:
                yield News(Kind.RECOVERED, status, None, now)
            return
        self._held.pop(recovered, None)
        self._renew(failed, status)
        failures = [reason for reason in status.reasons if reason.is_failure]
        is_new = group not in self._failed or group in self._moved
        told = frozenset() if is_new else self._failed[group]
        others = failures if told is None else [reason for reason in failures if reason.unit not in told]
        units = frozenset(reason.unit for reason in failures)
        self._failed[group] = units if units or told is not None else None
        self._moved.discard(group)
        if is_new or (others and told is not None):
            yield News(Kind.FAILED, status, others[0] if others else None, now)

    def _renew(self, slot: _Slot, status: GroupStatus) -> None:
        """If it is known by now who has brought a failure about that nobody has heard of, have that told, at once."""
        if slot not in self._held or not _may_tell_more((held := self._held[slot][1]).reason):
            return
        now_known = (r for r in status.reasons if held.reason is not None and r.unit == held.reason.unit)
        reason = next((reason for reason in now_known if reason.attempt.by is not None), None)
        if reason is not None:
            self._hold(replace(held, status=status, reason=reason))

    def _has_recovered(self, group: str) -> None:
        self._failed.pop(group, None)
        self._moved.discard(group)

    def _of_troubles(self, status: GroupStatus, now: float) -> Iterator[News]:
        troubles = {reason.unit: reason for reason in status.reasons if reason.cause in _TROUBLES}
        for (group, unit), trouble in self._troubled.items():
            if group != status.group:
                continue
            present = troubles.get(unit)
            if present is None and trouble.over is None:
                trouble.over = now
            for kind in _OF_ENTRIES - {present and _TROUBLES[present.cause]}:
                if self._held.pop(_Slot(group, kind, unit), None) is not None:  # nobody has heard of it
                    trouble.told.discard(kind)
        for unit, reason in troubles.items():
            trouble = self._troubled.setdefault((status.group, unit), _Trouble())
            if trouble.over is not None and now - trouble.over >= WELL:
                trouble.told.clear()
            trouble.over = None
            kind = _TROUBLES[reason.cause]
            if kind not in trouble.told and Kind.BACKING_OFF not in trouble.told:  # behind a pause, it is not well yet
                trouble.told.add(kind)
                yield News(kind, status, reason, now)

    def _forget(self, group: str) -> None:
        self._failed.pop(group, None)
        self._moved.discard(group)
        self._forget_troubles(group)
        self._held = {slot: held for slot, held in self._held.items() if slot.group != group}

    def _forget_troubles(self, group: str) -> None:
        self._troubled = {key: trouble for key, trouble in self._troubled.items() if key[0] != group}
        self._held = {
            slot: held for slot, held in self._held.items() if slot.group != group or slot.kind not in _OF_ENTRIES
        }


def _may_tell_more(reason: Reason | None) -> bool:
    """Whether it may be known in a moment who has stopped an entry by hand."""
    return reason is not None and reason.attempt.may_be_by_hand and reason.attempt.by is None
