"""Whether a terminal gets colours."""

from __future__ import annotations

import os
import sys


def has_colours() -> bool:
    """Whether the standard output is a terminal whose user wants colours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
