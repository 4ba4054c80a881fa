"""How groups and their entries are, in Prometheus' text format, for node_exporter's textfile collector. Pure.

Each metric is a class of one line here: its name, its type, its HELP, and its series. What is not known has no series.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cltab2systemd.groups.overview import EntryState, Health
from cltab2systemd.groups.state import State
from cltab2systemd.groups.tally import Counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Object = dict[str, Any]
# The labels of a series, and its value as it is written.
Series = tuple[dict[str, str], str]

# A backslash that could be taken for the beginning of a byte that is written so.
_LIKE_A_BYTE = re.compile(r"\\(?=x[0-9a-f]{2})")
# Control characters, and bytes that are not UTF-8, which are lone surrogates.
_NO_TEXT = re.compile("[\x00-\x1f\x7f\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class _Metric:
    name: str
    kind: str  # gauge or counter
    help: str
    series: Callable[[Object], Iterable[Series]]


def lines(found: Object, *, version: str, now: int) -> Iterator[str]:
    """All metrics of an instance, each line UTF-8, in the same order each time.

    Args:
        found: as `clinitctl status --json` has it.
        version: of this program.
        now: when it was asked for, in µs since 1970.
    """
    known = {**found, "version": version, "now": now}
    for metric in _METRICS:
        if series := list(metric.series(known)):
            yield f"# HELP {metric.name} {metric.help}"
            yield f"# TYPE {metric.name} {metric.kind}"
            yield from (f"{metric.name}{_labels(labels)} {value}" for labels, value in series)


def label(name: str) -> str:
    r"""A name as a label's value, before it is quoted: UTF-8 on one line, another one for each name.

    Bytes that are not UTF-8, and control characters, become `\xNN`. So does a backslash before what looks like that.
    """
    return _NO_TEXT.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", _LIKE_A_BYTE.sub(r"\\x5c", name))


def _labels(labels: dict[str, str]) -> str:
    pairs = ",".join(f'{name}="{_quoted(label(value))}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _quoted(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"")


def _seconds(microseconds: int) -> str:
    return f"{microseconds // 1_000_000}.{microseconds % 1_000_000:06d}"


def _flag(value: object) -> str:
    return "1" if value else "0"


def _one(value: Callable[[Object], str | None]) -> Callable[[Object], Iterator[Series]]:
    """One series without labels."""

    def series(found: Object) -> Iterator[Series]:
        if (known := value(found)) is not None:
            yield {}, known

    return series


def _groups(value: Callable[[Object], str | None]) -> Callable[[Object], Iterator[Series]]:
    """A series for each group."""

    def series(found: Object) -> Iterator[Series]:
        for group in found["groups"]:
            if (known := value(group)) is not None:
                yield {"group": group["group"]}, known

    return series


def _entries(value: Callable[[Object, Object], str | None]) -> Callable[[Object], Iterator[Series]]:
    """A series for each entry of each group."""

    def series(found: Object) -> Iterator[Series]:
        for group in found["groups"]:
            for entry in group["entries"]:
                if (known := value(group, entry)) is not None:
                    yield {"group": group["group"], "tag": entry["tag"]}, known

    return series


def _time(key: str) -> Callable[..., str | None]:
    """A time or a length of time of the last object that is given, in seconds."""

    def value(*objects: Object) -> str | None:
        known = objects[-1][key]
        return None if known is None else _seconds(known)

    return value


def _clstat_time(found: Object) -> str | None:
    written = found["clstat"]["written_usec"]
    return None if written is None else _seconds(written)


def _build(found: Object) -> Iterator[Series]:
    yield {"version": found["version"], "daemon_version": found["daemon"]["version"] or ""}, "1"


def _states(found: Object) -> Iterator[Series]:
    for group in found["groups"]:
        for state in State:
            yield {"group": group["group"], "state": state.value}, _flag(group["state"] == state)


def _levels(found: Object) -> Iterator[Series]:
    for group in found["groups"]:
        if group["level"] is not None:
            yield {"group": group["group"], "level": group["level"]}, "1"


def _transitions(found: Object) -> Iterator[Series]:
    for group in found["groups"]:
        if group["transitions"] is not None:
            for outcome in Counted:
                yield {"group": group["group"], "outcome": outcome.value}, str(group["transitions"][outcome.value])


def _last_duration(group: Object) -> str | None:
    return None if group["transitions"] is None else _time("last_usec")(group["transitions"])


def _trial_end(group: Object) -> str | None:
    trial = group.get("trial")  # a daemon of an older version does not tell
    return None if trial is None else _seconds(trial["until_usec"])


def _has_failed(group: Object, entry: Object) -> str:
    return _flag(any(reason["failure"] and reason["tag"] == entry["tag"] for reason in group["reasons"]))


def _backs_off(_group: Object, entry: Object) -> str:
    return _flag(entry["state"] == EntryState.BACKING_OFF)


def _is_healthy(_group: Object, entry: Object) -> str | None:
    healthy = entry.get("healthy")  # a daemon of an older version does not tell
    return None if healthy is None else _flag(healthy)


_METRICS = (
    _Metric(
        "clinit_up", "gauge", "Whether the daemon has answered. If not, groups are as systemd has them.",
        _one(lambda found: _flag(found["daemon"]["state"] == "answers")),
    ),
    _Metric("clinit_build_info", "gauge", "The versions of clinitctl and of the daemon.", _build),
    _Metric("clinit_metrics_timestamp_seconds", "gauge", "When these metrics were taken.", _one(_time("now"))),
    _Metric(
        "clinit_clstat_timestamp_seconds", "gauge",
        "When the status file was written last. The daemon writes it at least every 34 s.", _one(_clstat_time),
    ),
    _Metric(
        "clinit_table_valid", "gauge", "Whether the table was accepted when it was read last.",
        _one(lambda found: _flag(not found["table"]["refusal"])),
    ),
    _Metric(
        "clinit_table_unread", "gauge", "Whether the table has changed, and has not been read since.",
        _one(lambda found: _flag(found["table"]["unread"])),
    ),
    _Metric("clinit_group_state", "gauge", "1 for the state that the group is in, 0 for all others.", _states),
    _Metric("clinit_group_level_info", "gauge", "The level of a group that is at one, or was.", _levels),
    _Metric(
        "clinit_group_state_change_timestamp_seconds", "gauge",
        "When level or state of the group changed last, if the daemon knows.", _groups(_time("since_usec")),
    ),
    _Metric(
        "clinit_group_degraded", "gauge", "Whether the group is not FAILED, and something of it is worth a look.",
        _groups(lambda group: _flag(group["health"] == Health.DEGRADED)),
    ),
    _Metric(
        "clinit_group_pending_changes", "gauge",
        "How many entries change at the group's next request, for the table has changed.",
        _groups(lambda group: str(len(group["pending"]))),
    ),
    _Metric(
        "clinit_group_trial_end_timestamp_seconds", "gauge",
        "When the group goes back from the level that is on trial, unless somebody confirms it.", _groups(_trial_end),
    ),
    _Metric(
        "clinit_group_transitions_total", "counter",
        "Requests for the group that have ended so since the daemon's start.", _transitions,
    ),
    _Metric(
        "clinit_group_last_transition_duration_seconds", "gauge",
        "How long the last request took that was neither refused nor superseded.", _groups(_last_duration),
    ),
    _Metric("clinit_entry_failed", "gauge", "Whether the group is FAILED because of the entry.", _entries(_has_failed)),
    _Metric(
        "clinit_entry_backing_off", "gauge", "Whether the entry has ended too often and too fast, and pauses.",
        _entries(_backs_off),
    ),
    _Metric(
        "clinit_entry_healthy", "gauge", "Whether the entry, if it runs and has a health check, is found to be well.",
        _entries(_is_healthy),
    ),
    _Metric(
        "clinit_entry_restarts_total", "counter",
        "How often systemd has restarted the entry since its last start by a request.",
        _entries(lambda _, entry: str(entry["restarts"])),
    ),
    _Metric(
        "clinit_entry_state_change_timestamp_seconds", "gauge", "When the state of the entry's unit changed last.",
        _entries(_time("since_usec")),
    ),
)  # fmt: skip

# What all of them are called.
NAMES = tuple(metric.name for metric in _METRICS)
