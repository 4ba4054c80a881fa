"""clstat, as the daemon keeps it: where it is, when it is written, and its end.

It is written whole at every change and every heartbeat, and again until the disk takes it.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cltab2systemd import clstat, oserrors
from cltab2systemd.groups.state import GroupStatus, State
from cltab2systemd.locations import absolute
from cltab2systemd.text import decoded, encoded

if TYPE_CHECKING:
    from cltab2systemd.disk.files import FileIdentity
    from cltab2systemd.disk.instance import Instance
    from cltab2systemd.table.model import Table

log = logging.getLogger(__name__)

# Seconds. A reader of clstat takes one that is older than 45 s for a dead node's, and systemd may keep us waiting.
HEARTBEAT = 30.0
# Seconds before a clstat that could not be written is tried again: the disk was full, say.
_RETRY = 1.0


async def until_heartbeat() -> None:
    """Wait until clstat is due again; a little longer or shorter each time, which spreads the nodes of a cluster."""
    await asyncio.sleep(HEARTBEAT + random.uniform(0, 4))  # noqa: S311


class StatusFile:
    """The status file of one instance.

    Args:
        path: where it is.
        noted: the state directory of the instance, open; it tells clients where clstat is.
        written: the file at `path`, if an earlier daemon of the instance wrote it.
        unnamed: where it goes if the first table that takes effect does not name a place; empty: it stays.
    """

    def __init__(self, path: Path, noted: Instance, written: FileIdentity | None, unnamed: str = "") -> None:
        self.path = path
        self._instance = noted
        self._disk = noted.disk
        self._unnamed = unnamed
        self._noted = path  # where clstat is for others, until it is written elsewhere
        self._written = written
        self._statuses: tuple[GroupStatus, ...] = ()
        self._reasons: str | None = None  # as written last
        self._retry: asyncio.TimerHandle | None = None
        self._removed = False

    def shown_before(self) -> tuple[GroupStatus, ...]:
        """What an earlier daemon wrote; a line with a strange state says nothing. To be shown until we know better."""
        try:
            lines = clstat.parse(decoded(self._disk.read(self.path)))
        except OSError:
            lines = []
        self._statuses = tuple(
            GroupStatus(group, level, State(state)) for group, level, state in lines if state in tuple(State)
        )
        return self._statuses

    def follow(self, table: Table) -> None:
        """Write where a table that takes effect says. The old file goes as soon as the new one is written.

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

    def _note_reasons(self) -> None:
        """Write down, before clstat says FAILED, why: clients and the resource agent look there."""
        lines = (
            f"{status.group} {status.level} {reason.text}\n" for status in self._statuses for reason in status.reasons
        )
        text = "".join(lines)
        if text == self._reasons:
            return
        try:
            self._instance.note_reasons(text)
        except OSError as error:
            log.debug("cannot write reasons: %s", oserrors.worded(error))
            self._reasons = None  # at the next heartbeat, at the latest
        else:
            self._reasons = text

    def write(self) -> None:
        """Write what was shown last, with the present time. If that fails it is tried again until it works."""
        if self._removed:
            return
        self._note_reasons()
        text = clstat.serialize([(status.group, status.level, status.state) for status in self._statuses])
        try:
            self._disk.make_directory(self.path.parent, parents=True)
            self._disk.write(self.path, encoded(text))
            if self.path != self._noted:
                self._instance.note_clstat(self.path)
        except OSError as error:
            if self._retry is None:
                log.error("cannot write clstat: %s; trying again until it works", oserrors.worded(error, self.path))  # noqa: TRY400
            else:
                self._retry.cancel()
            self._retry = asyncio.get_running_loop().call_later(_RETRY, self.write)
            return
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
            log.info("clstat is written again")
        before, self._noted = self._noted, self.path
        written, self._written = self._written, self._disk.identity(self.path)
        if before != self.path and written is not None and written.is_of(self._disk.identity(before)):
            # And not another daemon's.
            with suppress(OSError):
                self._disk.remove(before)

    def remove(self) -> None:
        """Remove clstat for good. Only a halt does: without it an HA manager would start the groups elsewhere."""
        self._removed = True
        with suppress(OSError):
            self._disk.remove(self.path)
