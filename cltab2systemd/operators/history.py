"""`clinitctl history`."""

from __future__ import annotations

import pwd
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import click

from cltab2systemd import journal
from cltab2systemd.client import outcome
from cltab2systemd.commands import options, printing
from cltab2systemd.disk.instance import instance_names
from cltab2systemd.events import KINDS
from cltab2systemd.locations import locate
from cltab2systemd.reports import history
from cltab2systemd.reports.statustext import duration
from cltab2systemd.terminal import aligned, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cltab2systemd.reports.history import PastRequest

# Requests that are shown if neither their number nor a time is given.
_REQUESTS = 50
# Lines of the journal that are read: a request has two, and there may be other groups.
_MOST_LINES = 100_000
_LONGEST = 10.0  # seconds
_MOST_BYTES = 256 * 1024 * 1024


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
    instance = instance_names(locate(cltab, socket)).instance
    wanted = [f"CLINIT_GROUP={group}" for group in groups]
    limits = [f"--{name}={value}" for name, value in (("since", since), ("until", until)) if value]
    records = journal.Records(
        [f"--lines={_MOST_LINES}", "--reverse", f"--output-fields={','.join(history.FIELDS)}", *limits,
         *history.matches(KINDS), *wanted, f"CLINIT_INSTANCE={instance}"],
        _LONGEST, _MOST_BYTES,
    )  # fmt: skip
    shown = history.latest(records, KINDS, lines or (None if limits else _REQUESTS))
    if records.trouble is not None:
        printing.complain(f"clinitctl: {printable(records.trouble.text)}")
    if as_json:
        printing.say_object({"requests": [as_object(request) for request in shown]})
    else:
        printing.say(as_text(shown))
    raise SystemExit(outcome.FINE if records.trouble is None else outcome.REFUSED)


def as_text(requests: Sequence[PastRequest]) -> Iterator[str]:
    """Requests as lines for a person, with a heading."""
    if not requests:
        return
    rows = [["WHEN", "GROUP", "FROM", "TO", "OUTCOME", "TOOK", "BY"]]
    rows += [
        [
            _when(request.began_at), printable(request.group), printable(request.origin or "-"),
            printable(request.level), printable(_outcome(request)),
            "-" if request.duration is None else duration(request.duration), printable(_by(request)),
        ]
        for request in requests
    ]  # fmt: skip
    yield from aligned(rows)


def as_object(request: PastRequest) -> dict[str, object]:
    """A request as docs/json.md has it."""
    fields = asdict(request)
    duration_usec, began_usec = fields.pop("duration"), fields.pop("began_at")
    fields["outcome"] = str(request.outcome)
    fields["user"] = _user(request.uid)
    texts = {name: value if value != "" else None for name, value in fields.items()}
    return {**texts, "began_usec": began_usec, "duration_usec": duration_usec}


def _when(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1_000_000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _outcome(request: PastRequest) -> str:
    """What came of a request, such as `DONE` or `refused (bad-level)`."""
    if request.outcome in {history.Outcome.DONE, history.Outcome.FAILED} and request.state:
        return request.state
    return f"{request.outcome} ({request.reason})" if request.reason else str(request.outcome)


def _by(request: PastRequest) -> str:
    """Who asked, such as `alice[4711]: clinit web 3`; or what did, such as `boot`."""
    if request.uid is None and request.pid is None:
        return request.by or "-"
    who = _user(request.uid) or str(request.uid)
    process = "" if request.pid is None else f"[{request.pid}]"
    return f"{who}{process}: {request.command}" if request.command else f"{who}{process}"


def _user(uid: int | None) -> str | None:
    """The name of a user on this machine, as it is now; None if there is none."""
    try:
        return None if uid is None else pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return None
