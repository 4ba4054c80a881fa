"""`clinitctl why`."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING

import click

from cltab2systemd.client import evidence, outcome
from cltab2systemd.client.calls import RefusedError, start_command
from cltab2systemd.client.progress import details
from cltab2systemd.client.requests import Client
from cltab2systemd.commands import options, printing
from cltab2systemd.disk.instance import instance_names
from cltab2systemd.groups.culprit import Run
from cltab2systemd.groups.cures import commands
from cltab2systemd.groups.entrycommands import move_command
from cltab2systemd.journal import Writer
from cltab2systemd.operators.askable import NoAnswerError
from cltab2systemd.operators.colours import has_colours
from cltab2systemd.operators.present import present
from cltab2systemd.operators.statusview import code, problems
from cltab2systemd.reports import whytext
from cltab2systemd.reports.overview import culprit_object
from cltab2systemd.reports.statustext import QUIET, unnamed_level, worst_first
from cltab2systemd.systemd import culprits
from cltab2systemd.table.model import Levels
from cltab2systemd.terminal import YELLOW, coloured, printable, shortened, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cltab2systemd.journal import JournalLine
    from cltab2systemd.operators.present import Object
    from cltab2systemd.units.names import Names

# Lines of an attempt; reasons for which the journal is asked; seconds for all of that.
_LINES = 20
_MOST = 10
_SECONDS = 5.0
# What somebody may have done by hand; and what only if a signal has ended the process.
_BY_HAND = {"down", "broken-off", "masked"}
_BY_HAND_IF_KILLED = {"test-failed", "required-failed", "restarting", "ended-badly"}


@click.command(name="why")
@click.argument("groups", nargs=-1, metavar="[GROUP]…")
@click.option("--json", "as_json", is_flag=True, help="For a program: one JSON document.")
@options.of_daemon
@click.option("--clstat", metavar="PATH", help="The status file.")
def command(
    groups: tuple[str, ...], *, as_json: bool, cltab: str | None, socket: str | None, clstat: str | None
) -> None:
    """Say why groups are not well: each reason with the lines that bear it out, and the commands that cure it.

    Without a GROUP, these are all groups that are not well. Of one that is on its way, it says what is waited for. The
    exit codes are those of `status`.
    """
    client = Client(cltab, socket, clstat)
    try:
        found = present(client, groups)
    except RefusedError as error:
        for hint in error.findings:
            printing.complain(f"clinitctl: {hint}")
        printing.complain(f"clinitctl: {shortened(str(error))}")
        raise SystemExit(outcome.REFUSED) from error
    except NoAnswerError as error:
        printing.complain(f"clinitctl: {error}")
        raise SystemExit(outcome.NO_DAEMON) from error
    told = found["groups"] if groups else [group for group in found["groups"] if _is_worth_a_look(group)]
    explainer = Explainer(instance_names(client.locations))
    if as_json:
        objects = [as_object(found, explainer.explain(group)) for group in told]
        printing.say_object(objects[0] if objects and len(set(groups)) == 1 else several(found, objects))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        printing.say(_as_text(found, told, explainer, start_command(client.locations), width))
    raise SystemExit(code(found))


def _is_worth_a_look(group: Object) -> bool:
    return group["health"] not in QUIET or bool(unnamed_level(group))


def _as_text(
    found: Object, told: Sequence[Object], explainer: Explainer, start: str, width: int | None
) -> Iterator[str]:
    colours = has_colours()
    troubles = [*problems(found, start)]
    for problem in troubles:
        for line in wrapped(printable(problem), width):
            yield coloured(line, YELLOW if colours else "")
    for number, group in enumerate(worst_first(told)):
        if number:
            yield ""
        way = [*_summary(group, is_all_well=not troubles)]
        explained = explainer.explain(group)
        yield from whytext.lines(explained, time.time_ns() // 1000, width, way=way, colours=colours)
    if found["groups"] and not told:
        yield "all is well" if not troubles else "the groups that are known are well"


def _summary(group: Object, *, is_all_well: bool) -> Iterator[str]:
    """What is said of a group at once, as printable lines."""
    if note := unnamed_level(group):
        yield note
    elif group["health"] == "at-rest" and not group["progress"]:  # a preflight may run before it leaves its rest
        runnable = [entry for entry in group["entries"] if entry["mode"] != "off"]
        levels = [*dict.fromkeys(level for entry in runnable for level in Levels(entry["levels"]).meant)]
        move = f"; {move_command(group['group'], levels)} brings it to one" if group["in_table"] else ""
        yield f"nothing is wrong with it: it is at no level{move}"
    elif group["health"] == "well" and not is_all_well:
        yield "the group itself is well"
    if group["progress"]:
        yield from details(group["progress"])


def as_object(found: Object, explained: Object) -> Object:
    """The value that `clinitctl why --json GROUP` prints; docs/json.md describes it.

    Args:
        found: as `present` has it.
        explained: the group, as `Explainer.explain` has it.
    """
    return {"daemon": found["daemon"], "table": found["table"], **explained}


def several(found: Object, objects: Sequence[Object]) -> Object:
    """The value for no group and for several: that of each."""
    return {"daemon": found["daemon"], "table": found["table"], "missing": found["missing"], "groups": [*objects]}


class Explainer:
    """Explains groups, one after the other. The journal is asked for the first reasons, within seconds.

    Args:
        names: the unit names of the instance.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._deadline = time.monotonic() + _SECONDS
        self._left = _MOST

    def explain(self, group: Object) -> Object:
        """What is told of a group.

        Args:
            group: as `present` has it.
        """
        under_way = {"starting", "stopping", "waiting"} if group["health"] == "moving" else set()
        awaited = [entry for entry in group["entries"] if entry["state"] in under_way]
        return {
            "group": group["group"],
            "level": group["level"],
            "state": group["state"],
            "since_usec": group["since_usec"],
            "health": group["health"],
            "trial": group.get("trial"),  # a daemon of an older version does not tell
            "in_table": group["in_table"],
            "resource": group["resource"],
            "progress": group["progress"],
            "awaited": [
                {name: each[name] for name in ("tag", "mode", "state", "unit", "since_usec")} for each in awaited
            ],
            "reasons": [self._explained(reason, group) for reason in group["reasons"]],
        }

    def _explained(self, reason: Object, group: Object) -> Object:
        self._left -= 1
        return _explained(reason, group, self._names, self._deadline if self._left >= 0 else 0)


