"""What a new table means for what runs. Pure; the order in which it is done is the controller's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cltab2systemd.table import Entry


def tags_to_stop(applied: tuple[Entry, ...], wanted: tuple[Entry, ...], level: str) -> frozenset[str]:
    """The entries of a group that may not run on when it gets new lines and goes to a level.

    These are the entries that were deleted, are outside of the level, or whose mode, command or directives changed:
    nothing may outlive its definition. A change of the levels alone restarts nothing.

    Args:
        applied: the lines that the present units were made from.
        wanted: the new lines.
        level: the level that the group goes to.
    """
    staying = {definition(entry) for entry in wanted if entry.runnable and level in entry.levels}
    return frozenset(entry.tag for entry in applied if definition(entry) not in staying)


def definition(entry: Entry) -> tuple[object, ...]:
    """What a process of an entry may not outlive: all of the entry but its levels."""
    return entry.tag, entry.mode, entry.command, entry.directives


def tags_moved_here(other: tuple[Entry, ...], wanted: tuple[Entry, ...]) -> frozenset[str]:
    """The entries of another group's applied lines that the table now has in this group: tags are unique in it."""
    return frozenset(entry.tag for entry in other) & {entry.tag for entry in wanted}
