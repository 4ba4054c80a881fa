"""The table as the daemon follows it: read again when the file is another, kept when the new one is no good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd import plan, store
from cltab2systemd.diagnostics import Diagnostic, has_errors
from cltab2systemd.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from cltab2systemd.names import Names


class TableRefusedError(Exception):
    """The table on disk may not take effect.

    The text is the first reason, `summary` the same with its place, `findings` are all there are.
    """

    def __init__(self, message: str, findings: tuple[Diagnostic, ...] = (), summary: str = "") -> None:
        super().__init__(message)
        self.summary = summary or message
        self.findings = findings


class TableSource:
    """The table at a path: the last good one, and whether the file still says so.

    Args:
        path: of the file.
        names: the unit names of the instance.
        check: what this machine has to say about a table that parses.
    """

    def __init__(self, path: str, names: Names, check: Callable[[Table], tuple[Diagnostic, ...]]) -> None:
        self.path = path
        self.table = Table(path)
        self.content = b""  # that it was parsed from
        self.accepted = False  # any table yet: until then, nothing is known of what the groups are to be
        self._names = names
        self._check = check
        self._seen: store.FileIdentity | None = None
        self._findings: tuple[Diagnostic, ...] = ()  # of the file read last, if it was refused

    def refresh(self, *, may_be_empty: bool) -> bool:
        """Read the file if it is not the one read last.

        Args:
            may_be_empty: whether a table without any entry may take effect.

        Returns:
            Whether `table` is another one now, and `content` its bytes.

        Raises:
            TableRefusedError: the file cannot be read or has errors; `table` stays what it was.
        """
        if self._seen is not None and store.identify(self.path) == self._seen:
            if self._findings:
                raise _refusal(self._findings)
            return False
        self._seen, self._findings = None, ()
        table, data, identity, findings, of_machine = self._read()
        if not data and not self.accepted:  # not remembered: who empties it while the daemon runs, means it
            raise TableRefusedError(f"{self.path} is empty: perhaps the machine went down while it was written")
        if has_errors(of_machine):  # not remembered: somebody may do what the hint says
            raise _refusal((*findings, *of_machine))
        if has_errors(findings):
            self._seen, self._findings = identity, findings
            raise _refusal(findings)
        if not table.entries and not may_be_empty:
            # Not remembered: it may take effect as soon as no group is active.
            raise TableRefusedError(
                f"{self.path} has no entry, and groups are active: stop them first (clinit -k), or restore the table"
            )
        self._seen = identity
        changed = table != self.table or not self.accepted
        self.accepted = True
        self.table, self.content = table, data
        return changed

    def is_fit(self) -> bool:
        """Whether the file is a table without errors; nothing is remembered of it."""
        try:
            *_, findings, of_machine = self._read()
        except TableRefusedError:
            return False
        return not has_errors((*findings, *of_machine))

    def _read(self) -> tuple[Table, bytes, store.FileIdentity, tuple[Diagnostic, ...], tuple[Diagnostic, ...]]:
        """The file's table, content, identity, findings, and the machine's; TableRefusedError if it cannot be read."""
        try:
            data, identity = store.read_table(self.path, trusted=True)
        except store.TableUnreadableError as error:
            raise TableRefusedError(str(error)) from error
        table, findings = plan.load(data, self.path, self._names)
        return table, data, identity, findings, self._check(table)


def _refusal(findings: tuple[Diagnostic, ...]) -> TableRefusedError:
    first = next(finding for finding in findings if has_errors((finding,)))
    return TableRefusedError(first.message, findings, first.summary)
