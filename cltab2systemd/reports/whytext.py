"""`clinitctl why` as lines for a person. Pure: the value that `--json` prints in, printable lines out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cltab2systemd.reports.statustext import heading
from cltab2systemd.table.model import READY_SUFFIX
from cltab2systemd.terminal import RED, YELLOW, coloured, duration, moment, printable, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Object = dict[str, Any]

_INDENT = "  "
_WIDTH = 9  # of what stands before a fact
# What systemd calls an ending, beyond the exit status or signal that are told anyhow.
_RESULTS = {
    "timeout": "a time limit was over",
    "oom-kill": "the kernel had no memory left for it",
    "watchdog": "it did not tell its watchdog in time",
    "start-limit-hit": "it was started too often in a short time",
    "protocol": "it did not say that it is ready, as its type asks for",
    "resources": "systemd had no means to start it",
    "exec-condition": "its ExecCondition= did not hold",
}


def lines(
    explained: Object, now: int, width: int | None = None, *, way: Sequence[str] = (), colours: bool = False
) -> Iterator[str]:
    """A group, then each reason with all that is known of it.

    Args:
        explained: the value that `clinitctl why --json` prints of the group.
        now: µs since 1970.
        width: the columns of the terminal; None if there is no limit. Commands and lines of the journal are never cut.
        way: how far it has come that is on its way, and what it waits for, as printable lines.
        colours: whether reasons stand out in colours.
    """
    yield from wrapped(heading(explained, now), width)
    yield from _summary(explained, now, width, way)
    told: set[str] = set()
    for reason in explained["reasons"]:
        yield ""
        subject = f"{reason['tag']} ({reason['mode']})" if reason["tag"] else reason["unit"]
        if is_readiness := (reason["tag"] or "").endswith(READY_SUFFIX):
            subject = reason["tag"].removesuffix(READY_SUFFIX)
        colour = (RED if reason["failure"] else YELLOW) if colours else ""
        for line in wrapped(printable(f"{subject} {reason['words'] or reason['text']}"), width):
            yield coloured(line, colour)
        # What asks ends as its own program does, which says nothing to anybody.
        for name, fact in _facts({**reason, "ending": None} if is_readiness else reason, now):
            yield printable(f"{_INDENT}{name:{_WIDTH}}{fact}")
        yield from _written(reason, told, width)
        if reason["cure"]:
            yield from _fact("to do", reason["cure"], width)
        for command in reason["commands"]:
            yield printable(f"{_INDENT * 2}{command}")


def _fact(name: str, text: str, width: int | None) -> Iterator[str]:
    """A fact with its name; what does not fit into a line goes on below its beginning."""
    margin = len(_INDENT) + _WIDTH
    if width is not None and width < 2 * margin:
        yield f"{_INDENT}{name}"
        yield from wrapped(printable(f"{_INDENT * 2}{text}"), width)
        return
    first, *others = wrapped(printable(text), None if width is None else width - margin)
    yield f"{_INDENT}{name:{_WIDTH}}{first}"
    for other in others:
        yield " " * margin + other


def _summary(explained: Object, now: int, width: int | None, way: Sequence[str]) -> Iterator[str]:
    """What is to be said of a group of whose entries nothing is wrong."""
    for line in way:
        yield from wrapped(f"{_INDENT}{line}", width)
    told = {entry["unit"] for entry in (explained["progress"] or {"awaited": ()})["awaited"]}
    for entry in explained["awaited"]:
        if entry["unit"] in told:
            continue
        since = f", for {duration(now - entry['since_usec'])}" if entry["since_usec"] else ""
        words = f"{_INDENT}{entry['tag']} ({entry['mode']}) is {entry['state']}{since}"
        yield from wrapped(printable(words), width)
    if explained["reasons"]:
        return
    said = {
        "well": "all is well",
        "failed": "nobody has noted why; see 'journalctl -u clinit'",
    }.get(explained["health"])
    if said and not (way and explained["health"] == "well"):  # then that says it
        yield from wrapped(f"{_INDENT}{said}", width)


def _facts(reason: Object, now: int) -> Iterator[tuple[str, str]]:
    if ended := _ended(reason["ending"]):
        yield "ended", ended
    if reason["since_usec"]:
        yield "since", f"{moment(reason['since_usec'])}, {duration(now - reason['since_usec'])} ago"
    if by := reason["by"]:
        process = f"[{by['pid']}]" if by["pid"] else ""
        command = f": {by['command']}" if by["command"] else ""
        yield "by", f"{by['user']}{process}{command}, {moment(by['time_usec'])}"
    if reason["command"]:
        yield "command", reason["command"]
    yield "unit", reason["unit"]


def _ended(ending: Object | None) -> str:
    if ending is None:
        return ""
    how = {
        "exited": f"exit status {ending['status']}",
        "killed": f"signal {ending['signal']}",
        "dumped": f"signal {ending['signal']}, with a core dump",
    }.get(ending["kind"], "")
    said = _RESULTS.get(ending["result"], "")
    result = f"{said} (Result={ending['result']})" if said else ""
    return "; ".join(part for part in (how, result) if part)


def _written(reason: Object, told: set[str], width: int | None) -> Iterator[str]:
    """The lines of the journal, each with its time; and once, why some may be missing."""
    if reason["lines"]:
        yield f"{_INDENT}journal"
    for line in reason["lines"]:
        for text in line["text"].split("\n"):
            yield f"{_INDENT * 2}{moment(line['time_usec'])}  " + "\t".join(map(printable, text.split("\t")))
    if reason["trouble"] and reason["trouble"] not in told:
        told.add(reason["trouble"])
        yield from _fact("journal", reason["trouble"], width)
