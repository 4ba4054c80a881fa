"""What a group is to do: the state told last counts, and is asked for until it is accepted. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cltab2systemd.keepalived.states import State

# Seconds before a request that failed is made again: from the first time on, and at the longest.
PAUSE, LONGEST_PAUSE = 0.5, 30.0


@dataclass(frozen=True, slots=True)
class Told:
    """The state that was told last of a group's instance, and whether what it asks for was accepted."""

    state: State
    is_accepted: bool = False


class Wish:
    """Follows what is told of one group.

    Args:
        told: what a reader before this one was told; None if nothing.

    Attributes:
        told: what counts; None if nothing was told.
        number: another one each time something is told.
    """

    def __init__(self, told: Told | None = None) -> None:
        self.told = told
        self.number = 0
        self._pause = PAUSE

    @property
    def is_open(self) -> bool:
        """Whether something is to be asked for."""
        return self.told is not None and not self.told.is_accepted

    @property
    def is_master(self) -> bool:
        """Whether the group is to run here."""
        return self.told is not None and self.told.state.is_master

    def tell(self, state: State) -> None:
        """The instance has come to a state, perhaps the same as before: somebody may have moved the group meanwhile."""
        self.told = Told(state)
        self.number += 1
        self._pause = PAUSE

    def asked(self, number: int, *, is_accepted: bool) -> float:
        """Take note of how a request went.

        Args:
            number: what the number was when the request was made. If it is another one, this is of no account any more.
            is_accepted: whether it was accepted.

        Returns:
            Seconds to wait before the next one, unless something is told; 0 if there is nothing to wait for.
        """
        if number != self.number or self.told is None:
            return 0.0
        if is_accepted:
            self.told = Told(self.told.state, is_accepted=True)
            return 0.0
        pause, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
        return pause
