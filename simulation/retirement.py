"""When groups that have left the table are to be stopped: somebody has asked for that, and waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.text import escape
from simulation import tables
from simulation.disk import STATE
from simulation.systemd import UNITS
from simulation.units import family_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from simulation.daemon import Client
    from simulation.standing import Standing
    from simulation.world import World


class Retirement:
    """What the judge knows of that.

    Attributes:
        is_over: what the table that was read last does not have has been stopped, or is about to be.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting = 0
        self.is_over = False

    def read(self, number: int) -> set[str]:
        """The daemon reads a table. Returns the groups that it is to halt for that."""
        self.is_over = False
        return self._gone(number) if self._waiting else set()

    def asked(self) -> set[str]:
        """A client asks for a reread. Returns the groups that the daemon is to halt for that."""
        self._waiting += 1
        return self._gone(self._world.accepted) if self._world.accepted is not None else set()

    def answered(self, client: Client, what: str) -> None:
        """Such a client is answered."""
        self._waiting -= client.is_over
        self.is_over = what == "reread"

    def leftovers(self, groups: Mapping[str, Standing], is_moving: Callable[[str], bool]) -> Iterator[str]:
        """What is wrong with the units and lines of groups, when the table that was read is applied."""
        world = self._world
        for group, standing in groups.items():
            if standing.is_hindered:  # what somebody has started is let run until a request for it
                continue
            is_present = world.files.content(f"{STATE}/applied/{escape(group)}.cltab") is not None
            units = [name for name in world.files.names(UNITS) if family_of(name) == group]
            if bool(units) != is_present:
                yield f"{group} has units {units}, and lines: {is_present}"
            gone = self.is_over and not any(line.group == group for line in tables.table(world.accepted or 0))
            if gone and is_present and not world.was_of_cluster(group) and not is_moving(group):
                yield f"{group} has left the table, and its units remain"

    def _gone(self, number: int) -> set[str]:
        present = {line.group for line in tables.table(number)}
        return {group for group in {*tables.GROUPS} - present if not self._world.is_left_to_cluster(group)}
