"""One run of a health check: asks once whether an entry is well, and counts how often in a row it was not.

systemd has the result: the unit that asks fails if the entry is unhealthy. What was found is in its runtime directory,
until the entry is found to be well (`notes`). A run of the entry begins at 0. One that was started because the run
before was unhealthy is not known to be well until a check has held.
"""

from __future__ import annotations

import os
from time import monotonic_ns

from cltab2systemd.probing.asking import ask
from cltab2systemd.probing.contents import beginning_if_there
from cltab2systemd.probing.notes import LONGEST, LONGEST_WORDS, NOTE, UNHEALTHY, Note, parsed
from cltab2systemd.probing.subject import Subject
from cltab2systemd.terminal import printable
from cltab2systemd.text import decoded, encoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def run(options: Mapping[str, str], check: Sequence[str]) -> int:
    """Ask once. What was not well is written for the journal, until it is the same as before.

    Nothing is asked of an entry that does not run, or has run for less than the interval: it may not be there yet.

    Args:
        options: those that `prober.run` tells of, and `failures`, how often in a row it has to be not well; `interval`,
            in seconds; and `action`, what is done then, as `Note` has it.
        check: the words of the check.

    Returns:
        UNHEALTHY or 0, as an exit status.
    """
    subject = Subject(options["of"], options.get("pause", ""))
    # Timers are exact to a part of the interval.
    if not subject.run or subject.ending() or subject.age() < float(options["interval"]) * 0.9:
        return 0
    answer = ask(check, float(options["timeout"]), options.get("instance", ""))
    if subject.ending():
        return 0
    began = monotonic_ns() // 1000 - int(subject.age() * 1e6)
    return _judge(subject.run, began, options, "" if answer.holds else printable(answer.words)[:LONGEST_WORDS])


def _judge(invocation: str, began: int, options: Mapping[str, str], words: str) -> int:
    """The exit status, by what was noted before: of a run that is well if there are no words."""
    path = f"{os.environ['RUNTIME_DIRECTORY']}/{NOTE}"
    known = noted = parsed(decoded(beginning_if_there(path, LONGEST)))
    before = 0 if known is None else known.before
    if known is not None and known.invocation != invocation:
        before = known.unwell_since if known.led_to(began) else 0
        known = None
    if not words:
        if noted is not None:
            os.unlink(path)  # noqa: PTH108 - pathlib is slow to import, here and below
        if known is not None or before:
            _say("is well again")
        return 0
    failures = int(options["failures"])
    count = min(1 if known is None else known.count + 1, failures)
    since = 0 if count < failures else (0 if known is None else known.since) or monotonic_ns() // 1000
    note = Note(invocation, count, since, options["action"], words, before=before)
    if known is None or known.text != note.text:  # else there is nothing new
        _write(path, note)
        _say(f"{'unhealthy: ' if since else ''}{note.words} ({count} in a row)")
    return UNHEALTHY if since else 0


def _write(path: str, note: Note) -> None:
    """Replace the note, so that a reader finds all of it or the one before."""
    new = f"{path}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        os.write(descriptor, encoded(note.text))
    finally:
        os.close(descriptor)
    os.rename(new, path)  # noqa: PTH104


def _say(text: str) -> None:
    os.write(2, encoded(f"{text}\n"))
