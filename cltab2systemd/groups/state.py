"""The state of a group, from the states of its units. Pure: nothing is remembered but the level shown last.

A group has at most one current level: its target is active, or its start job is queued. A target cannot fail. So how a
level went is read off its entries. docs/unit-scheme.md has the states as a table.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cltab2systemd.groups import advice
from cltab2systemd.groups.beginnings import is_rising, is_under_way
from cltab2systemd.groups.changes import is_member
from cltab2systemd.groups.failure import verdict
from cltab2systemd.groups.health import is_restarted_for_health
from cltab2systemd.groups.reasons import REMARKS, Cause, Remedy, about_entry, about_unit
from cltab2systemd.groups.respawn import SURVIVES, is_survivor
from cltab2systemd.units.names import HALT_LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.groups.reasons import Reason
    from cltab2systemd.groups.units import GroupUnits
    from cltab2systemd.table.model import Entry


class State(enum.StrEnum):
    """What clstat says of a group."""

    CONFIGURED = "CONFIGURED"  # known, at no level, nothing runs
    STOPPING = "STOPPING"  # entries of the old level are going; the level shown is still the old one
    STARTING = "STARTING"  # entries of the level are being started, or a wait or test still runs
    CHECKING = "CHECKING"  # kept for readers of the ancestor's clstat: judging takes no time here
    DONE = "DONE"  # settled: all that should run, runs
    PASSED = "PASSED"  # settled: every entry of the level is a test, and all passed
    FAILED = "FAILED"  # settled, and not as the level wants it; `GroupStatus.reasons` says why
    HALTING = "HALTING"  # being stopped for good

    @property
    def settled(self) -> bool:
        """Whether the level has come to its end."""
        return self in {State.DONE, State.PASSED, State.FAILED}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was handed to systemd: the level, and when (CLOCK_MONOTONIC, in µs)."""

    level: str
    at: int


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """One line of clstat, and more than it says: why a group is FAILED, and what else is worth a look."""

    group: str
    level: str
    state: State
    reasons: tuple[Reason, ...] = ()
    momentary: tuple[Reason, ...] = field(default=(), compare=False)  # will be otherwise in a moment
    # When the group came to this level and state, CLOCK_MONOTONIC in µs; 0 if nobody has noted it.
    since: int = field(default=0, compare=False)


def group_status(group: GroupUnits, shown_level: str | None, asked: Asked | None = None) -> GroupStatus | None:
    """The line of clstat for a group.

    Args:
        group: its units and its applied entries.
        shown_level: the level that clstat shows at present, if any. STOPPING and HALTING go on showing it.
        asked: the latest request, if it is known. A run of its barrier before the request does not count.

    Returns:
        The status, or None for a group that is at no level and was at none.
    """
    targets = group.levels()
    pending = [level for level, target in targets.items() if target.starting]
    if pending:
        # More than one only among levels that no entry names: the latest request counts.
        level = max(pending, key=lambda level: targets[level].job_id)
        if level == HALT_LEVEL:
            return GroupStatus(group.group, shown_level or level, State.HALTING)
        if shown_level is not None and _is_stopping(group, level):
            return GroupStatus(group.group, shown_level, State.STOPPING)
        return GroupStatus(group.group, level, State.STARTING)
    level_now = current_level(group)
    if level_now is None:
        return _without_level(group, shown_level) if shown_level is not None else None
    if level_now == HALT_LEVEL:
        # The daemon stops it when nothing of the group is left; its times may be gone by now.
        is_over = targets[level_now].job == "stop"
        left = () if is_over else (*_not_stopped(group, level_now, 0), *_survivors(group, None))
        state = State.FAILED if left else State.HALTING
        return GroupStatus(group.group, shown_level or level_now, state, left)
    return _judge(group, level_now, asked.at if asked is not None and asked.level == level_now else 0)


def settled_level(group: GroupUnits) -> str | None:
    """The level that the group is at; None if it is at none, or a switch is under way."""
    if any(target.starting for target in group.levels().values()):
        return None
    level = current_level(group)
    return level if level is not None and stays_at(group, level) else None


