"""How requests for a group have ended, counted. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Counted(enum.StrEnum):
    """How a request for a level that was begun has ended, as it is counted."""

    DONE = "done"
    PASSED = "passed"
    FAILED = "failed"
    STOPPED = "stopped"  # the group was stopped for good
    REFUSED = "refused"  # it could not be carried out
    SUPERSEDED = "superseded"  # something else took the group elsewhere

    @property
    def is_end(self) -> bool:
        """Whether the group has come to the end of its way."""
        return self not in {Counted.REFUSED, Counted.SUPERSEDED}


_NONE = dict.fromkeys(Counted, 0)


@dataclass(frozen=True, slots=True)
class Tally:
    """How often requests for a group have ended so since the daemon's start, and how long the last one took.

    Attributes:
        counts: how many, for each outcome.
        duration: of the last one whose group came to the end of its way, in µs; None if there was none.
    """

    counts: Mapping[Counted, int] = field(default_factory=_NONE.copy)
    duration: int | None = None

    def with_one(self, outcome: Counted, duration: int) -> Tally:
        """One request more; the duration in µs."""
        counts = {**self.counts, outcome: self.counts[outcome] + 1}
        return Tally(counts, duration if outcome.is_end else self.duration)
