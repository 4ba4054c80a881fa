"""What a machine's /bin/sh is: whether there is one, and what dash cannot do that other shells can.

Known is what dash 0.5.12 does, which is Debian's: `exec` has no options there, and `time` is a program.
`dash` knows more.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from cltab2systemd.check.commandline import calls, is_assignment, leading_words
from cltab2systemd.check.filesystem import What
from cltab2systemd.check.given import ROOTS
from cltab2systemd.check.machine import dash
from cltab2systemd.check.machine.shellneeded import needs_shell
from cltab2systemd.check.needs import DEFAULT_PATH
from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.terminal import shortened
from cltab2systemd.units.commands import SHELL, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cltab2systemd.check.commandline import Word
    from cltab2systemd.check.judged import Judged
    from cltab2systemd.check.machine.places import Places
    from cltab2systemd.table.model import Table


def findings(table: Table, commands: Sequence[Judged], places: Places) -> Iterator[Diagnostic]:
    """Findings about the shell of a machine, and about commands that it is given."""
    yield from _missing(table, places)
    if posixpath.basename(places.root.find(SHELL).path) == "dash":
        has_time = places.root.search("time", DEFAULT_PATH).what is not What.MISSING
        for command in commands:
            if command.entry.runnable and _goes_to_shell(command):
                if "exec -" in command.text or "time " in command.text:
                    yield from _of_dash(command, places, has_time=has_time or places.installs)
                yield from dash.findings(command, places)


def _missing(table: Table, places: Places) -> Iterator[Diagnostic]:
    """That there is no shell, with the first entry that needs it."""
    if not places.is_missing(SHELL):
        return
    for entry in table.entries:
        if entry.runnable and needs_shell(entry) and not any(d.name in ROOTS for d in entry.directives):
            place = entry.place_of("command").part(0, len(entry.command))
            message = f"{places.root.name} has no program '{SHELL}', which starts the commands of the table"
            hint = f"install a shell, and let {SHELL} be a link to it; or is it another root that is meant?"
            yield Diagnostic.of("missing-program", place, message, source=entry.line, hint=hint)
            return


def _goes_to_shell(command: Judged) -> bool:
    return plain(command.text) is None and not any(directive.name in ROOTS for directive in command.directives)


def _of_dash(command: Judged, places: Places, *, has_time: bool) -> Iterator[Diagnostic]:
    for words in [[*call.words] for call in calls(command.text)] or [leading_words(command.text)]:
        found = [word for word in words if not is_assignment(word)][:2]
        if len(found) < 2:
            continue
        first, second = found
        if first.text == "exec" and second.text.startswith("-"):
            message = f"{SHELL} is dash on {places.root.name}, whose exec has no options: it looks for a program "
            message += f"'{shortened(second.text)}', and ends with 127"
            hint = "leave the option out; or have bash do it: exec bash -c 'exec … PROGRAM'"
            yield _at(command, second, "exec-option", message, hint)
        elif first.text == "time" and not has_time:
            message = f"{SHELL} is dash on {places.root.name}, which does not know 'time', and there is no such program"
            yield _at(
                command, first, "missing-program", message, "leave it out, or install it, as Debian's package time"
            )


def _at(command: Judged, word: Word, code: str, message: str, hint: str) -> Diagnostic:
    place = command.place.part(word.start, word.end - word.start)
    return Diagnostic.of(code, place, message, source=command.line, hint=hint)