def stays_at(group: GroupUnits, level: str) -> bool:
    """Whether the group is at a level, perhaps asked for anew, and nobody is taking it away from there."""
    return level_of_members(group) == level and group.levels()[level].job != "stop"


def level_of_members(group: GroupUnits) -> str | None:
    """The level whose entries run, or are about to; None if there is none."""
    pending = {target.job_id: level for level, target in group.levels().items() if target.starting}
    level = pending[max(pending)] if pending else current_level(group)
    return None if level == HALT_LEVEL else level


def current_level(group: GroupUnits) -> str | None:
    """The level whose target is active; None if there is none."""
    active = [level for level, target in group.levels().items() if target.active == "active"]
    if len(active) < 2:
        return active[0] if active else None

    # Targets of levels that no entry names do not stop each other. The latest is the one whose barrier ran last; the
    # barrier of a switch that was not made has an old time.
    def reached(level: str) -> int:
        return max(group.asked_at(level), group.probe.active_time(group.names.level(group.group, level)))

    return max(active, key=reached)


def remedies_at(group: GroupUnits, level: str | None, fresh: frozenset[str] = frozenset()) -> dict[str, Remedy]:
    """What a request for a level does to those entries of the present level that have ended, by tag.

    Args:
        group: its units and entries.
        level: the level that is asked for; None for the present one.
        fresh: the tags of entries whose lines have changed. How they ended before does not count.

    Returns:
        The remedy of each entry that both levels have, but for those left alone; empty if the group is at no level.
    """
    pending = [name for name, target in group.levels().items() if target.starting]
    present = pending[0] if pending else current_level(group)
    if present is None or HALT_LEVEL in {present, level}:
        return {}
    both = (entry for entry in group.members(present) if is_member(entry, level or present) and entry.tag not in fresh)
    found = {e.tag: _remedy(group, e, present, level) for e in both if not is_under_way(e, group.entry(e))}
    return {tag: remedy for tag, remedy in found.items() if remedy is not Remedy.LEAVE}


def failures(group: GroupUnits) -> dict[str, str]:
    """What is wrong with the entries of the level that a group is at, by tag, in words."""
    level = level_of_members(group)
    entries = [] if level is None else group.members(level)
    found = {e.tag: verdict(group, e, level or "") for e in entries if not is_under_way(e, group.entry(e))}
    return {tag: v.words for tag, v in found.items() if v.cause is not None and v.cause not in REMARKS}


def _remedy(group: GroupUnits, entry: Entry, present: str, level: str | None) -> Remedy:
    remedy = verdict(group, entry, present).remedy
    unit = group.entry(entry)
    if remedy is not Remedy.RERUN or unit is None:
        return remedy
    if unit.at_rest:
        return Remedy.START  # as systemd does by itself
    # A request for another level takes the test's result as it is. One for the same level has it run again. So has any
    # of a readiness: the entry runs on, and may have got ready since.
    return remedy if level in {None, present} or entry.ready_of else Remedy.LEAVE


def _without_level(group: GroupUnits, shown_level: str) -> GroupStatus:
    units = [unit for entry in group.entries if (unit := group.entry(entry)) is not None]
    reasons = [
        about_unit(group, Cause.NO_LEVEL, unit.name, "runs, and the group is at no level: a switch was cancelled")
        for unit in units
        if unit.runs
    ]
    if reasons := [*reasons, *_survivors(group, None)]:
        return GroupStatus(group.group, shown_level, State.FAILED, tuple(reasons))
    going = any(not unit.at_rest for unit in units)
    return GroupStatus(group.group, shown_level, State.STOPPING if going else State.CONFIGURED)


def _is_stopping(group: GroupUnits, level: str) -> bool:
    barrier = group.barrier(level)
    if barrier is None or not barrier.job:
        return False
    outside = map(group.entry, group.outsiders(level))
    return any(unit is not None and not unit.at_rest for unit in outside)


