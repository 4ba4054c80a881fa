"""`cltab2systemd explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cltab2systemd import terminal
from cltab2systemd.commands import doubts, instance, options, printing, tables
from cltab2systemd.groups.changes import Standing
from cltab2systemd.groups.settings import span
from cltab2systemd.locations import locate
from cltab2systemd.reports import asjson
from cltab2systemd.reports.explain import explain
from cltab2systemd.terminal import printable, shortened
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cltab2systemd.reports.explain import Explanation
    from cltab2systemd.table.model import Entry, Mode


# Entries behind one that is required that are named.
_MOST_BEHIND = 8


class _Level(click.ParamType):
    """A level as the daemon takes it."""

    name = "level"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if encoded(value).split() != [encoded(value)]:
            self.fail("a level is a name without blanks", param, ctx)
        return value


@click.command(name="explain")
@click.argument("group")
@click.argument("level", type=_Level())
@click.option("--from", "from_level", type=_Level(), metavar="LEVEL", help="The level that the group comes from.")
@click.option("--table", metavar="FILE", help="The table, if it is not the daemon's.")
@options.of_daemon
@options.format_option
def command(
    group: str, level: str, *, from_level: str | None, table: str | None, cltab: str | None, socket: str | None,
    format_: str,
) -> None:  # fmt: skip
    """Explain step by step what `clinit GROUP LEVEL` does: what is stopped, what is started and how, what stays.

    Without --from, the group comes from the level that it is at on this machine, with what is applied of it; if it is
    at none, it comes from nothing. With --from it comes from that level of the same table.
    """
    locations = locate(cltab, socket)
    loaded = tables.load(table or locations.table)
    if from_level is None:
        doubts.stop_if_any(locations, loaded, 1)
    wanted = loaded.group(group)
    if not wanted.entries:
        printing.complain(f"cltab2systemd: no such group: {shortened(group)}")
        raise SystemExit(1)
    standing = Standing(wanted, from_level)
    others: tuple[Standing, ...] = ()
    if from_level is None:
        here = instance.Instance(locations)
        try:
            present = here.standings(level)
        except OSError as error:
            printing.complain(f"cltab2systemd: {error.filename}: {error.strerror}")
            raise SystemExit(1) from error
        standing = present.get(group, standing)
        for note in here.notes([standing.group]):
            printing.complain(f"cltab2systemd: {note}")
        others = tuple(other for name, other in present.items() if name != group)
    explanation = explain(standing, wanted, level, others)
    if format_ == options.Format.JSON:
        printing.say_json(as_json(explanation))
    else:
        printing.say(as_text(explanation))


def as_text(explanation: Explanation) -> Iterator[str]:
    """An explanation as lines for a person."""
    level = f"to level {explanation.level}"
    way = f"{level}, while nothing runs" if explanation.present is None else f"from level {explanation.present} {level}"
    yield printable(f"{explanation.group}: {way}")
    if explanation.is_refused:
        yield "No entry names this level, and the group does not declare it: the request is refused."
        return
    if explanation.is_declared and not explanation.is_named:
        yield "The group declares this level, and no entry names it: it stops everything."
    elif not explanation.is_named:
        yield "No entry names this level: it stops everything."
    if explanation.preflights:
        yield "Run first, one after the other; each has to exit with 0, or nothing is done:"
        yield from _lines(_preflight(entry) for entry in explanation.preflights)
    if explanation.moving:
        yield "First stop, in the groups that they have left:"
        yield from _lines([printable(f"{entry.group}:{entry.tag}"), entry.kind] for entry in explanation.moving)
    if explanation.stops:
        how = "one after the other" if explanation.stops_in_order else "all at once"
        yield f"Stop, {how}, and wait until they are gone:"
        yield from _lines(
            [printable(entry.tag), entry.kind, "started again below" if entry.tag in explanation.restarts else ""]
            for entry in explanation.stops
        )
    if explanation.starts:
        yield "Start, in this order:"
        yield from _lines(
            [f"{number}.", printable(entry.tag), entry.kind, _how(entry, explanation)]
            for number, entry in enumerate(explanation.starts, 1)
        )
        yield from _held_back(explanation.starts)
    if explanation.stays:
        yield "Leave alone:"
        yield from _lines([printable(entry.tag), entry.kind, _stay(entry, explanation)] for entry in explanation.stays)
    if not (explanation.moving or explanation.stops or explanation.starts):
        yield "Nothing is stopped or started."


def _held_back(starts: Sequence[Entry]) -> Iterator[str]:
    """What is not started if an entry fails that is required, as a line for each such entry."""
    for index, entry in enumerate(starts, 1):
        if entry.holds_back and (behind := [shortened(other.tag) for other in starts[index:]]):
            named = ", ".join(behind[:_MOST_BEHIND]) + (", …" if len(behind) > _MOST_BEHIND else "")
            failing = (
                f"{shortened(entry.ready_of)} does not get ready" if entry.ready_of else f"{shortened(entry.tag)} fails"
            )
            yield f"If {failing}, what stands behind it is not started: {named}"


def _preflight(entry: Entry) -> list[str]:
    assert entry.preflight is not None
    most = span(entry.preflight.timeout_usec)
    return [printable(entry.tag), shortened(entry.preflight.command), f"at most {most}"]


def _stay(entry: Entry, explanation: Explanation) -> str:
    """What becomes of an entry that is left alone, and what is wrong with it."""
    rests = "not asked again" if entry.ready_of else "runs on" if entry.mode.is_restarted else "not run again"
    return explanation.failed.get(entry.tag) or rests


def _how(entry: Entry, explanation: Explanation) -> str:
    """How an entry is started."""
    is_again = entry.tag in explanation.reruns
    if entry.ready_of and entry.ready is not None:
        again = "asked again; " if is_again else ""
        most = span(entry.ready.timeout_usec)
        return printable(f"{again}waits until {entry.ready_of} is ready ({entry.command}; at most {most})")
    return ("run again, for it has failed; " if is_again else "") + start_of(entry.mode, notifies=entry.notifies)


def start_of(mode: Mode, *, notifies: bool = False) -> str:
    """What the start of an entry of a mode means for the entries after it, and what comes of its end.

    Args:
        mode: the mode.
        notifies: whether its program says when it is ready.
    """
    if not mode.is_started:
        return "never started"
    until = "it ends" if mode.is_waited_for else "it says that it is ready" if notifies else ""
    waits = f"waits until {until}" if until else "goes on at once"
    judged = "; the group is FAILED unless it exits with 0" if mode.is_judged else ""
    return waits + judged + ("; restarted whenever it ends" if mode.is_restarted else "")


def _lines(rows: Iterable[list[str]]) -> list[str]:
    return [f"  {line}" for line in terminal.aligned([*rows])]


def as_json(explanation: Explanation) -> asjson.Json:
    """An explanation as a JSON value."""
    return {
        "group": asjson.text(explanation.group),
        "from": asjson.optional(explanation.present),
        "level": asjson.text(explanation.level),
        "named": explanation.is_named,
        "declared": explanation.is_declared,
        "refused": explanation.is_refused,
        "preflights": _entries(explanation.preflights),
        "moving": _entries(explanation.moving),
        "stops_in_order": explanation.stops_in_order,
        "stops": _entries(explanation.stops),
        "starts": _entries(explanation.starts),
        "reruns": asjson.texts(entry.tag for entry in explanation.starts if entry.tag in explanation.reruns),
        "stays": _entries(explanation.stays),
        "failed": asjson.texts(entry.tag for entry in explanation.stays if entry.tag in explanation.failed),
        "rest": _entries(explanation.rest),
    }


def _entries(entries: Iterable[Entry]) -> asjson.Json:
    return [asjson.entry(entry) for entry in entries]
