"""`clinitctl watch`: groups as they change."""

from __future__ import annotations

import os
import select
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from cltab2systemd.client import outcome
from cltab2systemd.client.calls import RefusedError
from cltab2systemd.client.requests import Client
from cltab2systemd.commands import options
from cltab2systemd.commands.printing import complain
from cltab2systemd.locations import live_clstat
from cltab2systemd.operators.askable import Daemon, NoAnswerError
from cltab2systemd.operators.following import follow
from cltab2systemd.operators.present import present
from cltab2systemd.reports import statuschanges
from cltab2systemd.reports.statuschanges import Change, Kind
from cltab2systemd.streams import give_up_output
from cltab2systemd.terminal import shortened
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


# Seconds: how soon a terminal's new size shows, and how soon it is noticed that nobody reads any more.
_TICK_OF_SCREEN = 0.25
_TICK_OF_LINES = 1.0


@click.command(name="watch")
@click.argument("groups", nargs=-1, metavar="[GROUP]…")
@click.option("-a", "--all", "everything", is_flag=True, help="Show entries too that the level does not have.")
@click.option("--json", "as_json", is_flag=True, help="For a program: a line of JSON for each change.")
@options.of_daemon
def command(groups: tuple[str, ...], *, everything: bool, as_json: bool, cltab: str | None, socket: str | None) -> None:
    """Show groups as they change, until Ctrl-C.

    Without a GROUP, these are all groups. A terminal has the status drawn in place, what is wrong first, with how far
    groups under way have come. Else there is a line for each group as it is, then one for each change. If the daemon
    goes away, that is said; it goes on when the daemon is back.
    """
    client = Client(cltab, socket)
    try:
        if groups:
            present(client, groups)
    except RefusedError as error:
        for hint in error.findings:
            complain(f"clinitctl: {hint}")
        complain(f"clinitctl: {shortened(str(error))}")
        raise SystemExit(outcome.REFUSED) from error
    except NoAnswerError as error:
        complain(f"clinitctl: {error}")
    can_draw = sys.stdout.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}
    try:
        if can_draw and not as_json:
            _draw(client, groups, everything=everything)
        else:
            _Lines(client, groups, as_json=as_json).write()
    except OSError as error:
        give_up_output()
        if not isinstance(error, BrokenPipeError):
            complain(f"clinitctl: cannot write: {error.strerror}")
            raise SystemExit(outcome.REFUSED) from error


def _draw(client: Client, groups: Sequence[str], *, everything: bool) -> None:
    from cltab2systemd.operators.screen import Screen, Terminal  # noqa: PLC0415 - lines have no use for it

    with Terminal() as terminal:
        screen = Screen(terminal, client, groups, everything=everything)
        for heard in follow(client.locations, _TICK_OF_SCREEN):
            screen.hear(heard)


class _Lines:
    """What is written: a line for each change."""

    def __init__(self, client: Client, groups: Sequence[str], *, as_json: bool) -> None:
        self._client = client
        self._groups = groups
        self._as_json = as_json
        self._daemon = Daemon.ANSWERS
        self._known: dict[str, statuschanges.Object] = {}
        self._seen: tuple[int, int] | None = None  # which clstat
        self._missing: Sequence[str] = ()  # groups of that which there was no time to ask about

    def write(self) -> None:
        """Write changes until nobody reads them any more, which is a BrokenPipeError."""
        for heard in follow(self._client.locations, _TICK_OF_LINES):
            if heard is None:
                _see_that_somebody_reads()
                continue
            if heard.daemon is not self._daemon:
                self._daemon = heard.daemon
                _write([Change(Kind.DAEMON, str(self._daemon))], as_json=self._as_json)
            if heard.daemon is Daemon.ANSWERS:
                self._tell(heard.groups)
            elif heard.daemon is Daemon.CLOSED:
                self._look()
            elif heard.daemon is Daemon.SILENT:
                self._look_at_systemd()

    def _look(self) -> None:
        """Tell what anybody can see, if clstat is another than last time; then of those that there was no time for."""
        try:
            status = os.stat(live_clstat(self._client.locations))  # noqa: PTH116
        except OSError:
            return
        seen = status.st_ino, status.st_mtime_ns
        is_same, self._seen = seen == self._seen, seen
        if is_same and not self._missing:
            return
        try:
            found = present(self._client, self._missing if is_same else self._groups)
        except NoAnswerError:
            self._seen = None
            return
        except RefusedError:  # one that is wanted is gone
            if self._missing:
                self._missing, self._seen = (), None
            return
        self._missing = found["missing"]
        left = self._known.keys() if is_same else self._missing
        known = {name: group for name, group in self._known.items() if name in left}
        self._tell([*{**known, **_answered(found)}.values()])

    def _look_at_systemd(self) -> None:
        """Tell what systemd says. What it has not said in time is as it was."""
        with suppress(NoAnswerError, RefusedError):
            found = present(self._client, self._groups)
            self._tell([*{**self._known, **_answered(found)}.values()])

    def _tell(self, statuses: Sequence[statuschanges.Object]) -> None:
        before, self._known = self._known, statuschanges.by_name(statuses, self._groups)
        _write(statuschanges.changes(before, self._known), as_json=self._as_json)


def _answered(found: statuschanges.Object) -> dict[str, statuschanges.Object]:
    """The groups of which it is known how they are, by name."""
    return {group["group"]: group for group in found["groups"] if group["state"] is not None}


def _write(changes: Iterable[Change], *, as_json: bool) -> None:
    for change in changes:
        if as_json:
            import json  # noqa: PLC0415 - slow to import

            from cltab2systemd.reports import asjson  # noqa: PLC0415 - slow to import

            text = json.dumps(asjson.value(statuschanges.as_object(change, time.time_ns() // 1000)))
        else:
            text = statuschanges.line(change, datetime.now(UTC).astimezone().isoformat(timespec="seconds"))
        sys.stdout.buffer.write(encoded(text) + b"\n")
    sys.stdout.buffer.flush()


def _see_that_somebody_reads() -> None:
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    if any(state & select.POLLERR for _, state in poll.poll(0)):
        raise BrokenPipeError
