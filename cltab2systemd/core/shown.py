"""The lines of clstat: what they are, and who is told when they change."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cltab2systemd.core.group import Group
    from cltab2systemd.core.tablesource import TableSource
    from cltab2systemd.groups.state import GroupStatus


class Shown:
    """What is shown of all groups.

    Args:
        groups: all groups by name, as the controller keeps them.
        source: the table.
        on_status: called with all lines of clstat, at each change.
        on_moment: called when only what will be otherwise in a moment has changed.
    """

    def __init__(
        self,
        groups: Mapping[str, Group],
        source: TableSource,
        on_status: Callable[[tuple[GroupStatus, ...]], None],
        on_moment: Callable[[], None],
    ) -> None:
        self._groups = groups
        self._source = source
        self._on_status = on_status
        self._on_moment = on_moment
        self._last: tuple[GroupStatus, ...] = ()

    @property
    def statuses(self) -> tuple[GroupStatus, ...]:
        """The lines of clstat, in the order of the table."""
        order = {name: index for index, name in enumerate(self._source.table.groups)}
        known = [group.status for group in self._groups.values() if group.status is not None]
        return tuple(sorted(known, key=lambda status: order.get(status.group, len(order))))

    @property
    def names(self) -> tuple[str, ...]:
        """All groups: those of the table in its order, then those that have left it and are still there."""
        # A group of the table may not be there yet: the table is just being applied.
        ordered = (name for name in self._source.table.groups if name in self._groups)
        return tuple(dict.fromkeys((*ordered, *self._groups)))

    def publish(self, *, force: bool = False) -> None:
        """Tell what has changed; with `force`, tell all in any case."""
        statuses = self.statuses
        before, self._last = self._last, statuses
        if force or statuses != before:
            self._on_status(statuses)
        elif any(now.momentary != last.momentary for now, last in zip(statuses, before, strict=True)):
            self._on_moment()
