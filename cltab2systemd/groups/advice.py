"""Advice for whoever asks for a switch: names that are probably misspelt, units that are not ours. Pure."""

from __future__ import annotations

import enum
import shlex
from typing import TYPE_CHECKING

from cltab2systemd.groups.changes import is_member, pending_tags
from cltab2systemd.groups.refusals import Refusal
from cltab2systemd.table import declared
from cltab2systemd.table.model import level_names, levels_meant
from cltab2systemd.table.spelling import Spellings
from cltab2systemd.terminal import printable, shortened

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from cltab2systemd.table.model import ResourceGroup

_REFUSED = "refused, and the group stays as it is"
# More names help nobody.
_MOST_NAMES = 20
# So many levels are listed.
_FEW_LEVELS = 8


def on_group(name: str, groups: Iterable[str]) -> str:
    """The group that was probably meant by a name that none of them has; empty if none is like it."""
    like = Spellings(groups).like(name)
    return f"did you mean '{shortened(like)}'?" if like is not None else ""


class Empty(enum.Enum):
    """Which of the levels that no entry names a request may ask for. If a group declares some, never any other."""

    ANY = enum.auto()
    DECLARED = enum.auto()
    NONE = enum.auto()


def on_level(group: ResourceGroup, level: str, empty: Empty = Empty.ANY) -> str:
    """What is said if a group does not have a level, with its levels, and the one that was probably meant; else empty.

    Args:
        group: with its entries.
        level: that was asked for.
        empty: which levels without entries may be; `is_refused` says whether this one may not.
    """
    if level in (level_names(group.entries) if empty is Empty.NONE else group.levels):
        return ""
    return _told(group, level, _REFUSED if is_refused(group, empty) else "it stops everything", empty)


def on_update(
    applied: ResourceGroup, wanted: ResourceGroup, level: str, taken: Mapping[str, str]
) -> tuple[Refusal, str] | None:
    """Why a group does not take other lines at its level, unless somebody asks for that level: the code, and the text.

    It does not if the level is one that it may not be asked for. It does not either if its present lines name the level
    and the new ones do not have it: nobody has asked for a stop of everything. A level that neither names is one to be
    stopped at, so the group takes its lines there.

    Args:
        applied: the group with its present lines.
        wanted: with the new ones. It has not left the table.
        level: its level.
        taken: the tags of its present entries that another group has in the new lines, each with that group.
    """
    stays = _REFUSED + _but_for(applied, level, taken)
    if declared.is_refused(wanted, level):
        return Refusal.UNDECLARED_LEVEL, _told(wanted, level, stays)
    if level in wanted.levels or level not in level_names(applied.entries):
        return None
    effect = f"{stays} ('{_request(wanted.name, level)}' stops everything)"
    return Refusal.UNNAMED_LEVEL, _told(wanted, level, effect)


def _but_for(applied: ResourceGroup, level: str, taken: Mapping[str, str]) -> str:
    """What is not left to a group that stays as it is; empty if all is."""
    tags = (entry.tag for entry in applied.entries if entry.tag in taken and is_member(entry, level))
    named = [f"{shortened(tag)} ({shortened(taken[tag])})" for tag in tags]
    return f", but for what other groups have now, and may take: {', '.join(named[:_MOST_NAMES])}" if named else ""


def _told(group: ResourceGroup, level: str, effect: str, empty: Empty = Empty.ANY) -> str:
    """What is said of a level that a group does not have, what that means, its levels, and which was probably meant."""
    told = declared.undeclared(group, level) if declared.is_refused(group, level) else _unnamed(group, level)
    there = dict.fromkeys([*levels_meant(group.entries), *(() if empty is Empty.NONE else group.declared)])
    few = listed(there, "its")
    if level in group.declared:
        return f"{told}: {effect}{few}; without --strict it is taken"
    like = declared.meant(group, level)
    return f"{told}: {effect}{few}" + (f"; did you mean '{shortened(like)}'?" if like else "")


def listed(levels: Collection[str], whose: str) -> str:
    """Levels, to stand behind other words, such as `; its levels are 3, m`; empty if there are none, or many."""
    return f"; {whose} levels are {', '.join(map(shortened, levels))}" if 0 < len(levels) <= _FEW_LEVELS else ""


def _request(group: str, level: str) -> str:
    """The command that asks for a level."""
    return printable(f"clinit {shlex.quote(group)} {shlex.quote(level)}")


def is_refused(group: ResourceGroup, empty: Empty) -> bool:
    """Whether what `on_level` says of a level is why the request is refused; else it is a warning."""
    return empty is not Empty.ANY or bool(group.declared)


def _unnamed(group: ResourceGroup, level: str) -> str:
    declares = f", which {shortened(group.name)} declares" if level in group.declared else ""
    return f"no entry of {shortened(group.name)} names level '{shortened(level)}'{declares}"


def on_left_group(name: str, level: str | None) -> str:
    """What is said of a group that has left the table and still runs; its level is None if that is not known."""
    at = f" at level {shortened(level)}" if level is not None else ""
    return f"{shortened(name)} has left the table, and still runs{at}; 'clinit --apply' stops it"


def on_group_that_leaves(name: str) -> str:
    """What a request is refused with if its group leaves the table before its lines are taken."""
    return f"{shortened(name)} has left the table in the meantime; 'clinit --apply' stops what still runs of it"


def on_waiting(applied: ResourceGroup, wanted: ResourceGroup, level: str, taken: Mapping[str, str]) -> str:
    """What is said of a group that has other lines in the table than those that it runs with.

    Args:
        applied: the group with the lines that it runs with.
        wanted: with those in the table.
        level: its level.
        taken: as for `on_update`.
    """
    count = len(pending_tags(applied.entries, wanted.entries))
    what = f"{count} {'entry' if count == 1 else 'entries'}" if count else "what is said of the group"
    refused = on_update(applied, wanted, level, taken)
    if refused is None:
        effect = f"'clinit --apply' or '{_request(wanted.name, level)}' takes that over"
    else:
        effect = f"'clinit --apply' does not take that over: {refused[1]}"
    return f"{shortened(wanted.name)}: {what} changed; {effect}"


def on_own_units(paths: Iterable[str]) -> list[str]:
    """A warning for each unit of an administrator that replaces a generated one: the table has no effect on it."""
    return [
        f"{path} stands over the unit that the table makes, and changes of the table do not reach it; "
        f"use a drop-in ('systemctl edit'), and remove that file"
        for path in list(paths)[:_MOST_NAMES]
    ]


def on_changed_lines(group: str, level: str, tags: Iterable[str]) -> list[str]:
    """A warning for each entry that is restarted as it was, while the table has it another way by now."""
    return [
        f"the line of {shortened(tag)} has changed in the table; '{_request(group, level)}' starts it as it is there"
        for tag in tags
    ]


def on_unread_table(path: str) -> str:
    """A warning that entries are restarted as the table had them when it was read last."""
    return f"{path} has changed, and was not read since; 'clinit' has it read"


def on_unusable_unit(unit: str, load: str) -> str:
    """What to do about a unit that cannot be used.

    Args:
        unit: its name.
        load: its LoadState, which is not `loaded`.
    """
    quoted = shlex.quote(unit)
    return f"'systemctl unmask {quoted}' undoes that" if load == "masked" else f"see 'systemctl status {quoted}'"
