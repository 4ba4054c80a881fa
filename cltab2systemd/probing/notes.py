"""What a health check has noted of an entry, as a file says it: the prober writes it, and others read it. Pure.

The first line has five words, the second one what was answered last:

    ID COUNT SINCE ACTION BEFORE
    connection refused
"""

from __future__ import annotations

from cltab2systemd.terminal import printable

NOTE = "note"
"""The file's name, in the runtime directory of the unit that asks."""
LONGEST = 2048
"""Bytes of it that count."""
LONGEST_WORDS = 300
"""Characters of the words that count."""
UNHEALTHY = 100
"""The exit status of a check that has found an entry unhealthy; nothing else of the prober has it."""
TELL, RESTART = "tell", "restart"
"""What is done about an entry that is unhealthy."""
LONGEST_RESTART = 60_000_000
"""µs from there until the next run begins at the latest; one that begins later was started by somebody else."""


class Note:
    """How a run of an entry was found when it was asked last, and was not well.

    Attributes:
        invocation: the id of that run, as systemd has it.
        count: how often in a row it was not well.
        since: since when it is unhealthy, CLOCK_MONOTONIC in µs; 0 if it is not yet.
        action: what is done if it is unhealthy: `TELL` or `RESTART`.
        words: what was answered, on one line.
        before: since when an earlier run was unhealthy, if this one was started for that, and no check has held since;
            else 0.
    """

    __slots__ = ("action", "before", "count", "invocation", "since", "words")

    def __init__(self, invocation: str, count: int, since: int, action: str, words: str, *, before: int = 0) -> None:
        self.invocation, self.count, self.since, self.action, self.words = invocation, count, since, action, words
        self.before = before

    @property
    def is_unhealthy(self) -> bool:
        """Whether it was not well often enough."""
        return self.since > 0

    @property
    def restarts(self) -> bool:
        """Whether this run is, or was, ended for that."""
        return self.is_unhealthy and self.action == RESTART

    @property
    def unwell_since(self) -> int:
        """Since when no run was known to be well; 0 if this one may be."""
        return self.before or self.since

    def led_to(self, began: int) -> bool:
        """Whether a later run that began then, in µs, was started because of this."""
        return self.restarts and began - self.since < LONGEST_RESTART

    @property
    def text(self) -> str:
        """The content of the file."""
        return f"{self.invocation} {self.count} {self.since} {self.action} {self.before}\n{self.words}\n"


def parsed(text: str) -> Note | None:
    """What a file says; None if it is no note. A user other than root may have written it."""
    first, _, rest = text.partition("\n")
    words = first.split(" ")
    if len(words) != 5 or words[3] not in {TELL, RESTART} or not all(map(_is_number, (*words[1:3], words[4]))):
        return None
    said = printable(rest.partition("\n")[0])[:LONGEST_WORDS]
    return Note(words[0], int(words[1]), int(words[2]), words[3], said, before=int(words[4]))


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 19
