"""What asks about an entry: the words that the prober runs with, and the units of a health check. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.probing import forms
from cltab2systemd.probing.notes import RESTART, TELL
from cltab2systemd.table.model import readiness_tag, surroundings
from cltab2systemd.table.settings import Kind, setting_line
from cltab2systemd.units import commands, unitfile
from cltab2systemd.units.kinds import HealthTimerUnit, HealthUnit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cltab2systemd.table.checks import Check
    from cltab2systemd.table.model import Entry
    from cltab2systemd.units.kinds import Unit
    from cltab2systemd.units.names import Names

# What asks whether an entry is ready, or well.
PROBER = "/usr/libexec/cltab2systemd/prober"
# Seconds behind the timeout of a health check, after which systemd ends what has not ended it.
_GRACE = 5.0
# How late a check may be, so that systemd starts several at a time: a part of the interval, and at most in seconds.
_ACCURACY, _LONGEST_ACCURACY = 0.1, 1.0


def prober_words(task: str, options: Mapping[str, object], check: str) -> tuple[str, ...]:
    """The argument vector with which the prober does a task, `ready` or `health`; see `probing.prober`.

    Args:
        task: what it does.
        options: with what, by their names.
        check: a fixed probe, or a command.
    """
    asked = (check,) if forms.is_probe(check) else commands.command_words(check)
    return (PROBER, task, *(f"{name}={value}" for name, value in options.items()), "--", *asked)


def health_units(names: Names, entry: Entry, check: Check, state: str, pause: str) -> Iterator[Unit]:
    """The service that asks whether an entry is well, and its timer.

    Args:
        names: the unit names of the instance.
        entry: the entry.
        check: what is asked.
        state: the directory of the instance.
        pause: the program that the entry is while it pauses; empty if it never does.
    """
    group, tag, service = entry.group, entry.tag, names.health(entry.group, entry.tag)
    unit, group_slice = names.entry(group, tag), names.slice(group)
    readiness = () if entry.ready is None else (names.entry(group, readiness_tag(tag)),)
    label = "cltab " + unitfile.text(f"{group}:{tag} health")
    line = unitfile.comment(setting_line(Kind.HEALTH, tag, check.text))
    options = {
        "of": unit,
        "pause": pause,
        "instance": state,
        "failures": check.failures,
        "interval": f"{check.interval:g}",
        "timeout": f"{check.timeout:g}",
        "action": RESTART if check.restarts else TELL,
    }
    yield HealthUnit(
        service,
        label,
        group_slice,
        line=line,
        entry=unit,
        command_line=unitfile.command_line(prober_words("health", options, check.command)),
        syslog_identifier=unitfile.text(f"{tag}:health"),
        runtime_directory=commands.health_directory(service),
        time_limit=unitfile.milliseconds(check.timeout + _GRACE),
        restart_line=unitfile.command_line(commands.restart_if_unhealthy(unit)) if check.restarts else "",
        directives=tuple(directive.line for directive in surroundings(entry, check)),
    )
    yield HealthTimerUnit(
        names.health_timer(group, tag),
        label,
        group_slice,
        line=line,
        entry=unit,
        behind=" ".join((unit, *readiness)),
        interval=unitfile.milliseconds(check.interval),
        accuracy=unitfile.milliseconds(min(check.interval * _ACCURACY, _LONGEST_ACCURACY)),
        service=service,
    )
