"""What the judge knows of a group."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulation.clock import SECOND

if TYPE_CHECKING:
    from simulation.daemon import Client
    from simulation.trialjudge import Trial


@dataclass
class Standing:
    """What is known of a group.

    `debt` is the level that was asked for last, as long as it may still be on its way; `is_hindered` tells that
    somebody has taken a hand in it since.
    """

    debt: str | None = None
    may_halt: bool = False  # a halt was begun, and its end is not known
    is_hindered: bool = False
    hindered_at: int = -SECOND  # when that was last, µs
    halted_at: int = -SECOND  # when the daemon began a halt last, as of a group that has left the table, µs
    touched_at: int = -SECOND  # when the daemon last stopped anything of it, or started a level, µs
    ended_at: int = -SECOND  # when a request for it had its last answer, µs
    unfinished: set[str] = field(default_factory=set)  # levels that were asked for, and not come to
    in_flight: list[Client] = field(default_factory=list)
    trial: Trial | None = None  # the latest that was asked for
    backs: set[str] = field(default_factory=set)  # where trials may take it back to
