"""How far a switch has come, as people read it: one line of any width, or a plain line for a change. Pure.

What comes in is the object of type Progress as the daemon sends it (`cltab2systemd.varlink`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.terminal import columns, cut, printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# What `Client.wait` itself says while there is no daemon.
DISCONNECTED = "disconnected"
# As in `cltab2systemd.units.names`, which no client imports.
_HALT_LEVEL = ":::SHUTDOWN:::"
_MICROSECONDS = 1_000_000
_ALONE = {
    "waiting": "is being prepared",
    "loading": "systemd loads its new units",
    "settling": "all is started, and settles",
    DISCONNECTED: "the daemon has gone away; waiting for the next one",
}


def line(progress: dict[str, Any], passed: float, width: int) -> str:
    """How far a switch has come, in the longest form that fits.

    Args:
        progress: as it came.
        passed: seconds since it came.
        width: columns; the text has at most so many.
    """
    text = ""
    for text in _forms(progress, passed, max(1, width)):
        if columns(text) <= width:
            return text
    return cut(text, max(1, width))


def plain(progress: dict[str, Any], passed: float = 0.0) -> str:
    """The same at full length, without a clock: for a file, in which it stays."""
    text = f"{_route(progress)}: {_step(progress)}"
    if progress["awaited"]:
        text += f": {_entry(progress['awaited'][0])}{_plain_times(progress['awaited'][0], passed)}"
    return text + _others(progress)


def change(progress: dict[str, Any]) -> tuple[object, ...]:
    """What makes two of them different enough for another plain line. Times and what a service says do not."""
    awaited = ((entry["tag"], entry["doing"], entry["signal"]) for entry in progress["awaited"])
    keys = ("group", "origin", "level", "phase", "done", "total", "waiting")
    return *(progress[key] for key in keys), *awaited


def _forms(progress: dict[str, Any], passed: float, width: int) -> Iterator[str]:
    """The line, from the longest form to the shortest."""
    short = cut(_name(progress["group"]), max(4, width // 4))
    goal = f"{short} {cut(_level(progress['level']), max(4, width // 4))}"
    if not progress["awaited"]:
        yield f"{_route(progress)}: {_step(progress)}"
        yield f"{goal}: {_step(progress)}"
        yield f"{goal}: {progress['phase']}"
        yield f"{progress['phase']}"
        return
    entry = progress["awaited"][0]
    start = f"{_route(progress)}: {_step(progress)}: {_entry(entry)}{_times(entry, passed)}"
    yield f"{start}{_says(entry)}{_others(progress, named=True)}"
    yield f"{start}{_says(entry)}{_others(progress)}"
    yield f"{start}{_others(progress)}"
    briefer = f"{_route(progress)}: {_step(progress)}: {_name(entry['tag'])}{_times(entry, passed)}"
    yield f"{briefer}{_others(progress)}"
    yield briefer
    count = f"{progress['done']}/{progress['total']}"
    tag = cut(_name(entry["tag"]), max(4, width // 3))
    yield f"{goal}: {progress['phase']} {count}: {tag}{_times(entry, passed)}"
    yield f"{goal}: {progress['phase']} {count}: {tag}{_short_times(entry, passed)}"
    yield f"{goal}: {count} {tag}{_short_times(entry, passed)}"
    yield f"{count} {tag}{_short_times(entry, passed)}"
    yield f"{tag}{_short_times(entry, passed)}"
    yield cut(_name(entry["tag"]), width)


def _name(text: str) -> str:
    return printable(text)


def _level(level: str | None) -> str:
    return "none" if level is None else "halt" if level == _HALT_LEVEL else _name(level)


def _route(progress: dict[str, Any]) -> str:
    origin = "" if progress["origin"] is None else f"{_level(progress['origin'])} "
    return f"{_name(progress['group'])} {origin}-> {_level(progress['level'])}"


def _step(progress: dict[str, Any]) -> str:
    """What is being done, and how much of it is done."""
    phase, total = progress["phase"], progress["total"]
    if not progress["awaited"] and phase in _ALONE:
        return _ALONE[phase]
    return f"{phase}, {progress['done']} of {total} done" if total else str(phase)


def _entry(entry: dict[str, Any]) -> str:
    return f"{_name(entry['tag'])} ({entry['mode']})"


def _says(entry: dict[str, Any]) -> str:
    return f", says: {printable(entry['says'])}" if entry["says"] else ""


def _others(progress: dict[str, Any], *, named: bool = False) -> str:
    """What else is waited for."""
    if progress["waiting"] <= 1:
        return ""
    others = progress["awaited"][1:]
    if not named or progress["waiting"] > len(progress["awaited"]):
        return f", and {progress['waiting'] - 1} more"
    return f"; also {', '.join(_name(entry['tag']) for entry in others)}"


def _clock(entry: dict[str, Any], passed: float) -> tuple[float | None, float | None]:
    """For how many seconds an entry has done what it does, and in how many its limit is."""
    if entry["elapsed_usec"] is None:
        return None, None
    elapsed = entry["elapsed_usec"] / _MICROSECONDS + passed
    limit = entry["limit_usec"]
    return elapsed, None if limit is None else max(0.0, limit / _MICROSECONDS - elapsed)


def _times(entry: dict[str, Any], passed: float) -> str:
    elapsed, left = _clock(entry, passed)
    if elapsed is None:
        return " waits for its turn"
    if entry["doing"] != "stopping":
        return f" {duration(elapsed)}" + _of(entry)
    since = f" {duration(elapsed)}" + (f" after {entry['signal']}" if entry["signal"] else "")
    return since if left is None else f"{since}, {entry['next_signal'] or 'given up'} in {duration(left, up=True)}"


def _short_times(entry: dict[str, Any], passed: float) -> str:
    elapsed, left = _clock(entry, passed)
    if elapsed is None:
        return ""
    if entry["doing"] != "stopping" or left is None or not entry["next_signal"]:
        return f" {duration(elapsed)}"
    return f" {entry['next_signal']} {duration(left, up=True)}"


def _plain_times(entry: dict[str, Any], passed: float) -> str:
    elapsed, left = _clock(entry, passed)
    if elapsed is None:
        return " waits for its turn"
    if entry["doing"] != "stopping":
        return f", at most {duration(entry['limit_usec'] / _MICROSECONDS)}" if left is not None else ""
    sent = f" has {entry['signal']}" if entry["signal"] else ""
    return sent if left is None else f"{sent}, {entry['next_signal'] or 'given up'} in {duration(left, up=True)}"


def _of(entry: dict[str, Any]) -> str:
    limit = entry["limit_usec"]
    return "" if limit is None else f" of {duration(limit / _MICROSECONDS)}"


def duration(seconds: float, *, up: bool = False) -> str:
    """A length of time in at most two units; `up` rounds up to whole seconds, and not down."""
    whole = int(seconds) + (up and seconds > int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"
