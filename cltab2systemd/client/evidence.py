"""What is told below the reason why a group is FAILED: since when, the last lines of that attempt, the next step.

It is imported only if there is such a reason. A reason is an object of the type Reason, as `varlink.DESCRIPTION` has
it. A daemon of an older version leaves members out.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from cltab2systemd import journal, journalctl
from cltab2systemd.journal import Excerpt, Writer
from cltab2systemd.terminal import moment, printable, shortened
from cltab2systemd.text import decoded, encoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cltab2systemd.journal import JournalLine
    from cltab2systemd.journalctl import Trouble

# Lines of an attempt, reasons that have some, and seconds for all of it.
_LINES = 5
_MOST = 3
_SECONDS = 2.0
# Names of what one cure is for.
_MOST_NAMES = 5
# An attempt that ended less than so many seconds ago may have lines that journald has not stored yet.
_RECENT = 5.0
# Seconds for journald to store them; and how long whoever may not ask it for that waits instead.
_PATIENCE = 1.0
_MOMENT = 0.2
# A start and its request are not taken by the same clock. Seconds.
_TOLERANCE = 1.0
# Of these there was no run that could have written anything.
_NO_RUN = {"masked", "not-loaded", "never-started", "kept-back"}
# These do not say how a run has ended. That is the run before the present one, which pauses, or runs again.
_ENDLESS = {"paused", "keeps-ending"}
# It is so with this one as well, if its process has not ended.
_NOT_EXECUTED = "not-executed"
# Of these systemd has nothing to say.
_SILENT = {"masked", "unreached", "no-level", "skipped", "kept-back"}


class Evidence:
    """Tells of reasons, one after the other, within two seconds.

    What to do is told once, behind the last reason for which it is the same, and with the names of all these.

    Args:
        reasons: all that are told of.
        asked: when the group was asked for its level, in seconds since 1970. What is wrong since before is told so.
        left: seconds, if there are less.
    """

    def __init__(self, reasons: Iterable[dict[str, Any]], asked: float, left: float = _SECONDS) -> None:
        self._names: dict[str, list[str]] = {}  # of what each cure is for
        for reason in reasons:
            self._names.setdefault(str(reason.get("cure") or ""), []).append(_name(reason))
        self._seen: Counter[str] = Counter()
        self._asked = asked
        self._deadline = time.monotonic() + min(left, _SECONDS)
        self._with_lines = 0
        self._told: set[str] = set()

    def of(self, reason: dict[str, Any]) -> Iterator[str]:
        """Printable lines, without indentation."""
        since = reason.get("since_usec")
        if isinstance(since, int) and since / 1e6 < self._asked - _TOLERANCE:
            yield f"since {moment(since)}"
        yield from self._journal(reason)
        cure = str(reason.get("cure") or "")
        self._seen[cure] += 1
        names = [*dict.fromkeys(self._names.get(cure, ()))]
        if cure and self._seen[cure] >= len(self._names.get(cure, ())):
            more = f" and {len(names) - _MOST_NAMES} more" if names[_MOST_NAMES:] else ""
            subject = f"{', '.join(names[:_MOST_NAMES])}{more}: " if names[1:] else ""
            yield printable(subject + cure)

    def _journal(self, reason: dict[str, Any]) -> Iterator[str]:
        left = self._deadline - time.monotonic()
        if left <= 0 or self._with_lines >= _MOST or reason.get("code") in _SILENT or _was_stopped(reason):
            return
        excerpt = of_attempt(reason, left)
        told = [*_brief(excerpt.lines, says_end=reason.get("code") not in _ENDLESS)][-_LINES:]
        self._with_lines += bool(told)
        yield from told
        if excerpt.trouble not in {None, journalctl.TIMED_OUT, journalctl.TOO_MUCH}:
            yield from self._once(excerpt.trouble)

    def _once(self, trouble: Trouble | None) -> Iterator[str]:
        if trouble is not None and trouble.text not in self._told:
            self._told.add(trouble.text)
            yield printable(f"({trouble.text})")


def _name(reason: dict[str, Any]) -> str:
    return shortened(str(reason.get("tag") or reason.get("unit") or ""))


def of_attempt(reason: dict[str, Any], seconds: float, lines: int = 200) -> Excerpt:
    """The last lines of the attempt that a reason is about, or what systemd says of a unit that it could not start.

    Args:
        reason: what is wrong.
        seconds: that it may take.
        lines: how many at most.
    """
    deadline = time.monotonic() + seconds
    since, unit = reason.get("since_usec"), reason.get("unit")
    is_recent = not isinstance(since, int) or time.time() - since / 1e6 < _RECENT
    if is_recent and os.geteuid() == 0:
        journalctl.store(min(_PATIENCE, seconds))
    excerpt = _look(str(unit), reason, lines, deadline)
    if is_recent and not excerpt.lines and excerpt.trouble is None and os.geteuid() != 0:
        time.sleep(max(0.0, min(_MOMENT, deadline - time.monotonic())))
        excerpt = _look(str(unit), reason, lines, deadline)
    if _was_stopped(reason):  # what the program wrote before that bears nothing out
        return Excerpt(tuple(line for line in excerpt.lines if line.writer is not Writer.ENTRY), excerpt.trouble)
    return excerpt


def _was_stopped(reason: dict[str, Any]) -> bool:
    """Whether it is wrong that an entry was stopped, which had not failed."""
    ending = reason.get("ending")
    return reason.get("code") == "down" and (not ending or ending.get("result") == "success")


def _look(unit: str, reason: dict[str, Any], lines: int, deadline: float) -> Excerpt:
    left = max(0.0, deadline - time.monotonic())
    if reason.get("invocation") and _is_of_run_before(reason):
        return journal.before_invocation(unit, str(reason["invocation"]), lines, left)
    if reason.get("invocation"):
        return journal.of_invocation(unit, str(reason["invocation"]), lines, left)
    if reason.get("code") not in _NO_RUN:
        return Excerpt()
    # Other lines of the unit may be of a run that was well, long ago.
    since = reason.get("since_usec") or 0
    found = journal.of_unit(unit, lines, left)
    kept = [line for line in found.lines if line.writer is Writer.SYSTEMD and line.time >= since - _TOLERANCE * 1e6]
    # systemd says the same again each time that it reads the unit.
    last = {line.message: line for line in kept}
    return Excerpt(tuple(last.values()), found.trouble)


def _is_of_run_before(reason: dict[str, Any]) -> bool:
    """Whether what is wrong was in the run before the one that the reason names, which pauses, or tries once more."""
    code = reason.get("code")
    return code in _ENDLESS or (code == _NOT_EXECUTED and reason.get("ending", code) is None)


def _brief(lines: tuple[JournalLine, ...], *, says_end: bool) -> Iterator[str]:
    """What the attempt wrote; if that is nothing, what systemd says, but for what the reason itself says."""
    own = [line for line in lines if line.writer is Writer.ENTRY]
    end = [] if says_end else [line for line in lines if line.tells_end and b": Main process exited" in line.message]
    for line in (*(own or [line for line in lines if not line.tells_end]), *end):
        yield from map(shortened, message_lines(line))


def message_lines(line: JournalLine) -> list[str]:
    """A line of the journal as lines of text, which may be of any characters; one of systemd begins with `systemd:`."""
    is_of_systemd = line.writer is Writer.SYSTEMD
    message = line.message.removeprefix(encoded(f"{line.unit}: ")) if is_of_systemd else line.message
    start = "systemd: " if is_of_systemd else ""
    return [start + text.rstrip() for text in decoded(message).split("\n") if text.strip()]
