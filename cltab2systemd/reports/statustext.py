"""`clinitctl status` as lines for a person. Pure: the value of `reports.overview` in, printable lines out."""

from __future__ import annotations

import itertools
from collections import Counter

from cltab2systemd.terminal import (
    RED,
    YELLOW,
    aligned,
    clock,
    coloured,
    columns,
    cut,
    duration,
    printable,
    shortened,
    wrapped,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

    Object: TypeAlias = dict[str, Any]

# What is worst comes first.
_RANK = {health: rank for rank, health in enumerate(("failed", "degraded", "moving", "well", "at-rest"))}
# How a summary calls these groups; the others by their state.
_WORD_OF_HEALTH = {"degraded": "degraded", "well": "well", "at-rest": "at no level"}
QUIET = {"well", "at-rest"}
# As many groups as one sees at a glance.
_FEW = 10
# Never the only sign: the words say the same.
_COLOUR_OF_HEALTH = {"failed": RED, "degraded": YELLOW}
_AT_REST = {"stopped", "off"}
_NO_WAYS: Mapping[str, str] = {}
_NOTHING = "-"
_INDENT = "  "


# The columns of the table of entries: a heading, and what it has of an entry at a moment (in µs since 1970). The last
# ones go first where a terminal is too narrow.
_COLUMNS: tuple[tuple[str, Callable[[Object, int], str]], ...] = (
    ("TAG", lambda entry, _now: printable(entry["tag"])),
    ("STATE", lambda entry, _now: entry["state"]),
    ("MODE", lambda entry, _now: "readiness" if entry.get("ready_of") else entry["mode"]),
    ("SINCE", lambda entry, now: duration(now - entry["since_usec"]) if entry["since_usec"] else _NOTHING),
    ("PID", lambda entry, _now: str(entry["pid"] or _NOTHING)),
    ("RESTARTS", lambda entry, _now: str(entry["restarts"] or _NOTHING)),
    ("LAST EXIT", lambda entry, _now: ending(entry["ending"] or entry.get("previous_ending"))),
    ("MEMORY", lambda entry, _now: size(entry["memory_bytes"])),
    ("CPU", lambda entry, _now: duration(entry["cpu_usec"]) if entry["cpu_usec"] is not None else _NOTHING),
)


def summary(groups: Sequence[Object], missing: int = 0) -> str:
    """How many groups are how, what is wrong first; empty for a few groups.

    Args:
        groups: as the overview has them.
        missing: of how many more it is not known how they are.
    """
    total = len(groups) + missing
    if total <= _FEW:
        return ""
    ordered = worst_first(groups)
    counts = Counter(_WORD_OF_HEALTH.get(group["health"], group["state"]) for group in ordered)
    if missing:
        counts["not known"] = missing
    if len(counts) == 1:
        return f"all {total} groups are {next(iter(counts))}"
    return f"{total} groups: {', '.join(f'{count} {word}' for word, count in counts.items())}"


def lines(
    groups: Sequence[Object],
    now: int,
    width: int | None = None,
    *,
    height: int | None = None,
    scrolls: bool = True,
    everything: bool = False,
    colours: bool = False,
    ways: Mapping[str, str] = _NO_WAYS,
) -> Iterator[str]:
    """Groups and their entries, what is wrong first.

    Args:
        groups: as the overview has them.
        now: µs since 1970.
        width: the columns of the terminal; None if there is no limit.
        height: its lines; None if there is no limit. If not all groups fit, those that are well or at no level have
            their headings only, as many as fit.
        scrolls: whether what is beyond the height can be read as well. If not, what does not fit is counted.
        everything: whether to show the entries too that are not in the level, and do not run.
        colours: whether what is wrong stands out in colours.
        ways: how far groups under way have come, by name, each as a line that fits.
    """
    ordered = worst_first(groups)

    def draw(group: Object) -> Iterator[str]:
        way = ways.get(group["group"], "")
        return _group_lines(group, now, width, way, everything=everything, colours=colours)

    if height is None:
        yield from (line for _, line in _numbered(ordered, draw))
        return
    told = [line for _, line in itertools.islice(_numbered(ordered, draw), height + 1)]
    yield from told if len(told) <= height else _folded(ordered, draw, now, width, height, scrolls=scrolls)


def _numbered(groups: Sequence[Object], draw: Callable[[Object], Iterator[str]]) -> Iterator[tuple[int, str]]:
    """The lines of groups, each with how many of the groups have begun by then."""
    for number, group in enumerate(groups):
        if number:
            yield number, ""
        for line in draw(group):
            yield number + 1, line


def _folded(
    ordered: Sequence[Object],
    draw: Callable[[Object], Iterator[str]],
    now: int,
    width: int | None,
    height: int,
    *,
    scrolls: bool,
) -> Iterator[str]:
    """Groups of which not all fit; the arguments are as for `lines`."""
    unwell = [group for group in ordered if group["health"] not in QUIET]
    quiet = ordered[len(unwell) :]
    told = [*itertools.islice(_numbered(unwell, draw), None if scrolls else height + 1)]
    left = height - len(told)
    if scrolls or left >= bool(quiet):
        yield from (line for _, line in told)
        yield from _headings(quiet, now, width, left, scrolls=scrolls)
        return
    kept = told[: max(0, height - 1)]
    yield from (line for _, line in kept)
    begun = kept[-1][0] if kept else 0
    yield cut(_left_out(len(ordered) - begun), width)


def _left_out(groups: int) -> str:
    more = "1 more group" if groups == 1 else f"{groups} more groups"
    return f"… and {more}" if groups else "… and more"


def _headings(groups: Sequence[Object], now: int, width: int | None, height: int, *, scrolls: bool) -> Iterator[str]:
    """The headings of groups, as many as fit, and how many there are more."""
    shown = [cut(heading(group, now), width) for group in groups[: max(0, height)]]
    if len(shown) == len(groups):
        yield from shown
        return

    def rest(left: int) -> list[str]:
        told = f"… and {left} more that are well or at no level"
        return wrapped(f"{told}; see 'clinitctl status | less'", width) if scrolls else [cut(told, width)]

    last = rest(len(groups))
    kept = shown[: max(0, height - len(last))]
    yield from kept
    yield from rest(len(groups) - len(kept))


def worst_first(groups: Sequence[Object]) -> list[Object]:
    """Groups in the order in which they are shown: what is wrong comes first."""
    return sorted(groups, key=lambda group: _RANK[group["health"]])


def _group_lines(
    group: Object, now: int, width: int | None, way: str, *, everything: bool, colours: bool
) -> Iterator[str]:
    colour = _COLOUR_OF_HEALTH.get(group["health"], "") if colours else ""
    for line in wrapped(heading(group, now), width):
        yield coloured(line, colour)
    if way:
        yield _INDENT + way
    reasons: dict[str, list[Object]] = {}
    for reason in group["reasons"]:
        reasons.setdefault(reason["unit"], []).append(reason)
    entries = [e for e in group["entries"] if everything or e["in_level"] or e["state"] not in _AT_REST]
    entries.sort(key=lambda entry: entry["unit"] not in reasons)
    for entry, line in zip([None, *entries], _table(entries, now, width), strict=False):
        found = reasons.pop(entry["unit"], []) if entry is not None else []
        yield _INDENT + coloured(line, _colour_of(found) if colours else "")
        yield from _said(entry, width)
        for reason in found:
            yield from _reason_lines(reason, width)
    for others in reasons.values():  # of what is no entry of the level
        for reason in others:
            yield from _reason_lines(reason, width, subject=f"{reason['unit']} ")
    if note := unnamed_level(group) or _hidden(group, len(entries)):
        yield from wrapped(f"{_INDENT}{note}", width)
    if pending := group["pending"]:
        changes = "1 entry changes" if len(pending) == 1 else f"{len(pending)} entries change"
        yield from wrapped(printable(f"{_INDENT}{changes} at its next request: {', '.join(pending)}"), width)


def _said(entry: Object | None, width: int | None) -> Iterator[str]:
    """What the program of an entry says of itself, if it does."""
    if entry is not None and entry.get("says"):
        yield cut(printable(f"{_INDENT * 2}says: {entry['says']}"), width)


def _hidden(group: Object, shown: int) -> str:
    """How many entries are not shown, for they are not to run; empty if none is."""
    if not (hidden := len(group["entries"]) - shown):
        return ""
    entries_are = "entry is" if hidden == 1 else "entries are"
    level = f"not in level {group['level']}" if group["level"] is not None else "not started"
    where = "at rest" if group["health"] == "moving" else level  # its level is perhaps the one that it leaves
    return printable(f"{hidden}{' more' if shown else ''} {entries_are} {where}")


def unnamed_level(group: Object) -> str:
    """That a group is at a level that no entry names, as after a misspelt request; empty if there is nothing to say."""
    entries = [entry for entry in group["entries"] if entry["mode"] != "off"]
    is_there = group["level"] is not None and group["health"] != "moving"
    is_declared = group["level"] in group.get("declared", ())  # which a daemon of an older version does not tell
    if not (is_there and entries) or is_declared or any(entry["in_level"] for entry in entries):
        return ""
    named = ", ".join(dict.fromkeys(entry["levels"].strip(",") for entry in entries))
    return printable(f"no entry names level {group['level']}, so none is to run; they name {shortened(named)}")


def _colour_of(reasons: Sequence[Object]) -> str:
    if not reasons:
        return ""
    return RED if any(reason["failure"] for reason in reasons) else YELLOW


def heading(group: Object, now: int) -> str:
    """A group in one line, such as `web: level 3 FAILED for 2min`."""
    level = "at no level" if group["level"] is None else f"level {group['level']} {group['state']}"
    health = ", degraded" if group["health"] == "degraded" else ""
    since = f" for {duration(now - group['since_usec'])}" if group["since_usec"] else ""
    gone = "" if group["in_table"] else ", and not in the table any more"
    resource = group.get("resource")
    owner = f", Pacemaker's resource {resource}" if resource else ""
    return printable(f"{group['group']}: {level}{health}{since}{_on_trial(group, now)}{gone}{owner}")


def _on_trial(group: Object, now: int) -> str:
    """Until when a group is on trial, behind how it is; empty if it is on none."""
    trial = group.get("trial")  # a daemon of an older version does not tell
    if trial is None:
        return ""
    there = "" if trial["level"] == group["level"] else f" of level {trial['level']}"
    then = "is stopped again" if trial["back"] is None else f"goes back to level {trial['back']}"
    return f", on trial{there} until {clock(trial['until_usec'], now)}, then it {then}"


def _table(entries: Sequence[Object], now: int, width: int | None) -> list[str]:
    """The lines of the table of entries with its headings, as many columns as fit; none for no entries."""
    if not entries:
        return []
    rows = [[name for name, _ in _COLUMNS]]
    rows += [[cell(entry, now) for _, cell in _COLUMNS] for entry in entries]
    # A column that has nothing to say is left out.
    kept = [index for index in range(len(_COLUMNS)) if any(row[index] != _NOTHING for row in rows[1:])]
    limit = None if width is None else width - len(_INDENT)
    while True:
        shown = aligned([[row[index] for index in kept] for row in rows])
        if limit is None or len(kept) <= 2 or max(map(columns, shown)) <= limit:
            return [cut(line, limit) for line in shown]
        kept.pop()


def _reason_lines(reason: Object, width: int | None, subject: str = "") -> Iterator[str]:
    indent = _INDENT * 2
    yield from wrapped(printable(f"{indent}{subject}{reason['words']}"), width)
    if reason["command"]:
        yield cut(printable(f"{indent}{reason['command']}"), width)
    if reason["cure"]:
        yield from wrapped(printable(f"{indent}{reason['cure']}"), width)


def ending(value: Object | None) -> str:
    """How a process ended, such as `1` or `SIGKILL`."""
    if value is None or value["kind"] in {"none", "running"}:
        return _NOTHING if value is None or value["result"] == "success" else str(value["result"])
    return str(value["signal"] or value["status"])


def size(value: int | None) -> str:
    """Bytes, such as `12.3M`."""
    if value is None:
        return _NOTHING
    amount = float(value)
    for unit in ("B", "K", "M", "G"):
        if amount < 1024:
            return f"{amount:.0f}{unit}" if unit == "B" or amount >= 100 else f"{amount:.1f}{unit}"
        amount /= 1024
    return f"{amount:.1f}T"
