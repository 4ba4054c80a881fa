"""The state of a group as its daemon shows it in clstat, with the reasons that it has noted. Pure.

The daemon knows more than the units say: what it could not start, and which switch it has broken off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.groups.endings import READINESS
from cltab2systemd.groups.reasons import Cause, Reason, Verdict, about_entry, about_unit
from cltab2systemd.groups.state import GroupStatus, State
from cltab2systemd.terminal import printable, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cltab2systemd.groups.units import GroupUnits

# A line has no code. Words that stand for one, of reasons that the units alone do not give.
_CAUSES = {
    "does not run: it ": Cause.DOWN,
    "is being stopped": Cause.DOWN,
    "has left its control group": Cause.STRAYED,
    "outlived SIGKILL": Cause.OUTLIVED,
    "was broken off before its start": Cause.UNREACHED,
    "it is not sure that the switch": Cause.NOT_SWITCHED,
    "runs on, for it could not be stopped": Cause.NOT_STOPPED,
    "no line of the group stands for it": Cause.NOT_STOPPED,
    "the group is at no level": Cause.NO_LEVEL,
    "ends again and again": Cause.KEEPS_ENDING,
    "and pauses for": Cause.PAUSED,
    "is unhealthy": Cause.UNHEALTHY,
    "may be unhealthy": Cause.UNHEALTHY,
    "is masked, so that": Cause.MASKED,
    READINESS: Cause.NOT_READY,
    "could not be started": Cause.NOT_EXECUTED,
    "it is tried again every": Cause.NOT_EXECUTED,
}


def shown_status(
    units: GroupUnits, judged: GroupStatus | None, level: str, state: State, lines: Sequence[str]
) -> GroupStatus:
    """The status of a group as its daemon shows it.

    Args:
        units: its units and its applied entries.
        judged: its status as the units say.
        level: the level that clstat shows.
        state: the state that clstat shows.
        lines: the reasons that the daemon has noted for this level, each as a line for a person.
    """
    is_same = judged is not None and (judged.level, judged.state) == (level, state)
    if not state.settled:
        return judged if is_same and judged is not None else GroupStatus(units.group, level, state)
    known = {} if judged is None else {reason.text: reason for reason in (*judged.reasons, *judged.momentary)}
    reasons = tuple(known.get(line) or _reason(units, level, line) for line in lines)
    if state is State.FAILED and not any(reason.is_failure for reason in reasons) and judged is not None:
        reasons = tuple(dict.fromkeys((*reasons, *judged.reasons)))  # the note could not be written
    momentary = judged.momentary if is_same and judged is not None else ()
    return GroupStatus(units.group, level, state, reasons, tuple(r for r in momentary if r not in reasons))


def _reason(units: GroupUnits, level: str, text: str) -> Reason:
    """The reason that a line tells."""
    for entry in units.entries:
        head = printable(f"{units.group}: {entry.tag} ({entry.mode}) ")
        tail = printable(f": {shortened(entry.command)}")
        if text.startswith(head) and text.endswith(tail):
            words = text[len(head) : -len(tail)]
            return about_entry(units, entry, level, Verdict(_cause(words), words))
    words = text.removeprefix(printable(f"{units.group}: "))
    cause = _cause(words)
    for name in (*units.units, units.names.slice(units.group)):
        is_whole = cause is Cause.MASKED or words.endswith(f"; see 'systemctl status {name}'")
        if words.startswith(f"{name} ") and is_whole:
            return about_unit(units, cause, name, words[len(name) + 1 :].partition("; see 'systemctl status ")[0])
    return Reason(cause, units.names.level(units.group, level), text, words)


def _cause(words: str) -> Cause:
    return next((cause for part, cause in _CAUSES.items() if part in words), Cause.BROKEN_OFF)
