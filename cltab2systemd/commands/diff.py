"""`cltab2systemd diff`."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import click

from cltab2systemd import terminal
from cltab2systemd.check import loading
from cltab2systemd.commands import doubts, instance, kept, options, printing, tables
from cltab2systemd.groups.changes import Effect
from cltab2systemd.groups.entrycommands import move_command
from cltab2systemd.groups.state import State
from cltab2systemd.locations import locate
from cltab2systemd.reports import asjson
from cltab2systemd.reports import diff as difference
from cltab2systemd.reports.diff import Change
from cltab2systemd.reports.show import without_lists
from cltab2systemd.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cltab2systemd.groups.changes import Standing
    from cltab2systemd.locations import Locations
    from cltab2systemd.reports.diff import Difference, EntryDifference, GroupDifference
    from cltab2systemd.table.model import Entry, ResourceGroup, Table
    from cltab2systemd.table.settings import Directive

SAME, CHANGES, TROUBLE = 0, 1, 2  # as diff(1)

# How much of a long text is shown: around the first place where the old one and the new one differ.
_SHOWN = 60
_SHOWN_BEFORE = 20
# What is counted and told of, in the order in which it happens.
_TOLD = (Effect.STOP, Effect.RESTART, Effect.START, Effect.RERUN)
_CHANGES = (Change.ADDED, Change.DELETED, Change.CHANGED)
_NOTHING = "-"


@click.command(name="diff")
@click.argument("files", nargs=-1, metavar="[[OLD] FILE]")
@click.option("--against", type=int, metavar="N", help="Compare with table N of those that `tables` lists.")
@options.of_daemon
@options.format_option
def command(
    files: tuple[str, ...], *, against: int | None, cltab: str | None, socket: str | None, format_: str
) -> None:
    """Tell what a table changes: what the next `clinit` for each group stops, restarts, starts and leaves alone.

    With one FILE, or none for the daemon's own table, it is compared with what is applied on this machine, for the
    level that each group is at. With two, it is compared with the table OLD, for each level that a group could be at;
    so it is with an earlier table of this machine, by --against.

    A group that is at no level takes its new lines at once. One whose level the new table does not have any more is
    refused, and stays as it is: so it is by `clinit --apply`, whatever else may ask for that level. One that leaves the
    table is stopped as soon as the daemon reads that, unless a cluster has started it. An entry that moves to another
    group is stopped in the old one first.

    A table that the daemon here does not take as a whole is trouble, in its words: one without an entry while groups
    are active, say.

    A group whose lines are the same is left alone by `clinit --apply`. If an entry of it has failed, or does not run,
    what a request for its level would do is told all the same, and is no change.

    Exit codes: 0 no change, 1 changes, 2 trouble.
    """
    if len(files) > 2:
        raise click.UsageError(f"one table or two, not {len(files)}")
    if against is not None:
        if len(files) > 1:
            raise click.UsageError("one table or none, with --against")
        found = difference.between(_earlier(against), _load(files[0] if files else locate(cltab, socket).table))
    elif len(files) == 2:
        old, new = map(_load, files)
        found = difference.between(old, new)
    else:
        locations = locate(cltab, socket)
        table = _load(files[0] if files else locations.table)
        doubts.stop_if_any(locations, table, TROUBLE)
        found = difference.against_applied(standings(locations), table)
    if format_ == options.Format.JSON:
        printing.say_json(as_json(found), TROUBLE)
    else:
        printing.say(as_text(found), TROUBLE)
    raise SystemExit(SAME if found.is_empty else CHANGES)


def _load(path: str) -> Table:
    try:
        return tables.load(path)
    except SystemExit:
        raise SystemExit(TROUBLE) from None


def _earlier(number: int) -> Table:
    """A table that is kept."""
    try:
        files = kept.kept(number).files
    except SystemExit:
        raise SystemExit(TROUBLE) from None
    assert files is not None
    return loading.load_files(files)[0]


def standings(locations: Locations) -> Mapping[str, Standing]:
    """How the groups that are applied here stand; SystemExit with 2, and a word, if that cannot be read."""
    here = instance.Instance(locations)
    try:
        found = here.standings()
    except OSError as error:
        printing.complain(f"cltab2systemd: {error.filename}: {os.strerror(error.errno or 0)}")
        raise SystemExit(TROUBLE) from error
    for note in here.notes(standing.group for standing in found.values()):
        printing.complain(f"cltab2systemd: {note}")
    if not found:
        printing.complain("cltab2systemd: no daemon has applied a table here; all of it is new")
    return found


# For a person


def as_text(found: Difference) -> Iterator[str]:
    """A difference as lines for a person; none if there is none."""
    left = frozenset(group.name for group in found.groups if group.is_left_to_cluster)
    for group in found.groups:
        if group.change is not Change.SAME or group.is_by_request_only:
            yield printable(f"{group.name}{_heading(group)}")
            rows = [
                *_group_rows(group),
                *(_entry_row(group, entry, left) for entry in group.entries if _is_told(group, entry)),
            ]
            yield from (f"  {line}" for line in terminal.aligned([[*map(printable, row)] for row in rows]))
    for setting in found.settings:
        yield printable(f"setting {setting.name}: {_was(setting.old)} → {_was(setting.new)}")


def _is_told(group: GroupDifference, entry: EntryDifference) -> bool:
    return entry.change is not Change.SAME or (
        group.standing is not None and any(effect in _TOLD for _, effect in entry.effects)
    )


def _heading(group: GroupDifference) -> str:
    """What stands behind the group's name."""
    news = {Change.ADDED: "new group, ", Change.DELETED: "leaves the table, "}.get(group.change, "")
    if group.is_left_to_cluster:
        news += "stays until the cluster stops it, "
    if group.standing is None:
        counted = Counter(entry.change for entry in group.entries)
        what = [f"{counted[change]} {change}" for change in _CHANGES if counted[change]]
        return f": {news}{', '.join(what) or 'no entry changed'}"
    if group.standing.level is None:
        applied = "" if group.change is Change.DELETED else "applied at once, "
        return f" (not active): {news}{applied}nothing runs"
    state = "" if group.standing.state in {State.DONE, State.PASSED, None} else f", {group.standing.state}"
    news += "refused, " if group.refused else ""
    if group.is_by_request_only:
        news += f"the same lines; only {move_command(group.name, [group.standing.level])} does this: "
    effects = Counter(effect for entry in group.entries for _, effect in entry.effects)
    what = [f"{effects[effect]} {effect}" for effect in _TOLD if effects[effect]] or ["nothing is stopped or started"]
    left = [f"{effects[Effect.LEAVE]} left alone"] if effects[Effect.LEAVE] else []
    return f" (at level {group.standing.level}{state}): {news}{', '.join(what + left)}"


