"""What a machine has to say about a table: its shell, its systemd, its files, its users. Nothing of the table is run.

Files and users may be those of another root. Shell and systemd are asked of the machine that runs this in any case:
those of another root may be for another processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.check import shell
from cltab2systemd.check.judged import of_checks, of_entry
from cltab2systemd.check.machine import directives, enabled, paths, sessions, shellneeded, shells, users
from cltab2systemd.check.machine.executables import Executables
from cltab2systemd.check.machine.places import Places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.check.filesystem import Root
    from cltab2systemd.table.diagnostics import Diagnostic
    from cltab2systemd.table.model import Table


def findings(table: Table, root: Root) -> Iterator[Diagnostic]:
    """What the shell cannot read, what systemd does not know, and which files and users there are not.

    To look up users of this machine may take another machine's answer: nothing for a boot.
    """
    commands, places = [*map(of_entry, table.entries), *of_checks(table)], Places(table, root)
    yield from shell.findings(commands)
    yield from shells.findings(table, commands, places)
    yield from directives.findings(table.settings)
    yield from users.findings(table, root)
    yield from shellneeded.findings(table, root)
    yield from sessions.findings(table, root)
    yield from _files(table, places)
    yield from enabled.findings(table, root)


def _files(table: Table, places: Places) -> Iterator[Diagnostic]:
    executables = Executables(places)
    for entry in table.entries:
        if entry.runnable:
            yield from executables.findings(of_entry(entry))
            if entry.directives:
                yield from paths.findings(table, entry, places)
    for command in of_checks(table):
        if command.entry.runnable:
            yield from executables.findings(command)
