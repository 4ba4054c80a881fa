"""The unit of one run of a preflight: what the daemon has systemd run before it stops anything. Pure.

systemd finds the file of a unit that it has not looked for yet without a daemon-reload. So each run has a name of its
own, and its file is there while it runs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cltab2systemd.table.model import surroundings
from cltab2systemd.table.settings import Kind, setting_line
from cltab2systemd.units import commands, unitfile
from cltab2systemd.units.kinds import PreflightUnit

if TYPE_CHECKING:
    from cltab2systemd.table.model import Entry
    from cltab2systemd.units.names import Names


def as_entry(entry: Entry) -> Entry:
    """The preflight of an entry as if it were one: its command, and those directives of the entry that it has, too."""
    assert entry.preflight is not None
    return replace(entry, command=entry.preflight.command, directives=surroundings(entry, entry.preflight))


def plan_preflight(names: Names, name: str, entry: Entry) -> PreflightUnit:
    """The unit of a run that has a name, for an entry that has a preflight."""
    check = entry.preflight
    assert check is not None
    run = as_entry(entry)
    return PreflightUnit(
        name,
        f"cltab {unitfile.text(entry.group)}: preflight of {unitfile.text(entry.tag)}",
        names.slice(entry.group),
        line=unitfile.comment(setting_line(Kind.PREFLIGHT, entry.tag, check.text)),
        command_line=unitfile.command_line(commands.command_words(run.command)),
        syslog_identifier=unitfile.text(entry.tag),
        limit=unitfile.milliseconds(check.timeout),
        directives=tuple(directive.line for directive in run.directives),
    )
