"""Lengths of time as systemd reads them in a unit file. Pure; the rule is systemd.time(7), TIME SPANS."""

from __future__ import annotations

import re

_PARTS = re.compile(r"([0-9]+)(?:\.([0-9]+))?\s*([A-Za-zµμ]*)\s*", re.ASCII)
_SECONDS = {
    "": 1.0, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0,
    "us": 1e-6, "usec": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "msec": 1e-3,
    "m": 60.0, "min": 60.0, "minute": 60.0, "minutes": 60.0,
    "h": 3600.0, "hr": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "d": 86_400.0, "day": 86_400.0, "days": 86_400.0,
    "w": 604_800.0, "week": 604_800.0, "weeks": 604_800.0,
    "M": 2_629_800.0, "month": 2_629_800.0, "months": 2_629_800.0,
    "y": 31_557_600.0, "year": 31_557_600.0, "years": 31_557_600.0,
}  # fmt: skip
# No limit is longer, in characters, and none is, in seconds: who writes such a one means none.
_LONGEST_TEXT = 64
_LONGEST = 31_557_600.0


def seconds(text: str, longest: float = _LONGEST) -> float | None:
    """A length of time in seconds; None if the text is none, or so long that it is no limit.

    An example: `2min 30.5s` is 150.5. A number without a unit is seconds.

    Args:
        text: as it was written.
        longest: seconds; what is longer is no limit.
    """
    text = text.strip(" \t")
    if not text or len(text) > _LONGEST_TEXT:
        return None
    total, at = 0.0, 0
    while at < len(text):
        match = _PARTS.match(text, at)
        if match is None or match[3] not in _SECONDS:
            return None
        total += float(f"{match[1]}.{match[2] or 0}") * _SECONDS[match[3]]
        at = match.end()
    return total if total <= longest else None
