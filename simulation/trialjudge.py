"""What is promised of levels on trial, judged by rules of its own; see `rules.RULES`.

Only what is sure is judged: a trial that began at a level where nothing was under way, and in which nothing else was
done since but that the daemon died.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.units.names import HALT_LEVEL, unescape
from simulation import tables
from simulation.clock import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simulation.daemon import Client
    from simulation.standing import Standing
    from simulation.world import World

TRIALS = "/run/cltab2systemd/system/trials"
# For so long after the end of a trial the way back may be looked for.
_LATE = 2 * SECOND
_NOWHERE = {"CONFIGURED", ""}


@dataclass
class Trial:
    """A trial that was asked for.

    `back` is where the group goes back to, empty for nowhere. `is_sure` tells that this is known, and that it has not
    been ended since; `is_on` that it has begun.
    """

    client: Client
    level: str
    back: str
    until: int  # µs
    is_sure: bool
    is_on: bool = False
    earlier: Trial | None = None


def asked(world: World, client: Client, standing: Standing) -> None:
    """A client asks for a level, perhaps on trial."""
    if client.trial is None:
        return
    daemon, judge = world.daemon, world.judge
    is_seen = daemon is not None and daemon.has_begun and not standing.is_hindered
    level, state = ("", "") if daemon is None else daemon.told.get(client.group, ("", ""))
    earlier = standing.trial if standing.trial is not None and standing.trial.is_on else None
    back = "" if state in _NOWHERE else level
    is_sure = is_seen and not (judge.is_faulty or judge.is_halting or standing.in_flight)
    standing.backs |= {back or HALT_LEVEL, *(other.level for other in standing.in_flight), standing.debt or HALT_LEVEL}
    if not is_sure:
        standing.backs.add(HALT_LEVEL)
    if not is_seen:
        standing.backs |= {*tables.LEVELS}
    if earlier is not None:
        standing.backs.add(earlier.back or HALT_LEVEL)
        back, is_sure = earlier.back, is_sure and earlier.is_sure
    until = client.asked_at + int(client.trial * SECOND)
    standing.trial = Trial(client, client.level, back, until, is_sure, earlier=earlier)


def answered(client: Client, standing: Standing, what: str) -> None:
    """A client is answered who has asked for a level."""
    trial = standing.trial
    if trial is None:
        return
    if trial.client is client and what == "started":
        trial.is_on, trial.earlier = True, None
    elif trial.client is client and what == "refused" and not trial.is_on:
        standing.trial = trial.earlier
    elif what == "started" and client.number > trial.client.number:
        standing.trial = None
    elif what in {"lost", "superseded"} and (client.number > trial.client.number or not trial.is_on):
        doubt(standing)  # nobody knows how far it came


def kept(world: World, client: Client, standing: Standing, what: str) -> Iterator[str]:
    """A client is answered who has confirmed a trial; what is wrong with that."""
    trial = standing.trial
    if what == "kept":
        standing.trial = None
    elif what == "lost":
        doubt(standing)
    elif trial is not None and trial.is_on and trial.is_sure and world.clock.now < trial.until:
        yield f"{client} is refused, and the trial of level {trial.level} goes on"


def doubt(standing: Standing) -> None:
    """Something is done of which nobody knows what comes of it for a trial."""
    trial = standing.trial
    while trial is not None:
        trial.is_sure, trial = False, trial.earlier


def hindered(standing: Standing) -> None:
    """Somebody takes a hand in a group, perhaps before its trial is noted."""
    if standing.trial is not None and not standing.trial.is_on:
        standing.backs |= {*tables.LEVELS, HALT_LEVEL}
    doubt(standing)


def broken(world: World, groups: Mapping[str, Standing], lines: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """What is not as trials have it, once all is settled; `lines` is what clstat says: level and state."""
    noted, now = {unescape(name) for name in world.files.names(TRIALS)}, world.clock.now
    for group, standing in groups.items():
        trial = standing.trial
        if trial is None or not trial.is_on or not trial.is_sure or abs(now - trial.until) < _LATE:
            continue
        level, state = lines.get(group, ("", ""))
        at, wanted = "" if state in _NOWHERE else level, trial.level if now < trial.until else trial.back
        if at != wanted:
            yield f"{group} is {level} {state}, and not at {wanted or 'no level'}: {trial}"
        if (group in noted) != (now < trial.until):
            yield f"there is a note of {group}: {group in noted}, and now is {now}: {trial}"
