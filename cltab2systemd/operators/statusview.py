"""How groups and their entries are: what `clinitctl status` shows, and what it exits with. Imports nothing heavy.

Whoever is called at night, and whatever asks every minute, does not wait for click (bench/README.md).
"""

from __future__ import annotations

import os
import sys
import time

from cltab2systemd.client import outcome
from cltab2systemd.client.calls import RefusedError, start_command, what_if_it_hangs
from cltab2systemd.commands import printing
from cltab2systemd.operators.askable import Daemon, NoAnswerError
from cltab2systemd.operators.colours import has_colours
from cltab2systemd.operators.present import present
from cltab2systemd.terminal import YELLOW, coloured, printable, shortened, wrapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cltab2systemd.client.requests import Client
    from cltab2systemd.operators.present import Object

# Beside those of clinit: no group is FAILED, and something is worth a look.
DEGRADED = 7
# How many names of missing groups are told.
_MOST_NAMES = 5
_NO_WAYS: Mapping[str, str] = {}
_DAEMON = {
    Daemon.GONE: "the daemon is gone; this is what systemd says. Start it with '{start}'",
    Daemon.SILENT: "the daemon gives no answer; this is what systemd says. {hangs}",
    Daemon.CLOSED: "only root and members of group clinit may ask the daemon; this is what systemd says",
    Daemon.BUSY: "this user has too many connections to the daemon; this is what systemd says. Close some",
    Daemon.OLD: "the daemon is of an older version; this is what systemd says. Restart it: 'systemctl restart clinit'",
}


def show(client: Client, groups: Sequence[str] = (), *, everything: bool = False, as_json: bool = False) -> int:
    """Print how groups are.

    Args:
        client: of the instance.
        groups: which groups; all, if there are none.
        everything: whether to show the entries too that are not in the level, and do not run.
        as_json: whether it is for a program.

    Returns:
        The exit code.
    """
    try:
        found = present(client, groups)
    except RefusedError as error:
        _refuse(client, groups, error)
        return outcome.REFUSED
    except NoAnswerError as error:
        printing.complain(f"clinitctl: {error}")
        return outcome.NO_DAEMON
    if as_json:
        printing.say_object(found)
        return code(found)
    width = height = None
    if sys.stdout.isatty():
        import shutil  # noqa: PLC0415 - a pipe has no use for it

        size = shutil.get_terminal_size()
        # A shell writes a line next.
        width, height = size.columns, None if groups or everything else size.lines - 1
    printing.say(as_text(found, start_command(client.locations), width, height, everything=everything))
    return code(found)


def _refuse(client: Client, groups: Sequence[str], error: RefusedError) -> None:
    """Say why a name is refused, and what is wrong besides, such as a table that is refused."""
    news = []
    try:
        found = present(client, ())
        news = [*_new_groups(client, groups, found), *problems(found, start_command(client.locations))]
    except (NoAnswerError, RefusedError):  # then that is all
        pass
    for hint in error.findings:
        printing.complain(f"clinitctl: {hint}")
    for text in (shortened(str(error)), *map(printable, news)):
        printing.complain(f"clinitctl: {text}")


def _new_groups(client: Client, groups: Sequence[str], found: Object) -> Iterator[str]:
    """What is to be known of groups that only the table on disk has."""
    known = {group["group"] for group in found["groups"]} | {*found["missing"]}
    table = found["table"]
    if table["refusal"] and not table["unread"]:
        why = "which is refused; it is a group when that is mended, and 'clinit' has read it"
    else:
        why = "which has not been read since; 'clinit' has it read"
    for name in groups:
        if name not in known and client.has_group(name):
            yield f"{shortened(name)} is new in {table['path']}, {why}"


def as_text(
    found: Object,
    start: str,
    width: int | None,
    height: int | None = None,
    *,
    scrolls: bool = True,
    everything: bool = False,
    ways: Mapping[str, str] = _NO_WAYS,
) -> Iterator[str]:
    """What was found as lines: first what is wrong with the daemon, clstat and the table, then the groups.

    Args:
        found: as `present` has it.
        start: the command that starts the daemon.
        width: the columns of the terminal; None if it is none.
        height: how many lines there may be, if the groups are to fit, as far as they are well; None if all of them are
            to be there.
        scrolls: whether there may be more all the same, of groups that are not well.
        everything: whether to show the entries too that are not in the level, and do not run.
        ways: how far groups under way have come, by name, each as a line, if that is known better than it was found.
    """
    from cltab2systemd.reports import statustext  # noqa: PLC0415 - a program that reads JSON has no use for it

    colours = has_colours()
    told = [
        coloured(line, YELLOW if colours else "")
        for problem in problems(found, start)
        for line in wrapped(printable(problem), width)
    ]
    if summary := statustext.summary(found["groups"], len(found["missing"])):
        told += [*wrapped(summary, width), ""]
    yield from told
    yield from statustext.lines(
        found["groups"], time.time_ns() // 1000, width,
        height=None if height is None else height - len(told), scrolls=scrolls, everything=everything,
        colours=colours, ways={**_ways(found["groups"], width), **ways},
    )  # fmt: skip


def _ways(groups: Sequence[Object], width: int | None) -> dict[str, str]:
    """How far groups under way have come, by name, each as a line that fits below the group's."""
    under_way = [group for group in groups if group["progress"]]
    if not under_way:
        return {}
    from cltab2systemd.client import progress  # noqa: PLC0415 - seldom needed

    wide = None if width is None else max(1, width - 2)
    return {group["group"]: progress.line(group["progress"], 0.0, wide) for group in under_way}


def problems(found: Object, start: str) -> Iterator[str]:
    """What is wrong with the instance itself.

    Args:
        found: as `present` has it.
        start: the command that starts the daemon.
    """
    daemon, table = Daemon(found["daemon"]["state"]), found["table"]
    if daemon is not Daemon.ANSWERS:
        yield _DAEMON[daemon].format(start=start, hangs=what_if_it_hangs(start))
    if problem := found["clstat"]["problem"]:
        yield problem
    if table["refusal"]:
        yield f"the table is refused, and the groups stay as they are: {table['refusal']}"
    if table["unread"] and _is_gone(table["path"]):
        yield f"{table['path']} is not there; the groups stay as they are until it is, and 'clinit' has read it"
    elif table["unread"]:
        yield f"{table['path']} has changed; 'clinit' has it read, and 'cltab2systemd diff' tells what it changes"
    if missing := found["missing"]:
        names = ", ".join(map(shortened, missing[:_MOST_NAMES])) + (", …" if missing[_MOST_NAMES:] else "")
        are = "1 group is" if len(missing) == 1 else f"{len(missing)} groups are"
        yield f"there was no time to ask systemd how {are}; ask for them by name: {names}"
    if not (found["groups"] or missing or table["refusal"]):
        yield f"{table['path']} has no group"


def _is_gone(path: str) -> bool:
    """Whether there is no such file, and not only none that this user may look for."""
    try:
        os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False
    return False


def code(found: Object) -> int:
    """The exit code."""
    health = {group["health"] for group in found["groups"]}
    if "failed" in health:
        return outcome.FAILED
    if found["daemon"]["state"] in {Daemon.GONE, Daemon.SILENT} or found["clstat"]["problem"]:
        return outcome.NO_DAEMON
    has_begun_badly = any(
        entry["state"] in {"failed", "backing-off"}
        for group in found["groups"]
        if group["health"] == "moving"
        for entry in group["entries"]
    )
    is_fine = (
        "degraded" not in health and not found["table"]["refusal"] and not found["missing"] and not has_begun_badly
    )
    return outcome.FINE if is_fine else DEGRADED
