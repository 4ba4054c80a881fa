"""What is legal in a table, but probably wrong: warnings. Pure.

A warning is wrong more easily than an error, and a table may be full of what is warned of. So there is none where the
table itself shows that something is meant, each has a way to say so, and names are complained of once.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from cltab2systemd.check import (
    behaviours,
    clusterlint,
    commandlint,
    oddtext,
    outside,
    ports,
    programs,
    settinglint,
    stops,
)
from cltab2systemd.check.behaviours import Behaviour
from cltab2systemd.check.given import has_other_files
from cltab2systemd.check.judged import of_checks, of_entry
from cltab2systemd.check.programs import Run
from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.table.settings import Kind, setting_line
from cltab2systemd.table.spelling import SHORTEST, Spellings
from cltab2systemd.terminal import shortened
from cltab2systemd.text import escape
from cltab2systemd.units.commands import stays_a_shell
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cltab2systemd.table.diagnostics import Place
    from cltab2systemd.table.model import Entry, Levels, ResourceGroup, Table

_SHOWN_LEVELS = 6


def findings(
    table: Table, *, is_complete: bool, read: Callable[[str], str] = behaviours.unread
) -> Iterator[Diagnostic]:
    """What is probably wrong with a table.

    Args:
        table: the lines without errors.
        is_complete: whether these are all lines, so that they can be judged together, too.
        read: the content of a configuration file of a program; empty if there is none.
    """
    yield from _each_for_itself(table, read)
    if is_complete:
        yield from _all_together(table)


def _each_for_itself(table: Table, read: Callable[[str], str]) -> Iterator[Diagnostic]:
    seen: set[tuple[str, ...]] = set()
    for entry in table.entries:
        yield from _names_that_are_escaped(entry, seen)
        if entry.runnable:
            yield from _levels_that_name_none(entry)
            read_here = behaviours.unread if has_other_files(entry.directives) else read
            of_program = [*_program(entry, read_here)]
            yield from of_program
            yield from _session(entry)
            yield from _unheard(entry)
            # What is not to go to the background is to be run in another way anyhow.
            if not of_program:
                yield from stops.findings(entry, read_here)
            yield from commandlint.findings(of_entry(entry))
    for command in of_checks(table):
        yield from commandlint.findings(command)
    yield from oddtext.findings(table)


def _all_together(table: Table) -> Iterator[Diagnostic]:
    for group in table.groups.values():
        yield from _levels_without_comma(group)
        yield from _similar_levels(group)
    yield from _outside_the_group(table)
    yield from ports.findings(table)
    yield from settinglint.findings(table)
    yield from clusterlint.findings(table)


def _explicit(levels: Levels) -> Iterator[tuple[str, int]]:
    """The levels that a field spells out, and where in the field: its parts, or the whole if it has no comma."""
    start = 0
    for part in levels.text.split(","):
        if part:
            yield part, start
        start += len(part) + 1


def _names_that_are_escaped(entry: Entry, seen: set[tuple[str, ...]]) -> Iterator[Diagnostic]:
    names = Names()
    group, tag = entry.group, entry.tag
    if _is_odd(group) and (group,) not in seen:
        seen.add((group,))
        yield _escaped("group", group, entry.place_of("group"), entry, names.level_template(group))
    if _is_odd(tag):
        yield _escaped("tag", tag, entry.place_of("tag"), entry, names.entry(group, tag))
    for level, start in _explicit(entry.levels):
        if _is_odd(level) and (group, level) not in seen:
            seen.add((group, level))
            place = entry.place_of("levels").part(start, len(level))
            yield _escaped("level", level, place, entry, names.level(group, level))


def _is_odd(name: str) -> bool:
    """Whether unit names have something escaped of a name; of hyphens only slices have, so they do not count.

    Nor do characters that are told of anyhow: one finding is enough.
    """
    return escape(name) != name and not oddtext.is_odd(name)


def _escaped(what: str, name: str, place: Place, entry: Entry, unit: str) -> Diagnostic:
    return Diagnostic.of(
        "escaped-name",
        place,
        f"{what} '{shortened(name)}' is '{shortened(escape(name))}' in the names of units",
        source=entry.line,
        hint=f"in a shell, '{shortened(unit)}' needs quotes; letters, digits, ':', '_', '.' and '-' stay as they are",
    )


def _levels_that_name_none(entry: Entry) -> Iterator[Diagnostic]:
    if not any(_explicit(entry.levels)):
        yield Diagnostic.of(
            "no-level",
            entry.place_of("levels"),
            f"levels '{shortened(entry.levels.text)}' name no level but the one of just that name",
            source=entry.line,
            hint="name the levels in which it runs; an entry that is never to run has the mode 'off'",
        )


def _levels_without_comma(group: ResourceGroup) -> Iterator[Diagnostic]:
    # A level that another field spells out is one; a field that has only such characters means them.
    words = [entry for entry in group.entries if entry.levels.is_word]
    if not words:
        return
    single = {level for entry in group.entries for level, _ in _explicit(entry.levels) if len(level) == 1}
    lines = Counter(entry.levels.text for entry in words)
    for text, entry in {entry.levels.text: entry for entry in reversed(words)}.items():
        characters = entry.levels.names[1:]
        if not single.issuperset(characters):
            listed = ", ".join(f"'{shortened(level)}'" for level in characters[:_SHOWN_LEVELS])
            more = ", …" if len(characters) > _SHOWN_LEVELS else ""
            others = lines[text] - 1
            repeated = f" (so on {others} more line{'s' if others > 1 else ''} of the group)" if others else ""
            yield Diagnostic.of(
                "levels-without-comma",
                entry.place_of("levels"),
                f"levels '{shortened(text)}' name not only that level, but also {listed}{more}{repeated}",
                source=entry.line,
                hint=f"'{shortened(text)},' is the one level, '{shortened(','.join(characters))}' are the others",
            )


def _similar_levels(group: ResourceGroup) -> Iterator[Diagnostic]:
    explicit = [(entry, level, start) for entry in group.entries for level, start in _explicit(entry.levels)]
    uses = Counter(level for _, level, _ in explicit)
    spellings = Spellings(uses)
    seen: set[str] = set()
    for entry, level, start in explicit:
        other = spellings.like(level) if uses[level] == 1 and len(level) >= SHORTEST else None
        # Of two that are used once, the first is taken for right.
        if other is not None and (uses[other] > 1 or other in seen):
            yield Diagnostic.of(
                "similar-level",
                entry.place_of("levels").part(start, len(level)),
                f"only this entry of group '{shortened(group.name)}' names level '{shortened(level)}'",
                source=entry.line,
                hint=f"did you mean '{shortened(other)}'?",
            )
        seen.add(level)


def _program(entry: Entry, read: Callable[[str], str]) -> Iterator[Diagnostic]:
    found = programs.started(entry.command, read)
    if entry.mode.is_waited_for:
        for program in found:
            if program.behaviour is Behaviour.NEVER_ENDS and program.run is Run.FOREGROUND:
                yield _of_command(
                    entry,
                    (program.start, program.end),
                    "never-ends",
                    f"{program.name} never ends, and '{entry.mode}' waits for that: the entries after it do not start",
                    "'respawn' starts it and goes on, and starts it again if it ends after all; 'once' does not",
                )
                return
    if entry.mode.is_restarted:
        ending = (Behaviour.DAEMON, Behaviour.HANDED_OVER)
        last = found[-1:]
        yield from _respawned(entry, [p for p in last if p.behaviour in ending and p.run is not Run.DOUBTFUL])
        return
    first = next((program for program in found if program.behaviour is Behaviour.DAEMON), None)
    if first is not None and not _sets_kill_mode(entry):
        foreground = f", or leave out {first.without}, with 'respawn'" if first.without else ""
        if first.foreground:
            foreground = f", or run '{first.name} {first.foreground}' with 'respawn'"
        yield _of_command(
            entry,
            (first.start, first.end),
            "stopped-daemon",
            f"{first.name} leaves a daemon behind, which is stopped when the group leaves the level",
            f"if it is to stay, add {setting_line(Kind.SERVICE, shortened(entry.tag))}KillMode=process{foreground}",
        )


def _sets_kill_mode(entry: Entry) -> bool:
    """Whether the table says what is to become of what an entry leaves behind; then nothing is doubtful."""
    return any(given.name == "KillMode" for given in entry.directives)


def _outside_the_group(table: Table) -> Iterator[Diagnostic]:
    entries = [entry for entry in table.entries if entry.runnable]
    yield from _services_outside(entries)
    yield from _started_elsewhere(entries)


def _services_outside(entries: Sequence[Entry]) -> Iterator[Diagnostic]:
    """What systemd is told to start as a service."""
    ending = (entry for entry in entries if not entry.mode.is_restarted and not _sets_kill_mode(entry))
    started = [(entry, program) for entry in ending for program in programs.started(entry.command) if program.services]
    stopped = {service for entry in entries for service in programs.stopped(entry.command)} if started else set()
    for entry, program in started:
        if service := next((service for service in program.services if service not in stopped), ""):
            name = shortened(service)
            yield _of_command(
                entry,
                (program.start, program.end),
                "outside-the-group",
                f"{name} is systemd's then, not the group's, and goes on when the group leaves the level",
                f"run its program in the group, or stop it in other levels with 'systemctl stop {name}'",
            )


def _started_elsewhere(entries: Sequence[Entry]) -> Iterator[Diagnostic]:
    """What another daemon is told to start, or what moves away; of an entry the first."""
    started = [
        (entry, found)
        for entry in entries
        if not _sets_kill_mode(entry)
        for found in outside.outsiders(entry.command)
        if not (entry.mode.is_restarted and found.ends and found.is_last)  # which is worse, and told as that
    ]
    stops = outside.Stops()
    for entry in entries if started else ():
        stops.add(entry.tag, entry.command)
    seen: set[str] = set()
    for entry, found in started:
        if entry.tag in seen or stops.stop(entry.tag, found):
            continue
        seen.add(entry.tag)
        yield _of_command(
            entry,
            (found.start, found.end),
            "outside-the-group",
            f"what {found.name} starts is in {found.where}, not in the group, and goes on when the group leaves the "
            "level",
            _of_tag(entry, found.instead),
        )


def _of_tag(entry: Entry, hint: str) -> str:
    return hint.replace(setting_line(Kind.SERVICE, "TAG"), setting_line(Kind.SERVICE, shortened(entry.tag)))


def _session(entry: Entry) -> Iterator[Diagnostic]:
    """A session that is opened as another class than the entry's service says, and so leaves the control group."""
    hint = (
        f"leave {outside.CLASS}={outside.NO_SESSION} in the environment, which every entry has; "
        f"or run it with {setting_line(Kind.SERVICE, shortened(entry.tag))}User="
    )
    message = "opens a session of its own, outside of the group, and what it leaves there goes on after the level"
    if found := outside.session_with_another_class(entry.command):
        yield _of_command(entry, (found.start, found.end), "outside-the-group", f"{found.name} {message}", hint)
        return
    if not _class_is_overridden(entry):
        return
    if found := outside.opens_session(entry.command):
        yield _of_command(entry, (found.start, found.end), "outside-the-group", f"{found.name} {message}", hint)
    elif any(directive.name == "PAMName" and directive.value for directive in entry.directives):
        yield _of_command(entry, (0, len(entry.command)), "outside-the-group", f"PAMName= {message}", hint)


