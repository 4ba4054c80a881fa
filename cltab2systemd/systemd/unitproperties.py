"""The properties of units that systemd is asked for, one by one; see org.freedesktop.systemd1(5)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cltab2systemd.groups.progress import StopSettings
from cltab2systemd.groups.units import Process
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

UNIT = b"org.freedesktop.systemd1.Unit"
SERVICE = b"org.freedesktop.systemd1.Service"
SLICE = b"org.freedesktop.systemd1.Slice"
# A length of time that has no end.
_FOR_EVER = 2**64 - 1
# How often a process is asked about in vain, since there is another one by the last answer.
_TRIES = 2


@dataclass(frozen=True, slots=True)
class _Setting:
    """How a directive is asked for: the signature of its property, its values, and its name if that differs."""

    kind: bytes
    values: Callable[[Any], Iterable[bytes]]
    name: bytes = b""


def _bound(paths: Iterable[tuple[bytes, bytes, bool, int]]) -> Iterable[bytes]:
    return (source if source == place else source + b":" + place for source, place, is_optional, _ in paths
            if not is_optional)  # fmt: skip


def _failed(conditions: Iterable[tuple[bytes, bool, bool, bytes, int]]) -> Iterable[bytes]:
    given = [*conditions]
    # A daemon-reload forgets the results. Then it may be any.
    is_known = any(result < 0 for *_, result in given)
    return (
        name + b"=" + b"|" * is_trigger + b"!" * is_negated + value
        for name, is_trigger, is_negated, value, result in given
        if result < 0 or not is_known
    )


_TEXT = _Setting(b"s", lambda value: (value,))
_WORDS = _Setting(b"as", lambda values: values)
_PATHS = _Setting(b"as", lambda values: (value for value in values if not value.startswith(b"-")))
_PAIRS = _Setting(b"a(ss)", lambda values: (b":".join(filter(None, pair)) for pair in values))
_BOUND = _Setting(b"a(ssbt)", _bound)
_SETTINGS = {
    **dict.fromkeys(("SupplementaryGroups", "DropInPaths", "RuntimeDirectory", "StateDirectory", "CacheDirectory",
                     "LogsDirectory", "ConfigurationDirectory"), _WORDS),
    **dict.fromkeys(("ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths"), _PATHS),
    **dict.fromkeys(("BindPaths", "BindReadOnlyPaths"), _BOUND),
    **dict.fromkeys(("TemporaryFileSystem", "LoadCredential", "LoadCredentialEncrypted"), _PAIRS),
    "EnvironmentFile": _Setting(b"a(sb)", lambda files: (path for path, is_optional in files if not is_optional),
                                b"EnvironmentFiles"),
    "OpenFile": _Setting(b"a(sst)", lambda files: (path for path, _, _ in files)),
    "ExecStart": _Setting(b"a(sasbttttuii)", lambda lines: (word for line in lines for word in (line[0], *line[1]))),
    "Condition": _Setting(b"a(sbbsi)", _failed, b"Conditions"),
}  # fmt: skip
_OF_UNITS = frozenset({"DropInPaths", "Condition", "LoadState"})


class UnitProperties(ABC):
    """Asks for properties. Times are CLOCK_MONOTONIC, in µs."""

    @abstractmethod
    def _get(self, unit: str, interface: bytes, name: bytes, kind: bytes) -> Any:
        """A property of a unit, by its interface, name and signature. BusError if there is no answer."""

    def process(self, unit: str) -> Process:
        """How the last main process of a service went.

        systemd may start others faster than it answers. Then the latest is told, of which no end is known.
        """
        latest = 0
        for _ in range(_TRIES):
            pid, code, status, result, ended_at, latest = (self._get(unit, SERVICE, name, kind) for name, kind in (
                (b"ExecMainPID", b"u"), (b"ExecMainCode", b"i"), (b"ExecMainStatus", b"i"), (b"Result", b"s"),
                (b"ExecMainExitTimestampMonotonic", b"t"), (b"ExecMainPID", b"u"),
            ))  # fmt: skip
            if pid == latest:  # and all of it is about one process
                return Process(pid, code, status, result.decode(), ended_at)
        return Process(latest, 0, 0)

    def main_pid(self, unit: str) -> int:
        """The main process of a service; 0 if it has none."""
        return int(self._get(unit, SERVICE, b"MainPID", b"u"))

    def restarts(self, unit: str) -> int:
        """How often systemd has restarted a service by itself."""
        return int(self._get(unit, SERVICE, b"NRestarts", b"u"))

    def condition_time(self, unit: str) -> int:
        """When the conditions of a unit were last checked."""
        return int(self._get(unit, UNIT, b"ConditionTimestampMonotonic", b"t"))

    def condition_holds(self, unit: str) -> bool:
        """Whether the conditions of a unit held when they were last checked."""
        return bool(self._get(unit, UNIT, b"ConditionResult", b"b"))

    def active_time(self, unit: str) -> int:
        """When a unit last became active."""
        return int(self._get(unit, UNIT, b"ActiveEnterTimestampMonotonic", b"t"))

    def began_time(self, unit: str) -> int:
        """When a unit last left its rest on the way to active."""
        return int(self._get(unit, UNIT, b"InactiveExitTimestampMonotonic", b"t"))

    def inactive_time(self, unit: str) -> int:
        """When a unit last became inactive."""
        return int(self._get(unit, UNIT, b"InactiveEnterTimestampMonotonic", b"t"))

    def left_time(self, unit: str) -> int:
        """When a unit was last active no more."""
        return int(self._get(unit, UNIT, b"ActiveExitTimestampMonotonic", b"t"))

    def changed_time(self, unit: str) -> int:
        """When the state of a unit changed last."""
        return int(self._get(unit, UNIT, b"StateChangeTimestampMonotonic", b"t"))

    def invocation(self, unit: str) -> str:
        """The id of a unit's last run, in hexadecimal digits; empty if it has none."""
        return bytes(self._get(unit, UNIT, b"InvocationID", b"ay")).hex()

    def started_time(self, unit: str) -> int:
        """When the last main process of a service was started."""
        return int(self._get(unit, SERVICE, b"ExecMainStartTimestampMonotonic", b"t"))

    def settings(self, unit: str, directive: str) -> tuple[str, ...]:
        """The values of a directive; BusRefusedError if this release does not know it. See `groups.units.Probe`."""
        setting = _SETTINGS.get(directive, _TEXT)
        interface = UNIT if directive in _OF_UNITS else SERVICE
        values = setting.values(self._get(unit, interface, setting.name or directive.encode(), setting.kind))
        return tuple(decoded(value) for value in values if value)

    def limit(self, unit: str, directive: str) -> int | None:
        """What a directive allows a unit; see `groups.units.Probe`."""
        interface = SLICE if unit.endswith(".slice") else SERVICE
        name = directive.encode()
        limit = int(self._get(unit, interface, name.replace(b"Sec", b"USec"), b"t"))
        return None if limit == _FOR_EVER else limit

    def start_limit(self, unit: str) -> int | None:
        """How long the start of a service may take, in µs; None is for ever."""
        return self._limit(unit, b"TimeoutStartUSec")

    def stop_settings(self, unit: str) -> StopSettings:
        """How a service is stopped."""
        first, abort, last = (
            int(self._get(unit, SERVICE, name, b"i")) for name in (b"KillSignal", b"WatchdogSignal", b"FinalKillSignal")
        )
        is_aborted = self._get(unit, SERVICE, b"TimeoutStopFailureMode", b"s") == b"abort"
        limits = self._limit(unit, b"TimeoutStopUSec"), self._limit(unit, b"TimeoutAbortUSec")
        return StopSettings(first, abort, last, *limits, is_aborted)

    def is_enabled(self, unit: str) -> bool:
        """Whether the administrator has enabled a unit, as `systemctl is-enabled` has it."""
        return self._get(unit, UNIT, b"UnitFileState", b"s") in {b"enabled", b"enabled-runtime"}

    def status_text(self, unit: str) -> str:
        """What a service says of itself (STATUS= of sd_notify); empty if it says nothing."""
        return decoded(self._get(unit, SERVICE, b"StatusText", b"s"))

    def _limit(self, unit: str, name: bytes) -> int | None:
        limit = int(self._get(unit, SERVICE, name, b"t"))
        return None if limit == _FOR_EVER else limit
