"""Unit files as systemd reads them: as much of the syntax as the compiler writes."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LISTS = ("Wants", "Requires", "BindsTo", "Conflicts", "After", "Before", "StopPropagatedFrom")
# All else that units name is active all the time.
_OURS, _ENTRY = "clinit", "clinit-"
_SIGNALS = {"SIGINT": 2, "SIGKILL": 9, "SIGTERM": 15}
# The arguments of a command: each is quoted, and has no quotes in it, but for the shell's text.
_ARGUMENT = re.compile(r'"([^"\\]*)"')


@dataclass(frozen=True, slots=True)
class Probe:
    """What `prober ready` is told; times are µs."""

    timeout: int
    subject: str  # the service that has to run on; empty if none has
    check: str


@dataclass(frozen=True, slots=True, eq=False)
class UnitFile:
    """What a unit file says. Dependencies are names of units, in the order of the file; times are µs."""

    name: str
    wants: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    binds_to: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    stops_with: tuple[str, ...] = ()  # StopPropagatedFrom=
    conditions: tuple[str, ...] = ()  # ConditionPathExists=, with their "!"
    refuses_stop: bool = False
    ignores_isolate: bool = False
    is_oneshot: bool = False
    is_notify: bool = False
    start_timeout: int | None = None  # None is for ever
    kill_signal: int = 15
    remains: bool = False
    restarts: bool = False
    restart_delay: int = 100_000
    statuses: frozenset[int] = frozenset()  # that are no failure, beside 0
    signals_succeed: bool = False  # whether all signals do, and not just those that usually end a service
    stop_timeout: int = 90_000_000
    abort_timeout: int = 90_000_000
    command: str = ""
    sets: tuple[str, ...] = ()  # of a barrier: the directory and the units that its command sets right
    notes: bool = False  # whether it notes that it did well, and forgets that it is up
    probe: Probe | None = None
    description: str = ""
    references: tuple[str, ...] = ()  # all units that it names: they stay loaded as long as it does
    services: frozenset[str] = frozenset()  # the services of entries that it wants


def _seconds(text: str) -> int:
    if text == "infinity":
        return 0
    if text.endswith("ms"):
        return int(text[:-2]) * 1000
    return int(text) * 1_000_000


def _complete(file: UnitFile) -> UnitFile:
    named = (*file.wants, *file.requires, *file.binds_to, *file.conflicts, *file.after, *file.before)
    named += file.stops_with
    services = frozenset(name for name in file.wants if name.startswith(_ENTRY) and name.endswith(".service"))
    return replace(file, references=tuple(dict.fromkeys(named)), services=services)


def _read(content: bytes) -> tuple[dict[str, list[str]], list[str], dict[str, str]]:
    """Of a file: our units that it names, by directive; its conditions; and the last value of all else."""
    lists: dict[str, list[str]] = {key: [] for key in _LISTS}
    values: dict[str, str] = {}
    conditions: list[str] = []
    for line in content.decode("utf-8").splitlines():
        key, equals, value = line.partition("=")
        if not equals or line.startswith("#"):
            continue
        if key in lists:
            lists[key] += [unit for unit in value.split() if unit.startswith(_OURS)]
        elif key == "ConditionPathExists":
            conditions.append(value)
        else:
            values[key] = value
    return lists, conditions, values


@functools.lru_cache(maxsize=4096)
def parse(name: str, content: bytes) -> UnitFile:
    """The file of a unit, or of a template, in which `%i` and `%n` are left as they are."""
    lists, conditions, values = _read(content)
    if "Slice" in values:
        lists["Requires"].append(values["Slice"])
        lists["After"].append(values["Slice"])
    endings = values.get("SuccessExitStatus", "").split()
    wants, requires, binds_to, conflicts, after, before, stops_with = (
        tuple(dict.fromkeys(lists[key])) for key in _LISTS
    )
    file = UnitFile(
        name,
        wants,
        requires,
        binds_to,
        conflicts,
        after,
        before,
        stops_with,
        conditions=tuple(conditions),
        refuses_stop=values.get("RefuseManualStop") == "yes",
        ignores_isolate=values.get("IgnoreOnIsolate") == "yes",
        is_oneshot=values.get("Type") == "oneshot",
        is_notify=values.get("Type") == "notify",
        start_timeout=_seconds(values.get("TimeoutStartSec", "90")) or None,
        kill_signal=_SIGNALS[values.get("KillSignal", "SIGTERM")],
        remains=values.get("RemainAfterExit") == "yes",
        restarts=values.get("Restart") == "always",
        restart_delay=_seconds(values.get("RestartSec", "100ms")),
        statuses=frozenset(int(status) for status in endings if status.isdigit()),
        signals_succeed="SIGKILL" in endings,
        stop_timeout=_seconds(values.get("TimeoutStopSec", "90")),
        abort_timeout=_seconds(values.get("TimeoutAbortSec", "90")),
        command=values.get("ExecStart", ""),
        sets=_sets(name, values.get("ExecStart", "")),
        notes="ExecStartPost" in values,
        probe=_probe(values.get("ExecStart", "")),
        description=values.get("Description", ""),
    )
    return _complete(file)


def _sets(name: str, command: str) -> tuple[str, ...]:
    """The directory and the units of the command of `requirements.words_that_set`; none if it is another command."""
    found = command.rpartition(' "sh" ')[2] if name.startswith("clinitbarrier-") and ' "sh" ' in command else ""
    return tuple(_ARGUMENT.findall(found))


def _probe(command: str) -> Probe | None:
    program, _, arguments = command.partition(' "ready" ')
    if not program.endswith("/prober"):
        return None
    options, _, check = arguments.partition(' "--" ')
    said = dict(option.split("=", 1) for option in _ARGUMENT.findall(options))
    return Probe(round(float(said["timeout"]) * 1_000_000), said.get("of", ""), check)


@functools.lru_cache(maxsize=4096)
def template_of(name: str) -> str:
    """The template of an instance; empty for another unit."""
    stem, _, kind = name.rpartition(".")
    prefix, at, instance = stem.partition("@")
    return f"{prefix}@.{kind}" if at and instance else ""


@functools.lru_cache(maxsize=4096)
def _instantiated(name: str, file: UnitFile) -> UnitFile:
    instance = name.rpartition(".")[0].partition("@")[2]

    def filled(units: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(unit.replace("%i", instance) for unit in units)

    return _complete(
        replace(
            file, name=name, wants=filled(file.wants), binds_to=filled(file.binds_to), after=filled(file.after),
            conflicts=filled(file.conflicts), before=filled(file.before),
        )
    )  # fmt: skip


def find(name: str, content_of: Callable[[str], bytes | None]) -> UnitFile | None:
    """The file of a unit, perhaps by its template; None if there is none."""
    content = content_of(name)
    if content is not None:
        file = parse(name, content)
        return _named(file) if any("%n" in condition for condition in file.conditions) else file
    template = template_of(name)
    content = content_of(template) if template else None
    return None if content is None else _instantiated(name, parse(template, content))


@functools.lru_cache(maxsize=4096)
def _named(file: UnitFile) -> UnitFile:
    return replace(file, conditions=tuple(condition.replace("%n", file.name) for condition in file.conditions))
