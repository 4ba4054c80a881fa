"""How far a switch has come, as people read it: one line of any width, or a plain line for a change. Pure.

What comes in is the object of type Progress as the daemon sends it (`cltab2systemd.varlink`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.terminal import columns, cut, duration, printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# What `Client.wait` itself says while there is no daemon.
DISCONNECTED = "disconnected"
# What `Client.apply` itself says of a group of which the daemon has not told more than that.
UNDER_WAY = "under way"
# As in `cltab2systemd.units.names`, which no client imports.
HALT_LEVEL = ":::SHUTDOWN:::"
_SECOND = 1_000_000  # µs
# Columns of what is no terminal.
_UNLIMITED = 1_000_000
_ALONE = {
    "waiting": "is being prepared",
    "loading": "systemd loads its new units",
    "settling": "all is done, and settles",
    DISCONNECTED: "the daemon has gone away; waiting for the next one",
    UNDER_WAY: "is under way",
}


def line(progress: dict[str, Any], passed: float, width: int | None = None) -> str:
    """How far a switch has come, in the longest form that fits.

    Args:
        progress: as it came.
        passed: seconds since it came.
        width: columns; the text has at most so many. None is no limit.
    """
    text = ""
    if width is None:
        return next(_forms(progress, passed, _UNLIMITED))
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


def details(progress: dict[str, Any]) -> list[str]:
    """The same at full length, each entry that is waited for in a line of its own but for the first."""
    start, told = f"{_route(progress)}: {_step(progress)}", [*map(_whole, progress["awaited"])]
    if not told:
        return [start]
    more = progress["waiting"] - len(told)
    return [f"{start}: {told[0]}", *told[1:], *([f"and {more} more"] if more > 0 else [])]


def _whole(entry: dict[str, Any]) -> str:
    return f"{_entry(entry)}{_times(entry, 0.0)}{_says(entry)}"


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
    count = f"{progress['done']}/{progress['total']} " if progress["total"] else ""
    step = f"{progress['phase']} {count}".rstrip()
    tag = cut(_name(entry["tag"]), max(4, width // 3))
    yield f"{goal}: {step}: {tag}{_times(entry, passed)}"
    yield f"{goal}: {step}: {tag}{_short_times(entry, passed)}"
    yield f"{goal}: {count}{tag}{_short_times(entry, passed)}"
    yield f"{count}{tag}{_short_times(entry, passed)}"
    yield f"{tag}{_short_times(entry, passed)}"
    yield cut(_name(entry["tag"]), width)


def _name(text: str) -> str:
    return printable(text)


def _level(level: str | None) -> str:
    return "none" if level is None else "halt" if level == HALT_LEVEL else _name(level)


def _route(progress: dict[str, Any]) -> str:
    level = _level(progress["level"])
    if progress["origin"] == progress["level"]:  # as it is repaired there, or single entries are restarted
        return f"{_name(progress['group'])} {level}"
    origin = "" if progress["origin"] is None else f"{_level(progress['origin'])} "
    return f"{_name(progress['group'])} {origin}-> {level}"


def _step(progress: dict[str, Any]) -> str:
    """What is being done, and how much of it is done."""
    phase, total = progress["phase"], progress["total"]
    if not progress["awaited"] and phase in _ALONE:
        return _ALONE[phase]
    return f"{phase}, {progress['done']} of {total} done" if total else str(phase)


def _entry(entry: dict[str, Any]) -> str:
    if _is_readiness(entry):
        return f"waiting for {_name(entry['ready_of'])} to be ready"
    return f"{_name(entry['tag'])} ({entry['mode']})"


def _is_readiness(entry: dict[str, Any]) -> bool:
    """Whether an entry that is waited for is the readiness of another, and is being asked for."""
    return bool(entry.get("ready_of")) and entry["doing"] == "starting"


def _says(entry: dict[str, Any]) -> str:
    if entry["says"] and _is_readiness(entry):
        return f": {printable(entry['says'])}"
    return f", says: {printable(entry['says'])}" if entry["says"] else ""


def _others(progress: dict[str, Any], *, named: bool = False) -> str:
    """What else is waited for."""
    if progress["waiting"] <= 1:
        return ""
    others = progress["awaited"][1:]
    if not named or progress["waiting"] > len(progress["awaited"]):
        return f", and {progress['waiting'] - 1} more"
    return f"; also {', '.join(_name(entry['tag']) for entry in others)}"


def _clock(entry: dict[str, Any], passed: float) -> tuple[int | None, int | None]:
    """For how long an entry has done what it does, and in what time its limit is; in µs."""
    if entry["elapsed_usec"] is None:
        return None, None
    elapsed = entry["elapsed_usec"] + int(passed * _SECOND)
    limit = entry["limit_usec"]
    if limit is not None and entry["doing"] == "starting" and elapsed > limit + _SECOND:
        limit = None  # the program has asked systemd for more time, and nobody tells for how much
    return elapsed, None if limit is None else max(0, limit - elapsed)


def _times(entry: dict[str, Any], passed: float) -> str:
    elapsed, left = _clock(entry, passed)
    if elapsed is None:
        return " waits for its turn"
    if entry["doing"] != "stopping":
        times = _so_far(elapsed) + ("" if left is None else f" of {duration(entry['limit_usec'])}")
        return f" ({times})" if _is_readiness(entry) else f" {times}"
    since = f" {_so_far(elapsed)}" + (f" after {entry['signal']}" if entry["signal"] else "")
    return since if left is None else f"{since}, {entry['next_signal'] or 'given up'} in {_to_come(left)}"


def _short_times(entry: dict[str, Any], passed: float) -> str:
    elapsed, left = _clock(entry, passed)
    if elapsed is None:
        return ""
    if entry["doing"] != "stopping" or left is None or not entry["next_signal"]:
        return f" {_so_far(elapsed)}"
    return f" {entry['next_signal']} {_to_come(left)}"


def _plain_times(entry: dict[str, Any], passed: float) -> str:
    elapsed, left = _clock(entry, passed)
    if elapsed is None:
        return " waits for its turn"
    if entry["doing"] != "stopping":
        return f", at most {duration(entry['limit_usec'])}" if left is not None else ""
    sent = f" has {entry['signal']}" if entry["signal"] else ""
    return sent if left is None else f"{sent}, {entry['next_signal'] or 'given up'} in {_to_come(left)}"


def _so_far(microseconds: int) -> str:
    """A time that runs, in whole seconds."""
    return duration(microseconds // _SECOND * _SECOND)


def _to_come(microseconds: int) -> str:
    """A time that runs down: 0 only when it is over."""
    return duration(-(-microseconds // _SECOND) * _SECOND)
