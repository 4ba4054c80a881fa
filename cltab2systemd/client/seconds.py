"""A length of time on the command line: of a trial, or of waiting."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from cltab2systemd.table import timespans

if TYPE_CHECKING:
    from typing import Any

# Less is over before anything has begun, and more is no number that anybody means.
_SHORTEST, _LONGEST = 0.001, 1_000_000_000
_DECIMAL = re.compile(r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)


class Seconds(click.ParamType):
    """Seconds as a decimal number, or what systemd.time(7) takes for a time span; the value is in seconds."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a text; click.BadParameter if it is no time, or out of range."""
        length = _number(value)
        if length is None:
            length = timespans.seconds(value, _LONGEST)
        if length is None or not _SHORTEST <= length <= _LONGEST:
            self.fail(
                f"{value!r} is no time from {_SHORTEST} to {_LONGEST} seconds; write seconds, as 120 or 0.5, or with "
                f"a unit, as 10m or '1h 30min'",
                param,
                ctx,
            )
        return length


def _number(text: str) -> float | None:
    return float(text) if _DECIMAL.fullmatch(text) else None
