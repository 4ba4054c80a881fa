"""The table as the daemon follows it. It is read again if a file changes. If the new one is bad, the old stays."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cltab2systemd.check import loading
from cltab2systemd.disk import tables
from cltab2systemd.disk.tables import TableIdentity, identify_table
from cltab2systemd.table.diagnostics import Diagnostic, has_errors
from cltab2systemd.table.model import Table
from cltab2systemd.table.tablefiles import TableFiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from cltab2systemd.units.names import Names

# Seconds. Within a tick of its clock, of 10 ms at most, a file system gives two versions of a file the same times. So a
# file that was first seen less than this ago may have changed since, and its times do not tell.
SETTLED = 0.02


class TableRefusedError(Exception):
    """The table on disk may not take effect.

    The text is the first reason. `summary` is the same with its place. `findings` are all that there are.
    """

    def __init__(self, message: str, findings: tuple[Diagnostic, ...] = (), summary: str = "") -> None:
        super().__init__(message)
        self.summary = summary or message
        self.findings = findings


class TableSource:
    """The table at a path: the last good one, and whether its files still say so.

    Args:
        path: of the table; its fragments are beside it.
        names: the unit names of the instance.
        check: finds what is wrong, on this machine, with a table that parses.
        on_verdict: called with a refusal, once for each version of the file. Called with None when the table is
            accepted for the first time, or again.
        last_good: the path of the copy of the last good table; empty if none is kept.
    """

    def __init__(
        self,
        path: str,
        names: Names,
        check: Callable[[Table], tuple[Diagnostic, ...]],
        on_verdict: Callable[[TableRefusedError | None], None] = lambda _error: None,
        last_good: str = "",
    ) -> None:
        self.path = path
        self._last_good = last_good
        self.table = Table(path)
        self.files = TableFiles.of(b"", path)  # what `table` was parsed from
        self.accepted = False  # True once a table was accepted; before that its settings and lines do not count
        self._names = names
        self._check = check
        self._on_verdict = on_verdict
        self._told: tuple[TableIdentity | None, str] | None = (None, "")  # the refusal that was told last
        self._seen: TableIdentity | None = None
        self._seen_since = 0.0  # CLOCK_MONOTONIC, in seconds
        self._read_at = 0.0
        self._findings: tuple[Diagnostic, ...] = ()  # of the file read last, if it was refused

    @property
    def content(self) -> bytes:
        """What `table` was parsed from, as one file."""
        return self.files.joined

    @property
    def refusal(self) -> str:
        """Why the file that was read last was refused, with the place; empty if it was accepted."""
        return self._told[1] if self._told is not None else ""

    @property
    def is_unread(self) -> bool:
        """Whether the file is another one than that which was read last, and was accepted or refused."""
        known = self._told[0] if self._told is not None and self.refusal else self._seen
        return identify_table(self.path) != known

    def refresh(self, *, may_be_empty: bool, always: bool = False) -> bool:
        """Read the file if it is not the one read last.

        Args:
            may_be_empty: whether a table without any entry may take effect.
            always: whether to read it in any case.

        Returns:
            Whether `table` is another one now, and `content` its bytes.

        Raises:
            TableRefusedError: the file cannot be read or has errors; `table` stays what it was.
        """
        try:
            changed = self._refresh(may_be_empty=may_be_empty, always=always)
        except TableRefusedError as error:
            verdict = identify_table(self.path), error.summary
            if verdict != self._told:
                self._told = verdict
                self._on_verdict(error)
            raise
        if self._told is not None:
            self._told = None
            self._on_verdict(None)
        return changed

    def _refresh(self, *, may_be_empty: bool, always: bool) -> bool:
        now = time.monotonic()
        if not always and self._is_settled() and identify_table(self.path) == self._seen:
            if self._findings:
                raise _refusal(self._findings)
            return False
        seen_before, self._seen, self._findings = self._seen, None, ()
        files, identity = self._read()
        if self.accepted and files == self.files:  # it is in force, even if this machine would refuse it by now
            self._remember(identity, seen_before, now)
            return False
        self._doubt(files, identity)  # not remembered
        table, findings, of_machine = self._judged(files)
        if has_errors(of_machine):  # not remembered: somebody may do what the hint says
            raise _refusal((*findings, *of_machine))
        if has_errors(findings):
            self._remember(identity, seen_before, now)
            self._findings = findings
            raise _refusal(findings)
        if not table.entries and not may_be_empty:
            # Not remembered: it may take effect as soon as no group is active.
            raise TableRefusedError(tables.on_no_entry(self.path))
        self._remember(identity, seen_before, now)
        changed = table != self.table or not self.accepted
        self.accepted = True
        self.table, self.files = table, files
        return changed

    def _doubt(self, files: TableFiles, identity: TableIdentity) -> None:
        """TableRefusedError if files look as if nobody meant them so."""
        if told := tables.on_lost_fragments(self.files, identity):
            raise TableRefusedError(told)
        # Whoever empties a file while the daemon runs, means it.
        if not self.accepted and (told := tables.emptied(files, self._last_good)):
            raise TableRefusedError(told)

    def _is_settled(self) -> bool:
        """Whether another version of the file would have other times than the one that was read."""
        return self._seen is not None and self._read_at - self._seen_since >= SETTLED

    def _remember(self, identity: TableIdentity, before: TableIdentity | None, now: float) -> None:
        """Note which version was read now, and since when that version is known."""
        if identity != before:
            self._seen_since = now
        self._seen, self._read_at = identity, now

    def has_no_errors(self) -> bool:
        """Whether the file is a table without errors; nothing is remembered of it."""
        try:
            _, findings, of_machine = self._judged(self._read()[0])
        except TableRefusedError:
            return False
        return not has_errors((*findings, *of_machine))

    def _read(self) -> tuple[TableFiles, TableIdentity]:
        """The files, and which version they are; TableRefusedError if they cannot be read."""
        try:
            return tables.read_table(self.path, trusted=True)
        except tables.TableUnreadableError as error:
            raise TableRefusedError(str(error)) from error

    def _judged(self, files: TableFiles) -> tuple[Table, tuple[Diagnostic, ...], tuple[Diagnostic, ...]]:
        """The table of some files, its findings, and the machine's."""
        table, findings = loading.load_files(files, self._names)
        return table, findings, self._check(table)


def _refusal(findings: tuple[Diagnostic, ...]) -> TableRefusedError:
    first = next(finding for finding in findings if has_errors((finding,)))
    return TableRefusedError(first.message, findings, first.summary)
