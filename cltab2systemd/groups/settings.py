"""What of a unit's settings a reason names: the user that is missing, the path, the limit that was over. Pure.

Nothing is said that systemd does not have of the unit. Which of several paths it was, only the journal knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.groups.endings import EXEC, READINESS
from cltab2systemd.terminal import printable
from cltab2systemd.units.commands import SHELL, Plain, plain
from cltab2systemd.units.plan import HELD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.groups.units import GroupUnits, Probe, Process
    from cltab2systemd.table.model import Entry

# What may be at fault, by the status with which systemd's own child exits (`endings.NOT_EXECUTED`).
_AT_FAULT = {
    200: ("WorkingDirectory",), 208: ("StandardInput",), 209: ("StandardOutput",), 210: ("RootDirectory",),
    216: ("Group", "SupplementaryGroups"), 217: ("User",), 222: ("StandardError",), 224: ("PAMName",),
    225: ("NetworkNamespacePath",),
    226: ("RootDirectory", "ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths",
          "BindPaths", "BindReadOnlyPaths", "TemporaryFileSystem"),
    233: ("RuntimeDirectory",), 238: ("StateDirectory",), 239: ("CacheDirectory",), 240: ("LogsDirectory",),
    241: ("ConfigurationDirectory",), 243: ("LoadCredential", "LoadCredentialEncrypted"),
}  # fmt: skip
_NAMESPACE = 226
# Of these systemd has only the kind, such as `append`; the path is in the table.
_OF_TABLE = frozenset({"StandardInput", "StandardOutput", "StandardError"})
# So many values are named at most, each of so many characters.
_MOST = 4
_LONGEST = 200
# The clock of a limit starts a little before the process. µs.
_TOLERANCE = 1_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of an entry's unit. systemd is asked for one when a reason is made that names it."""

    probe: Probe
    unit: str
    group_slice: str
    entry: Entry

    def at_fault(self, status: int) -> str:
        """What may have kept systemd from executing the command, such as `User=nosuch`; empty if nothing tells.

        Args:
            status: with which its child has exited.
        """
        if status == EXEC:
            return f"the program {program}" if (program := self._program()) else ""
        values = [*self._values(*_AT_FAULT.get(status, ()))]
        return f"a path of {_listed(values)}" if status == _NAMESPACE and len(values) > 1 else _listed(values)

    def files(self) -> str:
        """The files that systemd itself reads or opens before the start, such as `EnvironmentFile=/etc/x`."""
        return _listed([*self._values("EnvironmentFile", "OpenFile")])

    def condition(self) -> str:
        """The condition that did not hold, such as `ConditionPathExists=/srv`; empty if nothing tells."""
        values = self.probe.settings(self.unit, "Condition")
        others = [_quoted(value) for value in values if not value.endswith(f"/{HELD}/{self.unit}")]
        return f"{'one of ' if len(others) > 1 else ''}{_listed(others)}"

    def drop_ins(self) -> str:
        """The unit's drop-ins."""
        return _listed([_quoted(path) for path in self.probe.settings(self.unit, "DropInPaths")])

    def tasks(self) -> str:
        """How many tasks the group may have, as words to stand behind others; empty if there is no limit."""
        most = self.probe.limit(self.group_slice, "TasksMax")
        return "" if most is None else f" (TasksMax={most} of its group)"

    def memory(self) -> str:
        """How much memory the entry or its group may have, likewise."""
        own, shared = (self.probe.limit(name, "MemoryMax") for name in (self.unit, self.group_slice))
        limits = [
            f"MemoryMax={_bytes(most)}{whose}"
            for most, whose in ((own, ""), (shared, " of its group"))
            if most is not None
        ]
        return f" ({', '.join(limits)})" if limits else ""

    def watchdog(self) -> str:
        """How long it gave no sign of life, such as `30 s (WatchdogSec=)`; empty if nothing tells."""
        return _told(self.probe.limit(self.unit, "WatchdogSec"), "WatchdogSec")

    def time_limit(self, process: Process) -> str:
        """Which limit was over when systemd stopped a process for that, as words behind `it`; empty if nothing tells.

        An example: `did not start within 1 min 30 s (TimeoutStartSec=)`.
        """
        began = process.began_at or self.probe.started_time(self.unit)
        took = process.ended_at - began
        # A program that forks becomes its main process when it says so, perhaps long after it was ready.
        last = self.probe.left_time if self.entry.notifies else self.probe.active_time
        is_start = last(self.unit) < began
        name = "TimeoutStartSec" if is_start else "RuntimeMaxSec"
        limit = self.probe.limit(self.unit, name)
        # A limit that somebody has changed since may not be the one that was over.
        if not (began and process.ended_at and limit) or took < limit - _TOLERANCE:
            return ""
        if not is_start:
            return f"ran for longer than {_told(limit, name)}"
        says = f"say {READINESS}" if self.entry.notifies else "start"
        return f"did not {'end' if self.entry.mode.is_waited_for else says} within {_told(limit, name)}"

    def _program(self) -> str:
        """What could not be executed: the program of the table, or what a drop-in has in its place."""
        arguments = self.probe.settings(self.unit, "ExecStart")
        found = plain(self.entry.command) if not self.entry.ready_of else Plain(())
        program = SHELL if found is None else found.words[0] if found.words else ""
        if program in arguments:
            return _quoted(program)
        return _quoted(arguments[0]) if arguments else ""

    def _values(self, *directives: str) -> Iterator[str]:
        """The directives that are set, as `Name=value`, as they stand in a unit."""
        for name in directives:
            for value in self.probe.settings(self.unit, name):
                yield f"{name}={_quoted(self._in_table(name, value) if name in _OF_TABLE else value)}"

    def _in_table(self, name: str, kind: str) -> str:
        """The value that the table gives a directive, if it is the one that counts; else its kind."""
        given = [directive.value for directive in self.entry.directives if directive.name == name]
        is_it = bool(given) and given[-1].startswith(f"{kind}:") and not self.probe.settings(self.unit, "DropInPaths")
        return given[-1] if is_it else kind


def settings_of(group: GroupUnits, entry: Entry) -> Settings:
    """The settings of the unit of an entry of a group."""
    return Settings(group.probe, group.name_of(entry), group.names.slice(group.group), entry)


def span(microseconds: int) -> str:
    """A length of time as it stands in a reason, such as `1 min 30 s` or `0.5 s`."""
    seconds = microseconds / 1_000_000
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def _told(limit: int | None, name: str) -> str:
    return f"{span(limit)} ({name}=)" if limit else ""


def _listed(values: list[str]) -> str:
    return ", ".join(values[:_MOST]) + (", …" if len(values) > _MOST else "")


def _quoted(value: str) -> str:
    return printable(value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…")


def _bytes(number: int) -> str:
    """Bytes as a directive has them, such as `32M`."""
    for power, letter in ((30, "G"), (20, "M"), (10, "K")):
        if number >= 1 << power and number % (1 << power) == 0:
            return f"{number >> power}{letter}"
    return str(number)