def _judge(group: GroupUnits, level: str, since: int) -> GroupStatus:
    """How a level stands that was reached. It is STARTING while any of its entries is being started, again perhaps."""
    if group.levels()[level].job == "stop":  # as at a shutdown: the entries go with it, and have not failed
        return GroupStatus(group.group, level, State.STOPPING)
    members = group.members(level)
    if not is_started(group, level) or any(is_rising(group, entry) for entry in members):
        return GroupStatus(group.group, level, State.STARTING)
    found = ((entry, verdict(group, entry, level)) for entry in members)
    reasons = (
        *_not_in_order(group, level, since),
        *_survivors(group, level),
        *(about_entry(group, entry, level, judged) for entry, judged in found if judged.cause is not None),
    )
    own = [entry for entry in members if not entry.ready_of]
    state = State.PASSED if own and all(entry.mode.is_judged for entry in own) else State.DONE
    if any(reason.is_failure for reason in reasons):
        state = State.FAILED
    lasting = tuple(reason for reason in reasons if reason.cause is not Cause.RESTARTING)
    return GroupStatus(group.group, level, state, lasting, tuple(r for r in reasons if r not in lasting))


def is_started(group: GroupUnits, level: str) -> bool:
    """Whether all that a level has is started. If it is STARTING all the same, something is not its command yet."""
    target, barrier = group.levels().get(level), group.barrier(level)
    if target is None or target.starting or (barrier is not None and barrier.starting):
        return False
    return not any(
        is_under_way(entry, group.entry(entry)) and not is_restarted_for_health(group, entry)
        for entry in group.members(level)
    )


def _not_in_order(group: GroupUnits, level: str, since: int) -> list[Reason]:
    """What of the switch to a level was not done. All of that is one thing if the group's slice is masked."""
    found, name = [*_not_stopped(group, level, since)], group.names.slice(group.group)
    if found and "masked" in group.probe.settings(name, "LoadState"):
        words = (
            f"is masked, so that nothing of the group is stopped or started; {advice.on_unusable_unit(name, 'masked')}"
        )
        return [about_unit(group, Cause.MASKED, name, words)]
    return found


def _not_stopped(group: GroupUnits, level: str, since: int) -> Iterator[Reason]:
    """What the switch to a level did not stop.

    The switch was made in order only if the level's barrier ran since the level was asked for, and since its target was
    last inactive. Then nothing outside of the level may be older than that run. What is newer was started by hand.
    If the target has gone since it was listed, its times tell nothing of the level. All is left to the next look then.
    """
    target = group.names.level(group.group, level)
    asked = group.asked_at(level)
    inactive = group.probe.inactive_time(target)
    since = max(1, since, inactive)
    if asked < since:
        if not 0 < group.probe.active_time(target) >= inactive:
            return
        # A run for lines of before, in which something was required, may have been met by the request.
        asked = max(asked, group.probe.inactive_time(group.names.barrier(group.group, level)))
    was_let_run = since <= asked
    found = False
    for unit in map(group.entry, group.outsiders(level)):
        if unit is not None and unit.runs and (not was_let_run or group.probe.active_time(unit.name) < asked):
            found = True
            words = f"is not in level {level} and runs on, for it could not be stopped"
            yield about_unit(group, Cause.NOT_STOPPED, unit.name, words)
    for unit in group.strangers():
        yield about_unit(group, Cause.NOT_STOPPED, unit.name, "runs, and no line of the group stands for it any more")
    if not was_let_run and not found:
        words = f"did not run, and so it is not sure that the switch to level {level} was made in order"
        yield about_unit(group, Cause.NOT_SWITCHED, group.names.barrier(group.group, level), words)
    elif group.holding_back and (barrier := group.barrier(level)) is not None and barrier.active == "failed":
        # One of a group in which nothing is required never runs. It may have failed when something was.
        words = "failed, and so it is not sure that what is required was waited for"
        yield about_unit(group, Cause.NOT_SWITCHED, barrier.name, words)


def _survivors(group: GroupUnits, level: str | None) -> Iterator[Reason]:
    for name in survivors(group, level):
        yield about_unit(group, Cause.OUTLIVED, name, SURVIVES)


def survivors(group: GroupUnits, level: str | None) -> list[str]:
    """The units outside of a level whose processes have survived SIGKILL. systemd has given them up as failed."""
    outside = ((entry, group.entry(entry)) for entry in group.outsiders(level))
    return [unit.name for entry, unit in outside if unit is not None and is_survivor(group, entry, unit)]
