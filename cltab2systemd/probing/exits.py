"""How the prober exits, so that the daemon can tell what became of it. Pure."""

from __future__ import annotations

READY = 0
TIME_IS_UP = 10  # it is not ready
HAS_ENDED = 11  # the entry, before it was ready
HAS_PAUSED = 12  # likewise: it pauses, for it has ended too often and too fast
