"""Commands of settings that say with their exit status how something is: readiness, health, preflight. Pure.

Before the command stand options, as `timeout=90s`. A command that begins with such an assignment needs `env` before it.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.probing import forms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OPTION = re.compile(r"([a-z]+)=(\S*)")
_WORD = re.compile(r"\S+")
_TIME = re.compile(r"([0-9]{1,9})(\.[0-9]{1,3})?(ms|s|sec|min|m|h)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "": 1}
# Nobody waits longer, and a number without an end is a slip.
_LONGEST = 86_400.0
_SHORTEST = 0.1
_MOST_FAILURES = 1000

RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Check:
    """A command, or a fixed probe, with its limits. Times are in seconds.

    Attributes:
        text: the setting's value, as the table has it.
        command: the command or the probe.
        timeout: how long all of a readiness or preflight may take, or each run of a health check.
        interval: from the end of one run to the next, of a health check.
        failures: how many runs in a row have to fail until the entry is unhealthy.
        restarts: whether an unhealthy entry is restarted.
    """

    text: str
    command: str
    timeout: float
    interval: float = 0.0
    failures: int = 3
    restarts: bool = False

    @property
    def timeout_usec(self) -> int:
        """The timeout in µs, as systemd counts."""
        return round(self.timeout * 1_000_000)

    @property
    def probe(self) -> forms.Form | None:
        """The fixed probe; None if it is a command."""
        return forms.form(self.command) if forms.is_probe(self.command) else None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a value, and where in it, from 0."""

    start: int
    width: int
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the value of a setting looks like: `defaults` are its options, by their names."""

    defaults: Mapping[str, str]
    has_interval: bool = False
    probes: bool = True


READY = Shape({"timeout": "60s"})
PREFLIGHT = Shape({"timeout": "60s"}, probes=False)
HEALTH = Shape({"timeout": "10s", "failures": "3", "action": ""}, has_interval=True)


def read(shape: Shape, text: str) -> Check | Fault:
    """What a value says, or the first thing that is wrong with it."""
    values, start = dict(shape.defaults), 0
    interval = 0.0
    for number, word in enumerate(_WORD.finditer(text)):
        start = word.start()
        if shape.has_interval and number == 0:
            if (found := _time(word[0])) is None:
                return Fault(start, len(word[0]), f"'{word[0]}' is no time", _TIME_HINT)
            interval = found
            start = word.end()
            continue
        if not (option := _OPTION.fullmatch(word[0])):
            break
        if fault := _fault_of_option(shape, start, option[1], option[2]):
            return fault
        values[option[1]] = option[2]
        start = word.end()
    command = text[start:].strip(" \t")
    if fault := _fault_of_command(shape, text, command):
        return fault
    return Check(
        text,
        command,
        _time(values["timeout"]) or 0.0,
        interval,
        int(values.get("failures", "3")),
        values.get("action") == RESTART,
    )


_TIME_HINT = f"a time is a number with a unit, as 500ms, 90s or 2min; from {_SHORTEST * 1000:.0f}ms to 24h"


def _time(text: str) -> float | None:
    """A time in seconds; None if the text is none, or out of range."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    seconds = float(match[1] + (match[2] or "")) * _SECONDS[match[3] or ""]
    return seconds if _SHORTEST <= seconds <= _LONGEST else None


def _fault_of_option(shape: Shape, start: int, name: str, value: str) -> Fault | None:
    whole = len(name) + 1 + len(value)
    if name not in shape.defaults:
        close = difflib.get_close_matches(name, shape.defaults, n=1)
        known = f"did you mean '{close[0]}='? " if close else f"the options are {', '.join(_shown(shape))}; "
        return Fault(start, whole, f"unknown option '{name}='", f"{known}a command begins behind 'env'")
    at, width = start + len(name) + 1, max(1, len(value))
    if name == "timeout" and _time(value) is None:
        return Fault(at, width, f"'{value}' is no time", _TIME_HINT)
    if name == "failures" and not (value.isascii() and value.isdigit() and 0 < int(value[:5]) <= _MOST_FAILURES):
        return Fault(at, width, f"'{value}' is no number of failures", f"it is a number from 1 to {_MOST_FAILURES}")
    if name == "action" and value != RESTART:
        return Fault(at, width, f"unknown action '{value}'", f"the action is {RESTART}; without one it is only told")
    return None


def _shown(shape: Shape) -> Iterator[str]:
    return (f"{name}=" for name in shape.defaults)


def _fault_of_command(shape: Shape, text: str, command: str) -> Fault | None:
    start = text.rindex(command) if command else max(0, len(text) - 1)
    if not command:
        return Fault(start, 1, "no command", "a command stands behind the options")
    if not forms.is_probe(command):
        return None
    if not shape.probes:
        return Fault(start, len(command), "a probe does not do here", "give a command: what runs does not tell yet")
    try:
        forms.form(command)
    except ValueError as error:
        return Fault(start, len(command), f"not a probe: {error}", f"the probes are {forms.FORMS}")
    return None
