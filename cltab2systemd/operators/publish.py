"""`clinitctl publish`: tells Pacemaker how the groups of this node are, for as long as it runs."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import click

from cltab2systemd.client import outcome
from cltab2systemd.client.calls import RefusedError
from cltab2systemd.client.requests import Client
from cltab2systemd.cluster import attributes
from cltab2systemd.commands import options
from cltab2systemd.commands.printing import complain
from cltab2systemd.disk.files import identify
from cltab2systemd.disk.tables import identify_table
from cltab2systemd.locations import GOOD_TABLE
from cltab2systemd.operators import pacemaker
from cltab2systemd.operators.askable import NoAnswerError
from cltab2systemd.operators.following import follow
from cltab2systemd.operators.present import present
from cltab2systemd.outputs import NoOutputError

if TYPE_CHECKING:
    from types import FrameType

# Seconds: between two looks at the daemon when there is no news, and for its answer.
_TICK = 1.0
_PATIENCE = 10.0
# Seconds: how often other nodes are told that this one is looked after, and what the cluster has lost is set again; and
# how often it is tried when that fails, as while Pacemaker starts.
_BEAT = 30.0
_AGAIN = 5.0
# Seconds for which it is tried to take back what the cluster has been told, and between two tries.
_LAST_WORDS = 10.0
_PAUSE = 0.5
# How often it is looked, a tick apart, after a file of the table, or the copy of the one in force, has changed: the
# daemon tells groups that change, and not that it has read a table, or refused it.
_LOOKS = 5
# Seconds for which the cluster collects changes before it takes note of them.
_DAMPENED = 1


@click.command(name="publish")
@options.of_daemon
def command(cltab: str | None, socket: str | None) -> None:
    """Tell Pacemaker how the groups of this node are, until it is ended; clinit-publish.service runs this.

    They are node attributes, which `clinitctl nodes` reads at any node. At its end they are removed.
    """
    signal.signal(signal.SIGTERM, _end)
    publisher = _Publisher(Client(cltab, socket))
    try:
        for heard in follow(publisher.client.locations, _TICK):
            publisher.look(is_news=heard is not None or publisher.sees_a_table())
    except (SystemExit, KeyboardInterrupt):
        publisher.remove_all()
        raise SystemExit(outcome.FINE) from None


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(outcome.FINE)


class _Publisher:
    """What the cluster has been told, and when it is told next."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._told: dict[str, str] | None = None  # None if it is not known what the cluster has
        self._due = 0.0
        self._trouble = ""
        self._tables = self._identities()
        self._looks = 0

    def sees_a_table(self) -> bool:
        """Whether there is a table that was not there some ticks ago."""
        before, self._tables = self._tables, self._identities()
        self._looks = _LOOKS if before != self._tables else max(0, self._looks - 1)
        return self._looks > 0

    def _identities(self) -> tuple[object, ...]:
        return identify_table(self.client.locations.table), identify(GOOD_TABLE)

    def look(self, *, is_news: bool) -> None:
        """Tell the cluster what is new; at times, all that it has not."""
        is_due = time.monotonic() >= self._due
        if not is_due and not (is_news and self._told is not None):
            return
        try:
            if is_due or self._told is None:
                self._told = pacemaker.published()
            self._tell(self._wanted())
            if is_due:
                pacemaker.beat()
                self._due = time.monotonic() + _BEAT
            self._say("")
        except (NoOutputError, NoAnswerError, RefusedError) as error:
            self._told = None
            self._due = time.monotonic() + _AGAIN
            self._say(str(error))

    def _wanted(self) -> dict[str, str]:
        found = present(self.client, (), _PATIENCE)
        if found["missing"]:  # not to be taken for groups that are gone
            raise NoAnswerError("systemd did not tell of all groups in time")
        return attributes.publish(found)

    def remove_all(self) -> None:
        """Take back all that the cluster has been told. Without Pacemaker there is nothing: it forgets by itself."""
        until = time.monotonic() + (_LAST_WORDS if self._told else 0)
        while True:
            try:
                left = {**(self._told or {}), **pacemaker.published()}
                for name in left:
                    pacemaker.remove_attribute(name)
                self._told = {}
                if not left:
                    return
                trouble = "the cluster still has it"
            except NoOutputError as error:
                trouble = str(error)
            if time.monotonic() >= until:
                self._say(trouble)
                return
            time.sleep(_PAUSE)

    def _tell(self, wanted: dict[str, str]) -> None:
        assert self._told is not None
        for name in self._told.keys() - wanted.keys():
            pacemaker.remove_attribute(name)
            del self._told[name]
        for name, value in wanted.items():
            if self._told.get(name) != value:
                pacemaker.set_attribute(name, value, seconds=_DAMPENED)
                self._told[name] = value

    def _say(self, trouble: str) -> None:
        """Say once that it fails, and that it goes on."""
        if trouble and not self._trouble:
            complain(
                f"clinitctl: the cluster is not told how the groups are: {trouble}; it is tried every {_AGAIN:g} s"
            )
        elif self._trouble and not trouble:
            complain("clinitctl: the cluster is told how the groups are")
        self._trouble = trouble