# A row is what is done, to what, and why.
_Row = tuple[str, str, str]


def _group_rows(group: GroupDifference) -> Iterator[_Row]:
    """Where it does not take what changed, and what changed of the group itself, which restarts nothing."""
    levels = without_lists(refused.level for refused in group.refused) if group.standing is None else None
    for refused in group.refused:
        if levels is None or refused.level in levels:
            yield "refused" if levels is None else f"refused at {refused.level}", group.name, refused.why
    if group.old.directives != group.new.directives:
        yield _NOTHING, group.name, f"slice: {_directives(group.old.directives, group.new.directives)}"
    if group.old.boot_level != group.new.boot_level:
        yield _NOTHING, group.name, f"boot level: {_was(group.old.boot_level)} → {_was(group.new.boot_level)}"
    if group.old.stops_in_order != group.new.stops_in_order:
        yield _NOTHING, group.name, "stops in order" if group.new.stops_in_order else "stops all at once"
    if group.old.declared != group.new.declared:
        old, new = (",".join(side.declared) or None for side in (group.old, group.new))
        yield _NOTHING, group.name, f"levels without entries: {_was(old)} → {_was(new)}"
    if group.is_reordered:
        yield _NOTHING, group.name, "starts in another order"


def _entry_row(group: GroupDifference, entry: EntryDifference, left: frozenset[str]) -> _Row:
    why = _why(entry)
    if entry.moved_from in left:
        why = f"refused until the cluster has stopped {entry.moved_from}; {why}"
    return _done(group, entry), f"{group.name}:{entry.tag}", why


def _done(group: GroupDifference, entry: EntryDifference) -> str:
    if group.standing is not None:
        done = [str(effect) for _, effect in entry.effects if effect is not Effect.NONE]
    else:
        levels = {effect: without_lists(entry.levels_with(effect)) for effect in Effect}
        done = [f"{effect} at {', '.join(levels[effect])}" for effect in _TOLD if levels[effect]]
        if not done and levels[Effect.LEAVE]:
            done = [str(Effect.LEAVE)]
    return "; ".join(done) or _NOTHING


