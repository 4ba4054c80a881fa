"""clstat, as the daemon keeps it: where it is, when it is written, and its end.

It is written whole, at every change and every heartbeat. If the disk does not take it, it is tried again until it does.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cltab2systemd import clstat, events, oserrors
from cltab2systemd.groups.state import GroupStatus, State
from cltab2systemd.locations import NOTED_REASONS, NOTED_TIMES, absolute
from cltab2systemd.text import decoded, encoded

if TYPE_CHECKING:
    from cltab2systemd.disk.files import FileIdentity
    from cltab2systemd.disk.instance import Instance
    from cltab2systemd.table.model import Table

log = logging.getLogger(__name__)

# Seconds. A reader takes a clstat that is older than 45 s for a dead node's. systemd may keep us waiting meanwhile.
HEARTBEAT = 30.0
# Seconds until clstat is written again if it could not be: perhaps the disk was full.
_RETRY = 1.0


async def until_heartbeat() -> None:
    """Wait until clstat is due again. The time varies a little, so that the nodes of a cluster are spread."""
    await asyncio.sleep(HEARTBEAT + random.uniform(0, 4))  # noqa: S311


class StatusFile:
    """The status file of one instance.

    Args:
        path: where it is.
        instance: the state directory of the instance, open; it tells clients where clstat is.
        written: the file at `path`, if an earlier daemon of the instance wrote it.
        unnamed: where it goes if the first table that takes effect names no place. Empty if it stays then.
    """

    def __init__(self, path: Path, instance: Instance, written: FileIdentity | None, unnamed: str = "") -> None:
        self.path = path
        self._instance = instance
        self._disk = instance.disk
        self._unnamed = unnamed
        self._noted = path  # where clstat is for others, until it is written elsewhere
        self._written = written
        self._statuses: tuple[GroupStatus, ...] = ()
        self._notes: dict[str, str] = {}  # what else was written last, by file
        self._retry: asyncio.TimerHandle | None = None
        self._removed = False

    def shown_before(self) -> tuple[GroupStatus, ...]:
        """What an earlier daemon wrote. It is shown until we know better. A line with an unknown state is left out."""
        try:
            lines = clstat.parse(decoded(self._disk.read(self.path)))
        except OSError:
            lines = []
        times = _parsed(self._instance.noted_times())
        self._statuses = tuple(
            GroupStatus(group, level, State(state), since=times.get((group, level, state), 0))
            for group, level, state in lines
            if state in tuple(State)
        )
        return self._statuses

    def follow(self, table: Table) -> None:
        """Write to the place that a table names that takes effect. The old file goes when the new one is written.

        A table that names no place leaves the file where it is, unless it is the first one.
        """
        named = table.setting("clstat") or self._unnamed
        self._unnamed = ""
        if named and (path := Path(absolute(named))) != self.path:
            self.path = path
            self.write()

    def show(self, statuses: tuple[GroupStatus, ...]) -> None:
        """Write the lines of all groups."""
        self._statuses = statuses
        self.write()

    def _note(self) -> None:
        """Write the reasons before clstat says FAILED, for clients and the agent; and the times, for a next daemon."""
        reasons = (f"{each.group} {each.level} {reason.text}\n" for each in self._statuses for reason in each.reasons)
        times = (f"{each.group} {each.level} {each.state} {each.since}\n" for each in self._statuses if each.since)
        for name, text in ((NOTED_REASONS, "".join(reasons)), (NOTED_TIMES, "".join(times))):
            if text == self._notes.get(name):
                continue
            try:
                self._instance.note(name, text)
            except OSError as error:
                log.debug("cannot write %s: %s", name, oserrors.worded(error))
                self._notes.pop(name, None)  # at the next heartbeat, at the latest
            else:
                self._notes[name] = text

    def write(self) -> None:
        """Write what was shown last, with the present time. If that fails, it is tried again until it works."""
        if self._removed:
            return
        self._note()
        text = clstat.serialize([(status.group, status.level, status.state) for status in self._statuses])
        try:
            self._disk.make_directory(self.path.parent, parents=True)
            self._disk.write(self.path, encoded(text))
            if self.path != self._noted:
                self._instance.note_clstat(self.path)
        except OSError as error:
            if self._retry is None:
                events.NO_CLSTAT(why=oserrors.worded(error, self.path))
            else:
                self._retry.cancel()
            self._retry = asyncio.get_running_loop().call_later(_RETRY, self.write)
            return
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
            events.CLSTAT_AGAIN()
        before, self._noted = self._noted, self.path
        written, self._written = self._written, self._disk.identity(self.path)
        if before != self.path:
            self._remove_ours(before, written)

    def remove(self) -> None:
        """Remove clstat for good. Only a halt may: without clstat, an HA manager would start the groups elsewhere."""
        self._removed = True
        with suppress(OSError):
            self._disk.remove(self.path)
        if self._noted != self.path:  # the table has moved it, and the new place could not be written
            self._remove_ours(self._noted, self._written)

    def _remove_ours(self, path: Path, written: FileIdentity | None) -> None:
        """Remove an earlier clstat, if it is still the file that was written, and not another daemon's."""
        if written is not None and written.is_of(self._disk.identity(path)):
            with suppress(OSError):
                self._disk.remove(path)


def _parsed(times: str) -> dict[tuple[str, str, str], int]:
    """Times as they are noted, by group, level and state. A line that is not as it should be is left out."""
    rows = (line.split(" ") for line in times.split("\n"))
    return {(row[0], row[1], row[2]): int(row[3]) for row in rows if len(row) == 4 and row[3].isdigit()}