def _unheard(entry: Entry) -> Iterator[Diagnostic]:
    """A program whose readiness systemd does not hear of, for it is a child of the entry's shell."""
    if entry.notifies and not entry.hears_children and stays_a_shell(entry.command):
        yield _of_command(
            entry,
            (0, len(entry.command)),
            "child-unheard",
            "the program is a child of the shell that reads this, and systemd does not listen to one: the entry never "
            "is ready",
            "put 'exec' before the program, so that the shell becomes it; or add "
            f"{setting_line(Kind.SERVICE, shortened(entry.tag))}NotifyAccess=all",
        )


def _class_is_overridden(entry: Entry) -> bool:
    """Whether directives of an entry set or clear the variable that keeps sessions in its control group."""
    is_overridden = False
    for directive in entry.directives:
        words = directive.value.replace('"', " ").replace("'", " ").split()
        if directive.name == "Environment":
            values = [word.partition("=")[2] for word in words if word.startswith(f"{outside.CLASS}=")]
            # Without a value it clears all that was set before.
            is_overridden = values[-1] != outside.NO_SESSION if values else is_overridden or not words
        elif directive.name == "UnsetEnvironment" and any(word.partition("=")[0] == outside.CLASS for word in words):
            return True
    return is_overridden


def _respawned(entry: Entry, daemons: list[programs.Started]) -> Iterator[Diagnostic]:
    for program in daemons:
        hint = f"leave out {program.without}" if program.without else "'once' starts it once"
        if program.foreground:
            hint = f"keep it in the foreground with {program.foreground}"
        what = "has systemd start a service" if program.services else "leaves a daemon behind"
        yield _of_command(
            entry,
            (program.start, program.end),
            "respawned-daemon",
            f"{program.name} {what} and ends, so 'respawn' starts it again and again",
            hint,
        )
    elsewhere = [found for found in outside.outsiders(entry.command) if found.ends and found.is_last]
    for found in elsewhere[:1]:
        yield _of_command(
            entry,
            (found.start, found.end),
            "respawned-daemon",
            f"what {found.name} starts is in {found.where}, and {found.name} ends, so 'respawn' starts it again and "
            "again",
            _of_tag(entry, found.instead),
        )
    if not daemons and not elsewhere and (place := programs.background(entry.command)):
        start, end = place
        if entry.command.startswith("&>", start):
            yield _of_command(
                entry,
                (start, end + 1),
                "respawned-daemon",
                "only bash takes '&>' for a redirection; for another /bin/sh, '&' puts this into the background, "
                "and 'respawn' starts it again and again",
                "write '>FILE 2>&1' instead of '&>FILE'",
            )
        else:
            yield _of_command(
                entry,
                place,
                "respawned-daemon",
                "the shell ends as soon as it has put this into the background, so 'respawn' starts it again and again",
                "leave out the '&'",
            )


def _of_command(entry: Entry, part: tuple[int, int], code: str, message: str, hint: str) -> Diagnostic:
    """A warning about a part of an entry's command, from where to where."""
    start, end = part
    return Diagnostic.of(
        code, entry.place_of("command").part(start, end - start), message, source=entry.line, hint=hint
    )
