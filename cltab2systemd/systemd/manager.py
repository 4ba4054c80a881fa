"""What systemd's manager is asked to tell and to do; see org.freedesktop.systemd1(5)."""

from __future__ import annotations

import logging
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from pystemd.dbuslib import apply_signature

from cltab2systemd.groups.units import UnitStatus
from cltab2systemd.systemd.buserrors import BusRefusedError
from cltab2systemd.systemd.unitproperties import SERVICE, UnitProperties

if TYPE_CHECKING:
    from collections.abc import Iterable

log = logging.getLogger(__name__)

# What pystemd calls the end of an array, a structure or a variant.
_END = (-1, None)
# A priority of syslog(3).
_LOG_ERR = 3
# How late a timer may be, µs.
_ACCURACY = 10_000
# The globs that systemd 262 takes in a question at most; 257 takes any number.
_MOST_PATTERNS = 4096


class Manager(UnitProperties):
    """Asks the manager, and for properties of its units."""

    @abstractmethod
    def _call_with(self, method: bytes, arguments: list[tuple[int, Any]]) -> Any:
        """What a method of the manager answers. BusError if there is no answer."""

    def list_units(self, patterns: Iterable[str]) -> list[UnitStatus]:
        """The loaded units whose names match any of the globs; all, if there are none."""
        wanted = list(patterns)
        found: dict[str, UnitStatus] = {}
        for first in range(0, len(wanted) or 1, _MOST_PATTERNS):
            some = wanted[first : first + _MOST_PATTERNS]
            listed = _unit_statuses(self._call(b"ListUnitsByPatterns", b"asas", [], some))
            found.update((unit.name, unit) for unit in listed)
        return [*found.values()]

    def load_units(self, names: Iterable[str]) -> list[UnitStatus]:
        """The units of these names, loaded from disk if they are not loaded yet."""
        return _unit_statuses(self._call(b"ListUnitsByNames", b"as", list(names)))

    def start(self, unit: str) -> None:
        """Queue a start job, replacing jobs in its way."""
        self._call(b"StartUnit", b"ss", unit, "replace")

    def start_if_free(self, unit: str) -> None:
        """Queue a start job; BusRefusedError if another job is in its way, as those of a shutdown are."""
        self._call(b"StartUnit", b"ss", unit, "fail")

    def restart(self, unit: str) -> None:
        """Queue a job that stops a unit, if it runs, and starts it; it replaces jobs in its way."""
        self._call(b"RestartUnit", b"ss", unit, "replace")

    def stop(self, unit: str) -> None:
        """Queue a stop job, replacing jobs in its way."""
        self._call(b"StopUnit", b"ss", unit, "replace")

    def start_nothing(self, unit: str, slice_name: str) -> None:
        """Start a transient service in a slice. It does nothing, and leaves no trace, not even in the journal.

        Before systemd forks, it gives the kernel the attributes that it has loaded for the slice. BusRefusedError if a
        queued job of the slice or the unit is in the way.
        """
        properties: tuple[tuple[bytes, bytes, object], ...] = (
            (b"Description", b"s", f"limits of {slice_name}"),
            (b"Slice", b"s", slice_name),
            (b"DefaultDependencies", b"b", False),
            (b"CollectMode", b"s", "inactive-or-failed"),
            (b"LogLevelMax", b"i", _LOG_ERR),
            (b"ExecStart", b"a(sasb)", [("/bin/true", ("/bin/true",), True)]),
        )
        self._call_with(
            b"StartTransientUnit",
            [*apply_signature(b"ss", [unit, "fail"]), *_properties(properties), (ord("a"), b"(sa(sv))"), _END],
        )

    def start_service_later(self, timer: str, after: int, service: str, condition: str) -> None:
        """Start a transient timer that starts a service, if a file is there then, and leaves no trace behind that.

        Args:
            timer: its unit. It has a service of its own, of the same name, for a transient timer can start no other.
            after: µs from now, while the machine is awake.
            service: what is started.
            condition: the path of the file.
        """
        systemctl = "/bin/systemctl"
        start = (systemctl, "--no-block", "start", service)
        common: tuple[tuple[bytes, bytes, object], ...] = (
            (b"Description", b"s", f"start of {service} at the end of a trial"),
            (b"CollectMode", b"s", "inactive-or-failed"),
        )
        of_timer = (
            *common,
            (b"IgnoreOnIsolate", b"b", True),
            (b"TimersMonotonic", b"a(st)", [("OnActiveSec", after)]),
            (b"AccuracyUSec", b"t", _ACCURACY),
            (b"RemainAfterElapse", b"b", False),
        )
        of_service = (
            *common,
            (b"LogLevelMax", b"i", _LOG_ERR),
            (b"Conditions", b"a(sbbs)", [("ConditionPathExists", False, False, condition)]),
            (b"ExecStart", b"a(sasb)", [(systemctl, start, False)]),
        )
        self._call_with(
            b"StartTransientUnit",
            [
                *apply_signature(b"ss", [timer, "fail"]),
                *_properties(of_timer),
                (ord("a"), b"(sa(sv))"),
                (ord("r"), b"sa(sv)"),
                (ord("s"), timer.removesuffix("timer") + "service"),
                *_properties(of_service),
                _END,
                _END,
            ],
        )

    def cancel(self, job_id: int) -> None:
        """Cancel a queued job. It is no error if it is gone already."""
        try:
            self._call(b"CancelJob", b"u", job_id)
        except BusRefusedError as error:
            log.debug("job %d: %s", job_id, error)

    def reset_failed(self, unit: str) -> None:
        """Forget that a unit failed."""
        self._call(b"ResetFailedUnit", b"s", unit)

    def outlived_stop(self, unit: str) -> bool:
        """Whether a service has failed because its stop could not end all processes in time, and some are left.

        systemd says `resources` if it was to be started again since then, and could not be, because of them.
        """
        try:
            return self._get(unit, SERVICE, b"Result", b"s") in {b"timeout", b"resources"} and bool(
                self._call(b"GetUnitProcesses", b"s", unit)
            )
        except BusRefusedError:  # not loaded any more
            return False

    def _call(self, method: bytes, signature: bytes, *arguments: object) -> Any:
        return self._call_with(method, apply_signature(signature, list(arguments)))


def _unit_statuses(rows: list[tuple[Any, ...]]) -> list[UnitStatus]:
    return [
        UnitStatus(name.decode(), load.decode(), active.decode(), sub.decode(), job_id, job.decode())
        for name, _, load, active, sub, _, _, job_id, job, _ in rows
    ]


def _properties(properties: Iterable[tuple[bytes, bytes, object]]) -> list[tuple[int, Any]]:
    """An array of names, signatures and values as a message's argument, each value in a variant."""
    parts: list[tuple[int, Any]] = [(ord("a"), b"(sv)")]
    for name, signature, value in properties:
        parts += [(ord("r"), b"sv"), (ord("s"), name), (ord("v"), signature)]
        parts += [*apply_signature(signature, [value]), _END, _END]
    return [*parts, _END]
