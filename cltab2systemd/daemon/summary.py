"""What `systemctl status clinit` says of the daemon, and what its log says of a refused table: both as text only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.groups.state import State
from cltab2systemd.table.diagnostics import has_errors
from cltab2systemd.terminal import printable

if TYPE_CHECKING:
    from cltab2systemd.daemon.tablesource import TableRefusedError
    from cltab2systemd.groups.state import GroupStatus

# So many errors of a table are told in the log, and so many groups in the summary.
_MOST_ERRORS = 10
_MOST_GROUPS = 5
# Characters: more is no summary, and systemd takes no message of any length.
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Summary:
    """How it is: the groups, and why the table is refused, if it is."""

    statuses: tuple[GroupStatus, ...] = ()
    refusal: str = ""

    @property
    def text(self) -> str:
        """One line. The table is read when somebody asks for something only, so its part is as of then."""
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
    """What the log says of a refused table: its errors, each with its place and what to do, and what follows of it."""
    errors = [finding for finding in error.findings if has_errors((finding,))]
    lines = [
        printable(finding.summary) + (f"; {printable(finding.hint)}" if finding.hint else "")
        for finding in errors[:_MOST_ERRORS]
    ] or [printable(error.summary)]
    if len(errors) > _MOST_ERRORS:
        lines.append(f"and {len(errors) - _MOST_ERRORS} more errors, see 'cltab2systemd check'")
    return [*lines, "the table is refused, and the groups stay as they are: mend it, then run 'clinit'"]