def _why(entry: EntryDifference) -> str:
    if entry.new is None:
        return f"moves to {entry.moved_to}" if entry.moved_to is not None else "deleted"
    if entry.old is None:
        text = f"{entry.new.levels.text}:{entry.new.kind}:{entry.new.command}"
        came = f"comes from {entry.moved_from}" if entry.moved_from is not None else "added"
        return f"{came}: {_excerpt(text, 0)}"
    if not entry.fields:
        if entry.new.ready_of and entry.levels_with(Effect.RESTART):
            return f"asked again, for {entry.new.ready_of} is started again"
        return _SEEN[next(effect for _, effect in entry.effects if effect in _SEEN)]
    return ", ".join(_field(name, entry.old, entry.new) for name in entry.fields)


# Why a request does something to an entry whose line is the same.
_SEEN = {
    Effect.STOP: "runs, and its level does not have it",
    Effect.START: "does not run, or was never started",
    Effect.RERUN: "has failed",
}


def _field(name: str, old: Entry, new: Entry) -> str:
    if name == "directives":
        return _directives(old.directives, new.directives)
    if name != "command":
        return f"{name}: {_text_of(name, old)} → {_text_of(name, new)}"
    start = 0
    if max(len(old.command), len(new.command)) > _SHOWN:
        start = max(0, _common(old.command, new.command) - _SHOWN_BEFORE)
    return f"command: {_excerpt(old.command, start)} → {_excerpt(new.command, start)}"


def _text_of(name: str, entry: Entry) -> str:
    """What an entry has of a field, as the table has it."""
    value = getattr(entry, name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(getattr(value, "text", value))


def _common(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    pairs = zip(one, other, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _directives(old: tuple[Directive, ...], new: tuple[Directive, ...]) -> str:
    gone = [f"-{directive.line}" for directive in old if directive not in new]
    come = [f"+{directive.line}" for directive in new if directive not in old]
    return " ".join(gone + come) or "directives in another order"


def _excerpt(text: str, start: int) -> str:
    before, rest = ("…" if start else ""), text[start:]
    return before + (rest if len(rest) <= _SHOWN else rest[: _SHOWN - 1] + "…")


def _was(value: str | None) -> str:
    return "none" if value is None else value


# For a program


def as_json(found: Difference) -> asjson.Json:
    """A difference as a JSON value, also of groups and entries that are the same."""
    return {
        "changed": not found.is_empty,
        "groups": [_group_json(group) for group in found.groups],
        "settings": [
            {
                "name": asjson.text(setting.name),
                "old": asjson.optional(setting.old),
                "new": asjson.optional(setting.new),
            }
            for setting in found.settings
        ],
    }


def _group_json(group: GroupDifference) -> asjson.Json:
    standing = group.standing
    return {
        "group": asjson.text(group.name),
        "change": str(group.change),
        "level": asjson.optional(standing.level if standing else None),
        "state": standing.state if standing else None,
        "left_to_cluster": group.is_left_to_cluster,
        "reordered": group.is_reordered,
        "refused": [refused.as_json() for refused in group.refused],
        "by_request_only": group.is_by_request_only,
        "old": _lines_json(group.old),
        "new": _lines_json(group.new),
        "entries": [_entry_json(entry) for entry in group.entries],
    }


def _lines_json(group: ResourceGroup) -> asjson.Json:
    """What a side says of the group itself."""
    return {
        "boot_level": asjson.optional(group.boot_level),
        "stops_in_order": group.stops_in_order,
        "declared": asjson.texts(group.declared),
        "directives": asjson.directives(group.directives),
    }


def _entry_json(entry: EntryDifference) -> asjson.Json:
    return {
        "tag": asjson.text(entry.tag),
        "change": str(entry.change),
        "fields": [*entry.fields],
        "moved_from": asjson.optional(entry.moved_from),
        "moved_to": asjson.optional(entry.moved_to),
        "effects": [{"level": asjson.text(level), "effect": str(effect)} for level, effect in entry.effects],
        "old": asjson.entry(entry.old) if entry.old else None,
        "new": asjson.entry(entry.new) if entry.new else None,
    }
