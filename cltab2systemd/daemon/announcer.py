"""What the daemon says unasked: to systemd how it is (see sd_notify(3)), and to the log what became of the table."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.daemon.summary import Summary, refusal_lines
from cltab2systemd.systemd import activation

if TYPE_CHECKING:
    from cltab2systemd.core.tablesource import TableRefusedError
    from cltab2systemd.groups.state import GroupStatus


class Announcer:
    """Tells systemd that the daemon is ready, how it is, and that it lives.

    Args:
        table: the path of the table.
    """

    def __init__(self, table: str) -> None:
        self._table = table
        self._is_ready = False
        self._summary = Summary()
        self._told = ""  # the summary that systemd was told last

    def ready(self) -> None:
        """Say that the daemon serves clients."""
        self._is_ready = True
        activation.tell("READY=1")

    @staticmethod
    def stopping() -> None:
        """Say that the daemon ends."""
        activation.tell("STOPPING=1")

    def show(self, statuses: tuple[GroupStatus, ...]) -> None:
        """Say how the groups are now."""
        self._summary = replace(self._summary, statuses=statuses)
        self._tell_summary()

    def judged(self, error: TableRefusedError | None) -> None:
        """Say that a version of the table is refused; or, with None, that it is accepted.

        A program may have asked that shows the answer to nobody. So the log has it, and `systemctl status`.
        """
        if self._is_ready:  # the start says it in its own words
            for line in refusal_lines(error) if error else ():
                events.REFUSED_TABLE(why=line)
            if error is None:
                events.ACCEPTED_TABLE(path=self._table)
        self._summary = replace(self._summary, refusal=refusal_lines(error)[0] if error else "")
        self._tell_summary()

    def _tell_summary(self) -> None:
        text = self._summary.text
        if text != self._told:
            self._told = text
            activation.tell(f"STATUS={text}")

    @staticmethod
    async def feed_watchdog() -> None:
        """Tell systemd again and again that the daemon lives; returns at once if systemd does not want to hear it."""
        interval = activation.watchdog_interval()
        while interval is not None:
            activation.tell("WATCHDOG=1")
            await asyncio.sleep(interval / 3)
