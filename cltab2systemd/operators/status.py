"""`clinitctl status`."""

from __future__ import annotations

import shutil
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from cltab2systemd.client import outcome
from cltab2systemd.client.calls import RefusedError, start_command
from cltab2systemd.client.requests import Client
from cltab2systemd.commands import options, printing
from cltab2systemd.operators.colours import has_colours
from cltab2systemd.operators.present import Daemon, NoAnswerError, present
from cltab2systemd.terminal import YELLOW, coloured, printable, shortened, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cltab2systemd.operators.present import Object

# Beside those of clinit: no group is FAILED, and something is worth a look.
DEGRADED = 7
# How many names of missing groups are told.
_MOST_NAMES = 5
_NO_WAYS: Mapping[str, str] = {}
_DAEMON = {
    Daemon.GONE: "the daemon is gone; this is what systemd says. Start it with '{start}'",
    Daemon.SILENT: "the daemon gives no answer; this is what systemd says. See 'systemctl status clinit'",
    Daemon.CLOSED: "only root and members of group clinit may ask the daemon; this is what systemd says",
    Daemon.OLD: "the daemon is of an older version; this is what systemd says. Restart it: 'systemctl restart clinit'",
}


@click.command(name="status")
@click.argument("groups", nargs=-1, metavar="[GROUP]…")
@click.option("-a", "--all", "everything", is_flag=True, help="Show entries too that the level does not have.")
@click.option("--json", "as_json", is_flag=True, help="For a program: one JSON document.")
@options.of_daemon
@click.option("--clstat", metavar="PATH", help="The status file.")
def command(
    groups: tuple[str, ...], *, everything: bool, as_json: bool, cltab: str | None, socket: str | None,
    clstat: str | None,
) -> None:  # fmt: skip
    """Show how groups and their entries are, what is wrong first.

    Without a GROUP, these are all groups. The daemon is asked; if it gives no answer, systemd is. The exit code says
    whether all is well: 0 if it is, 4 if a group is FAILED, 3 if no daemon looks after the groups, and 7 if something
    is worth a look: an entry that backs off, say, or a table that is refused.
    """
    client = Client(cltab, socket, clstat)
    try:
        found = present(client, groups)
    except RefusedError as error:
        for hint in error.findings:
            printing.complain(f"clinitctl: {hint}")
        printing.complain(f"clinitctl: {shortened(str(error))}")
        with suppress(NoAnswerError, RefusedError):
            for problem in problems(present(client, ()), start_command(client.locations)):  # as a table that is refused
                printing.complain(f"clinitctl: {printable(problem)}")
        raise SystemExit(outcome.REFUSED) from error
    except NoAnswerError as error:
        printing.complain(f"clinitctl: {error}")
        raise SystemExit(outcome.NO_DAEMON) from error
    if as_json:
        printing.say_object(found)
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        printing.say(as_text(found, start_command(client.locations), width, everything=everything))
    raise SystemExit(code(found))


def as_text(
    found: Object, start: str, width: int | None, *, everything: bool = False, ways: Mapping[str, str] = _NO_WAYS
) -> Iterator[str]:
    """What was found as lines: first what is wrong with the daemon, clstat and the table, then the groups.

    Args:
        found: as `present` has it.
        start: the command that starts the daemon.
        width: the columns of the terminal; None if it is none.
        everything: whether to show the entries too that are not in the level, and do not run.
        ways: how far groups under way have come, by name, each as a line.
    """
    colours = has_colours()
    for problem in problems(found, start):
        for line in wrapped(printable(problem), width):
            yield coloured(line, YELLOW if colours else "")
    from cltab2systemd.reports import statustext  # noqa: PLC0415 - a program that reads JSON has no use for it

    now = time.time_ns() // 1000
    yield from statustext.lines(found["groups"], now, width, everything=everything, colours=colours, ways=ways)


def problems(found: Object, start: str) -> Iterator[str]:
    """What is wrong with the instance itself.

    Args:
        found: as `present` has it.
        start: the command that starts the daemon.
    """
    daemon, table = Daemon(found["daemon"]["state"]), found["table"]
    if daemon is not Daemon.ANSWERS:
        yield _DAEMON[daemon].format(start=start)
    if problem := found["clstat"]["problem"]:
        yield problem
    if table["refusal"]:
        yield f"the table is refused, and the groups stay as they are: {table['refusal']}"
    if table["unread"]:
        yield f"{table['path']} has changed; 'clinit' has it read, and 'cltab2systemd diff' tells what it changes"
    if missing := found["missing"]:
        names = ", ".join(map(shortened, missing[:_MOST_NAMES])) + (", …" if missing[_MOST_NAMES:] else "")
        are = "1 group is" if len(missing) == 1 else f"{len(missing)} groups are"
        yield f"there was no time to ask systemd how {are}; ask for them by name: {names}"
    elif not found["groups"] and not table["refusal"]:
        yield f"{table['path']} has no group"


def code(found: Object) -> int:
    """The exit code."""
    health = {group["health"] for group in found["groups"]}
    if "failed" in health:
        return outcome.FAILED
    if found["daemon"]["state"] in {Daemon.GONE, Daemon.SILENT} or found["clstat"]["problem"]:
        return outcome.NO_DAEMON
    is_fine = "degraded" not in health and not found["table"]["refusal"] and not found["missing"]
    return outcome.FINE if is_fine else DEGRADED
