"""What the log is told of how a group is."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.groups.reasons import Cause
from cltab2systemd.groups.state import State
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Callable

    from cltab2systemd.groups.reasons import Reason
    from cltab2systemd.groups.state import GroupStatus

log = logging.getLogger(__name__)


def tell(
    status: GroupStatus,
    values: events.Values,
    before: GroupStatus | None = None,
    runs_on: Callable[[Reason], bool] = lambda _reason: False,
) -> None:
    """Say how a group is now, and why it is not well.

    Args:
        status: how it is.
        values: of the line on the group. Those on the reasons have the request of it.
        before: what was said last, which is not said again; None has all said.
        runs_on: whether the run that a reason is about goes on. Only then an entry is well again that was unhealthy.
    """
    if before is not None and before.level != status.level:
        before = None
    if before is None or before.state is not status.state:
        _tell_state(status, values)
    for reason in status.reasons:
        if before is None or not _is_told(reason, before):
            _tell_reason(status, reason, values.get("request", ""))
    if before is not None and status.state.settled:
        not_well = {reason.unit for reason in (*status.reasons, *status.momentary)}
        for reason in before.reasons:
            if reason.cause is Cause.UNHEALTHY and reason.unit not in not_well and runs_on(reason):
                _tell_entry(events.WELL_AGAIN, status, reason, values.get("request", ""))


def _is_told(reason: Reason, before: GroupStatus) -> bool:
    """Whether a reason was told before. What happens again and again may be in other words each time."""
    if reason in before.reasons:
        return True
    return reason.cause in {Cause.KEEPS_ENDING, Cause.UNHEALTHY} and any(
        (other.cause, other.unit) == (reason.cause, reason.unit) for other in before.reasons
    )


def _tell_state(status: GroupStatus, values: events.Values) -> None:
    if status.state.settled:
        event = events.FAILED if status.state is State.FAILED else events.DONE
        event(**values | {"group": status.group, "level": status.level, "state": status.state})
    else:
        log.debug("%s: level %s %s", status.group, status.level, status.state)


def _tell_reason(status: GroupStatus, reason: Reason, request: str) -> None:
    _tell_entry(events.NOT_WELL if reason.is_failure else events.REMARK, status, reason, request)


def _tell_entry(event: events.Event, status: GroupStatus, reason: Reason, request: str) -> None:
    by = reason.attempt.by
    event(
        group=status.group,
        level=status.level,
        state=status.state,
        entry=reason.tag,
        mode=reason.mode,
        unit=reason.unit,
        reason=reason.cause,
        request=request,
        stopped_by="" if by is None else shortened(by.user),
        stopped_with="" if by is None else shortened(by.command),
        why=reason.text,
    )
