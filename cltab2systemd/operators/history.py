"""`clinitctl history`."""

from __future__ import annotations

import os
import pwd
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from cltab2systemd import journalctl
from cltab2systemd.client import outcome
from cltab2systemd.commands import options, printing
from cltab2systemd.disk.instance import instance_names
from cltab2systemd.events import KINDS, By
from cltab2systemd.operators.located import located
from cltab2systemd.reports import history
from cltab2systemd.reports.history import Outcome, Purpose
from cltab2systemd.systemd import kernel
from cltab2systemd.terminal import aligned, duration, moment, printable
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cltab2systemd.reports.history import PastRequest

# Requests that are shown if neither their number nor a time is given.
_REQUESTS = 50
# Lines of the journal that are read: a request has two, and there are lines on the daemon.
_MOST_LINES = 100_000
_LONGEST = 10.0  # seconds
_MOST_BYTES = 256 * 1024 * 1024
_WORDS = {
    Outcome.OPEN: "under way",
    Outcome.GIVEN_UP: "given up: its daemon ended",
    Outcome.UNKNOWN: "not known: lines of the journal are lost",
}


@click.command(name="history")
@click.argument("groups", nargs=-1, metavar="[GROUP]…")
@click.option("-n", "--lines", type=click.IntRange(min=1), metavar="N", help="The last N requests.  [default: 50]")
@click.option("-S", "--since", metavar="TIME", help="Requests from then on, as `journalctl` takes it.")
@click.option("-U", "--until", metavar="TIME", help="Requests up to then, likewise.")
@click.option("--json", "as_json", is_flag=True, help="For a program: one JSON document.")
@options.of_daemon
def command(
    groups: tuple[str, ...], *, lines: int | None, since: str | None, until: str | None, as_json: bool,
    cltab: str | None, socket: str | None,
) -> None:  # fmt: skip
    """Show who asked for what and when, what came of it, and how long it took, out of the journal.

    Without a GROUP, these are the requests for all groups. The last one stands last.
    """
    instance = instance_names(located(cltab, socket)).instance
    matches = history.matches(KINDS, instance, groups)
    began = [f"--since={since}"] if since else []
    last, trouble = _last_time([*began, f"--until={until}"], matches) if until else (None, None)
    # Also what came later is read, for it tells what came of those that were under way then.
    records = _records(began, matches, _MOST_LINES)
    number = lines or (None if since or until else _REQUESTS)
    shown = [] if until and last is None else history.latest(records, KINDS, number, last)
    shown = [_with_its_daemon(request) for request in shown]
    trouble = trouble or records.trouble
    if trouble is not None:
        printing.complain(f"clinitctl: {printable(trouble.text)}")
    if as_json:
        printing.say_object({"requests": [as_object(request) for request in shown]})
    else:
        printing.say(as_text(shown))
        if not shown and trouble is None:
            printing.complain(f"clinitctl: the journal has no such request{_reach()}")
    raise SystemExit(outcome.FINE if trouble is None else outcome.REFUSED)


def _records(limits: Sequence[str], matches: Sequence[str], number: int) -> journalctl.Records:
    """Lines of the daemon, the last one first."""
    fields = f"--output-fields={','.join(history.FIELDS)}"
    return journalctl.Records([f"--lines={number}", "--reverse", fields, *limits, *matches], _LONGEST, _MOST_BYTES)


def _last_time(limits: Sequence[str], matches: Sequence[str]) -> tuple[int | None, journalctl.Trouble | None]:
    """When the last line between two times was written, in µs since 1970, None if there is none; and what kept it."""
    records = _records(limits, matches, 1)
    times = [int(decoded(record[b"__REALTIME_TIMESTAMP"])) for record in records]
    return (times[0] if times else None), records.trouble


def _reach() -> str:
    """Since when the journal has lines, as it is told behind something else; empty if that is not known."""
    records = journalctl.Records(["--output-fields=MESSAGE"], _LONGEST, _MOST_BYTES)
    first = next((record.get(b"__REALTIME_TIMESTAMP") for record in records), None)
    return f"; it reaches back to {moment(int(decoded(first)))}" if first is not None else ""


def _with_its_daemon(request: PastRequest) -> PastRequest:
    """A request as it is told: one that is open is given up if the daemon that was asked has ended."""
    if request.outcome is not Outcome.OPEN or not request.daemon.pid:
        return request
    started, is_this_boot = kernel.started_at(request.daemon.pid), request.daemon.boot == kernel.boot_id()
    if is_this_boot and (started is None and not os.path.exists("/proc/1")):  # noqa: PTH110
        return request  # the processes of others are hidden
    is_there = is_this_boot and started is not None and started <= request.told_at
    return request if is_there else replace(request, outcome=Outcome.GIVEN_UP)


def as_text(requests: Sequence[PastRequest]) -> Iterator[str]:
    """Requests as lines for a person, with a heading."""
    if not requests:
        return
    rows = [["WHEN", "GROUP", "FROM", "TO", "OUTCOME", "TOOK", "BY"]]
    rows += [
        [
            moment(request.began_at), printable(request.group), printable(request.origin or "-"),
            printable(_purpose(request)), printable(_outcome(request)),
            "-" if request.duration is None else duration(request.duration), printable(_by(request)),
        ]
        for request in requests
    ]  # fmt: skip
    heading, *lines = aligned(rows)
    yield heading
    for request, line in zip(requests, lines, strict=True):
        yield line
        if request.killed:
            yield f"  had to be killed, for it did not end in time: {printable(', '.join(request.killed))}"


def as_object(request: PastRequest) -> dict[str, object]:
    """A request as docs/json.md has it."""
    return {
        "id": request.id,
        "group": request.group,
        "action": str(request.purpose),
        "level": request.level or None,
        "entries": list(request.entries),
        "killed": list(request.killed),
        "origin": request.origin or None,
        "by": request.by or None,
        "uid": request.uid,
        "pid": request.pid,
        "command": request.command or None,
        "node": request.node or None,
        "instance": request.instance or None,
        "outcome": str(request.outcome),
        "state": request.state or None,
        "reason": request.reason or None,
        "text": request.text or None,
        "user": _user(request.uid),
        "began_usec": request.began_at,
        "duration_usec": request.duration,
    }


def _purpose(request: PastRequest) -> str:
    """What was asked for: a level, or what is no level, such as `(halt)` or `restart server`."""
    if request.purpose is Purpose.HALT:
        return "(halt)"
    return request.level if request.purpose is Purpose.LEVEL else " ".join((request.purpose, *request.entries))


def _outcome(request: PastRequest) -> str:
    """What came of a request, such as `DONE` or `refused (bad-level)`."""
    if request.outcome is Outcome.DONE and request.purpose is Purpose.STOP:
        return "stopped"
    if request.outcome in {Outcome.DONE, Outcome.FAILED} and request.state:
        return request.state
    if request.outcome in _WORDS:
        return _WORDS[request.outcome]
    return f"{request.outcome} ({request.reason})" if request.reason else str(request.outcome)


def _by(request: PastRequest) -> str:
    """Who asked, such as `alice[4711]: clinit web 3`; or what did, such as `boot`."""
    if request.uid is None and request.pid is None:
        return request.by or "-"
    who = _user(request.uid) or str(request.uid)
    who = f"end of the trial of {who}" if request.by == By.TRIAL else who
    process = "" if request.pid is None else f"[{request.pid}]"
    return f"{who}{process}: {request.command}" if request.command else f"{who}{process}"


def _user(uid: int | None) -> str | None:
    """The name of a user on this machine, as it is now; None if there is none."""
    try:
        return None if uid is None else pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return None
