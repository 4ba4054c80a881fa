"""Text: the line that `systemctl status clinit` has of the daemon, and the log's lines on a refused table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.groups.state import State
from cltab2systemd.table.diagnostics import has_errors
from cltab2systemd.terminal import printable

if TYPE_CHECKING:
    from cltab2systemd.core.tablesource import TableRefusedError
    from cltab2systemd.groups.state import GroupStatus

# How many errors of a table the log tells, and how many groups the summary names.
_MOST_ERRORS = 10
_MOST_GROUPS = 5
# Characters of the summary. systemd's messages have a limit, too.
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Summary:
    """The groups, and why the table is refused, if it is."""

    statuses: tuple[GroupStatus, ...] = ()
    refusal: str = ""

    @property
    def text(self) -> str:
        """One line. The table is read only when somebody asks for something, so the line tells of that time."""
        parts = [f"table refused at the last request: {self.refusal}"] if self.refusal else []
        number = len(self.statuses)
        groups = f"{number or 'no'} group{'' if number == 1 else 's'}"
        failed = [printable(status.group) for status in self.statuses if status.state is State.FAILED]
        if failed:
            more = ", …" if len(failed) > _MOST_GROUPS else ""
            groups += f", {len(failed)} FAILED: {', '.join(failed[:_MOST_GROUPS])}{more}"
        text = "; ".join([*parts, groups])
        return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def refusal_lines(error: TableRefusedError) -> list[str]:
    """The log's lines on a refused table: each error with its place and what to do; then what the refusal means."""
    errors = [finding for finding in error.findings if has_errors((finding,))]
    lines = [
        printable(finding.summary) + (f"; {printable(finding.hint)}" if finding.hint else "")
        for finding in errors[:_MOST_ERRORS]
    ] or [printable(error.summary)]
    if len(errors) > _MOST_ERRORS:
        lines.append(f"and {len(errors) - _MOST_ERRORS} more errors, see 'cltab2systemd check'")
    return [*lines, "the table is refused, and the groups stay as they are: mend it, then run 'clinit'"]
