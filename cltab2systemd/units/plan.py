"""The plan: which units stand for a table, with what in them. Pure; docs/unit-scheme.md explains the scheme.

One group at one level is one target. Starting it is one transaction that stops what the level does not have, all at
once, waits, then starts in file order what the level has and is not there yet. Entries in both levels stay untouched.

Gates and barriers are services whose condition is always false: they never run, but a start job for one is always
real, so they order every transaction, whatever is active already.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cltab2systemd.probing import forms
from cltab2systemd.table.directives import covers_run, runs_without_shell
from cltab2systemd.table.model import Entry, ResourceGroup, level_names
from cltab2systemd.table.settings import Kind, setting_line
from cltab2systemd.units import commands, requirements, unitfile
from cltab2systemd.units.asking import health_units, prober_words
from cltab2systemd.units.kinds import BarrierUnit, BootUnit, EntryUnit, GateUnit, LevelUnit, MarkerUnit, SliceUnit, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cltab2systemd.units.names import Names


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """All units of one group, in the order in which they are written."""

    group: str
    units: tuple[Unit, ...]


# The state of instances, and in it the files that keep entries from being started again: Instance.held.
STATE = "/run/cltab2systemd"
HELD = "held"
# Seconds that systemd gives a readiness beyond its own time, which it keeps itself, to be over in any case.
_BACKSTOP = 15


def plan_top(names: Names) -> GroupPlan:
    """What all groups of an instance have in common: the slice around theirs."""
    name = names.top_slice
    return GroupPlan("", (SliceUnit(name, "cltab: all groups", name, ()),))


def plan_group(names: Names, group: ResourceGroup) -> GroupPlan:
    """The units of one group of an instance with these names."""
    return GroupPlan(group.name, (*_units(names, group), *_boot(names, group)))


def counts_restarts(entry: Entry) -> bool:
    """Whether a shell before the command of a respawn entry counts its fast restarts, and slows them down.

    One that is to say that it is ready has no such shell: while that paused, the entry would still be starting.
    """
    return entry.mode.is_restarted and not entry.notifies and _direct(entry) is None


def _state(names: Names) -> str:
    """The directory of an instance."""
    return f"{STATE}/{names.instance}"


def _pause(unit: str, entry: Entry) -> str:
    """The program that an entry is while it pauses; empty if it never does."""
    return commands.pause_program(unit) if counts_restarts(entry) else ""


def _direct(entry: Entry) -> commands.Plain | None:
    """The words of an entry that systemd is to execute itself, as there may be no shell; None if it has a shell."""
    plain = commands.plain(entry.command)
    return plain if plain and runs_without_shell(plain, entry.directives) else None


def _boot(names: Names, group: ResourceGroup) -> Iterator[Unit]:
    # At boot there is only the system instance: a daemon that is started by hand has no part in it.
    if group.boot_level is not None and not names.suffix:
        label = f"cltab {unitfile.text(group.name)}: level {unitfile.text(group.boot_level)} at boot"
        line = unitfile.comment(setting_line(Kind.BOOT_LEVEL, group.name, group.boot_level))
        target = names.level(group.name, group.boot_level)
        yield BootUnit(names.boot(group.name), label, names.slice(group.name), line, target)


def _units(names: Names, group: ResourceGroup) -> Iterator[Unit]:
    group_slice = names.slice(group.name)
    first_gate = gate = names.first_gate(group.name)
    shown = unitfile.text(group.name)

    yield SliceUnit(group_slice, f"cltab {shown}", group_slice, tuple(d.line for d in group.directives))
    yield GateUnit(first_gate, f"cltab {shown}: gate before the first entry", group_slice)
    required: list[Entry] = []
    stopped_before: list[str] = []
    by_tag = {entry.tag: entry for entry in group.entries}
    for entry in group.entries:
        needed = [before for before in required if _share_a_level(before, entry)]
        unit = _entry_unit(names, entry, gate, needed, stopped_before)
        if entry.ready_of:
            unit = _as_readiness(names, unit, entry, by_tag[entry.ready_of])
        yield unit
        required += [entry] * entry.holds_back
        if group.stops_in_order:
            stopped_before.append(unit.name)
        if entry.runnable:
            gate_before, gate = gate, names.gate(group.name, entry.tag)
            label = f"cltab {shown}: gate behind {unitfile.text(entry.tag)}"
            yield GateUnit(gate, label, group_slice, unit.line, unit.name, gate_before)
        if entry.health is not None:
            yield from health_units(names, entry, entry.health, _state(names), _pause(unit.name, entry))
    yield from _level_units(names, group.name, group.entries, first_gate, gate)


def _share_a_level(one: Entry, other: Entry) -> bool:
    return other.runnable and not {*one.levels.names}.isdisjoint(other.levels.names)


def _entry_unit(
    names: Names, entry: Entry, gate: str, needed: Iterable[Entry], stopped_before: Iterable[str]
) -> EntryUnit:
    """The service of an entry that starts after a gate, if those that it needs did well."""
    group = entry.group
    name, direct, state = names.entry(group, entry.tag), _direct(entry), _state(names)
    counts = counts_restarts(entry)
    directory = commands.throttle_directory(name) if counts else ""
    if direct:
        words = direct.words
    elif counts:
        words = commands.throttled(entry.tag, entry.command)
    else:
        words = commands.command_words(entry.command)
    return EntryUnit(
        name,
        "cltab " + unitfile.text(f"{group}:{entry.tag}:{entry.levels.text}:{entry.mode}"),
        names.slice(group),
        line=unitfile.comment(entry.line),
        mode=entry.mode,
        notifies=entry.notifies,
        command_line=unitfile.command_line(words),
        syslog_identifier=unitfile.text(entry.tag),
        after_gate=gate,
        runtime_directory=directory,
        held=f"{state}/{HELD}",
        throttle=commands.throttle(directory) if directory else "",
        errors_to_output=direct is not None and direct.errors_to_output,
        stopped_before=tuple(stopped_before),
        health_timer=names.health_timer(group, entry.tag) if entry.health else "",
        directives=tuple(directive.line for directive in entry.directives),
        needs=tuple(requirements.passed_file(state, names.entry(group, before.tag)) for before in needed),
        **(_notes(state, name, entry) if entry.holds_back else {}),
    )


def _as_readiness(names: Names, unit: EntryUnit, readiness: Entry, entry: Entry) -> EntryUnit:
    """The service that asks whether an entry is ready, instead of one that runs the command."""
    assert readiness.ready is not None
    subject, check = names.entry(entry.group, entry.tag), readiness.ready
    options: dict[str, object] = {"timeout": f"{check.timeout:g}"}
    if entry.mode.may_run_on:
        options["of"] = subject
    if pause := _pause(subject, entry):
        options["pause"] = pause
    if check.probe is not None and check.probe.scheme == forms.GROUP:
        options["instance"] = _state(names)
    return replace(
        unit,
        description=f"cltab {unitfile.text(entry.group)}: whether {unitfile.text(entry.tag)} is ready",
        line=unitfile.comment(setting_line(Kind.READY, entry.tag, check.text)),
        command_line=unitfile.command_line(prober_words("ready", options, readiness.command)),
        subject=subject,
        start_limit=str(math.ceil(check.timeout) + _BACKSTOP),
    )


def _notes(state: str, name: str, entry: Entry) -> dict[str, str]:
    """What the service of a required entry does when it did well, and when it is stopped."""
    return {
        "notes": unitfile.command_line(requirements.words_that_note(state, name)),
        "forgets": unitfile.command_line(requirements.words_that_forget(state, name)),
        "bound": state if covers_run(entry.directives) else "",
    }


def _level_units(
    names: Names, group: str, entries: tuple[Entry, ...], first_gate: str, last_gate: str
) -> Iterator[Unit]:
    """Barrier and target of each level that entries name, and the templates for those that none names."""
    group_slice, shown = names.slice(group), unitfile.text(group)
    marker = names.unnamed(group)
    every_entry = {names.entry(group, entry.tag): entry for entry in entries}
    required = [entry for entry in entries if entry.holds_back]
    targets = {level: names.level(group, level) for level in level_names(entries)}
    members: dict[str, list[str]] = {level: [] for level in targets}
    for name, entry in every_entry.items():
        for level in entry.levels.names if entry.runnable else ():
            members[level].append(name)
    for level, inside in members.items():
        started = set(inside)
        outside = tuple(name for name in every_entry if name not in started)
        label = f"cltab {shown} level {unitfile.text(level)}"
        barrier = names.barrier(group, level)
        sets = _sets(names, required, level) if required else ""
        running = tuple(names.barrier(group, other) for other in members if other != level) if sets else ()
        yield BarrierUnit(barrier, f"{label}: barrier", group_slice, first_gate, outside, sets, running)
        others = (marker, *(target for other, target in targets.items() if other != level))
        # Those of entries that run already are started by this only: systemd drops the start of such an entry, and with
        # it what the entry wants.
        timers = (names.health_timer(group, every_entry[name].tag) for name in inside if every_entry[name].health)
        yield LevelUnit(targets[level], label, group_slice, last_gate, barrier, (*inside, *timers), others)

    every_target = tuple(targets.values())
    label = f"cltab {shown} level %i"
    yield BarrierUnit(names.barrier_template(group), f"{label}: barrier", group_slice, first_gate, tuple(every_entry))
    barrier = names.barrier_template(group).replace("@.", "@%i.")
    yield LevelUnit(names.level_template(group), label, group_slice, last_gate, barrier, (), every_target, marker)
    yield MarkerUnit(marker, f"cltab {shown} at a level that no entry names", group_slice, every_target)


def _sets(names: Names, required: Iterable[Entry], level: str) -> str:
    """The command of a barrier that says what is required in its level, of what is required in any."""
    inside, outside = (
        [names.entry(entry.group, entry.tag) for entry in required if (level in entry.levels) is is_inside]
        for is_inside in (True, False)
    )
    return unitfile.command_line(requirements.words_that_set(_state(names), inside, outside))