def _explained(reason: Object, group: Object, names: Names, deadline: float) -> Object:
    """A reason with what the journal has of it."""
    said, trouble, by = [], None, reason.get("by")  # a daemon of an older version does not tell
    if (left := deadline - time.monotonic()) > 0:
        excerpt = evidence.of_attempt(reason, left, _LINES)
        said = [_line_object(line) for line in excerpt.lines]
        trouble = excerpt.trouble.text if excerpt.trouble is not None else None
        left = deadline - time.monotonic()
        if by is None and _may_be_by_hand(reason) and reason["since_usec"] is not None and left > 0:
            run = Run(reason["unit"], names.slice(group["group"]), 0, reason["since_usec"])
            found = culprits.culprits([run], left).get(run.unit)
            by = None if found is None else culprit_object(found)
    steps = commands(
        reason["code"], reason["mode"] or "", reason["unit"],
        group=group["group"], tag=reason["tag"] or "", level=group["level"] or "", said=reason["words"],
    )  # fmt: skip
    return {
        **reason,
        "by": by,
        "lines": said,
        "trouble": trouble,
        "commands": steps,
    }


def _may_be_by_hand(reason: Object) -> bool:
    is_killed = reason["ending"] is not None and reason["ending"]["signal"] is not None
    return reason["code"] in _BY_HAND or (is_killed and reason["code"] in _BY_HAND_IF_KILLED)


def _line_object(line: JournalLine) -> Object:
    return {
        "time_usec": line.time,
        "systemd": line.writer is Writer.SYSTEMD,
        "text": "\n".join(evidence.message_lines(line)),
    }
