"""Settings that do not suit the mode of their entry: errors that only a whole table shows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.table.settings import Kind, setting_line
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.table.model import Entry, Table
    from cltab2systemd.table.settings import Setting


def findings(table: Table) -> Iterator[Diagnostic]:
    """Settings that cannot do what they say, for the mode of their entry."""
    by_tag = {entry.tag: entry for entry in table.entries} if table.settings else {}
    for setting in table.settings:
        entry = by_tag.get(setting.subject)
        if entry is None or not entry.runnable:  # it is passed over; `off` may be for a time
            continue
        if setting.kind is Kind.REQUIRED:
            yield from _required(setting, entry)
        elif setting.kind is Kind.HEALTH and not entry.mode.may_run_on:
            message = f"the {entry.mode} '{shortened(entry.tag)}' has ended when the level is reached"
            yield _misplaced(setting, message, "health is for entries that run on: respawn, once")


def _required(setting: Setting, entry: Entry) -> Iterator[Diagnostic]:
    """What starts and runs on has done nothing yet that could have failed, but for its readiness."""
    if entry.mode.may_run_on and entry.ready is None:
        yield _misplaced(
            setting,
            f"nothing tells whether the {entry.mode} '{shortened(entry.tag)}' did well",
            f"say what does, as {setting_line(Kind.READY, shortened(entry.tag), 'tcp:5432')}",
        )


def _misplaced(setting: Setting, message: str, hint: str) -> Diagnostic:
    return Diagnostic.of("setting-misplaced", setting.place_of_name, message, source=setting.line, hint=hint)
