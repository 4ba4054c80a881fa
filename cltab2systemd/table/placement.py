"""Settings that do not suit the mode of their entry: errors that only a whole table shows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.table.directives import NOTIFY, OF_NOTIFY, is_finite
from cltab2systemd.table.settings import Kind, setting_line
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.table.model import Entry, Table
    from cltab2systemd.table.settings import Directive, Setting


def findings(table: Table) -> Iterator[Diagnostic]:
    """Settings that cannot do what they say, for the mode of their entry."""
    by_tag = {entry.tag: entry for entry in table.entries} if table.settings else {}
    yield from _of_notify(table)
    for setting in table.settings:
        entry = by_tag.get(setting.subject)
        if entry is None or not entry.runnable:  # it is passed over; `off` may be for a time
            continue
        if setting.kind is Kind.REQUIRED:
            yield from _required(setting, entry)
        elif setting.kind is Kind.HEALTH and not entry.mode.may_run_on:
            message = f"the {entry.mode} '{shortened(entry.tag)}' has ended when the level is reached"
            yield _misplaced(setting, message, "health is for entries that run on: respawn, once")


def _of_notify(table: Table) -> Iterator[Diagnostic]:
    """Directives of entries that do not go with what the program says of itself, or with that it says nothing."""
    told = set()
    for entry in table.entries:
        for directive in entry.directives if entry.runnable else ():
            fault = _fault_of_notify(entry, directive)
            if fault and directive.place not in told:  # those of a whole group are told once
                told.add(directive.place)
                yield _misplaced(table.source_of(directive), *fault)


def _fault_of_notify(entry: Entry, directive: Directive) -> tuple[str, str] | None:
    """What is wrong with such a directive, and what to do; None if it goes with its entry."""
    shown, tag = shortened(directive.line), shortened(entry.tag)
    if (directive.name, directive.value) == NOTIFY and not entry.mode.may_run_on:
        message = f"the {entry.mode} '{tag}' has started when its command has ended"
        return message, f"{shown} is for entries that run on: respawn, once"
    if directive.name in OF_NOTIFY and not entry.notifies:
        return f"nothing that '{tag}' says of itself counts", f"{shown} is for entries with {'='.join(NOTIFY)}"
    if directive.name == "TimeoutStartSec" and entry.notifies and not is_finite(directive.value):
        return f"'{tag}' could hold up its group for ever", "give a time, as 90s or 5min"
    return None


def _required(setting: Setting, entry: Entry) -> Iterator[Diagnostic]:
    """What starts and runs on has done nothing yet that could have failed, but for its readiness."""
    if entry.mode.may_run_on and entry.ready is None and not entry.notifies:
        yield _misplaced(
            setting,
            f"nothing tells whether the {entry.mode} '{shortened(entry.tag)}' did well",
            f"say what does, as {setting_line(Kind.READY, shortened(entry.tag), 'tcp:5432')}",
        )


def _misplaced(setting: Setting, message: str, hint: str) -> Diagnostic:
    return Diagnostic.of("setting-misplaced", setting.place_of_name, message, source=setting.line, hint=hint)
