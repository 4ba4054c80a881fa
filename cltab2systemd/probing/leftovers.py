"""What a try leaves running that is not in its process group any more: what it has started in a session of its own.

Imports nothing heavy; see `asking`.
"""

from __future__ import annotations

import os
from time import monotonic, sleep

from cltab2systemd.probing.contents import beginning_if_there
from cltab2systemd.probing.subject import own_group

# Seconds for what was killed to be gone, and between two looks.
_PATIENCE = 1.0
_PAUSE = 0.005
_SIGKILL = 9


class Leftovers:
    """What else comes to be in the control group of this process, which has to have one of its own: that of its unit.

    Whoever is there at first is let be: this process, and what PAM has beside it.
    """

    def __init__(self, root: str = "") -> None:
        """Look who is there. The root is where /proc and /sys are."""
        group = own_group(root)
        self._processes = f"{group}/cgroup.procs" if group else ""
        self._spared = self._there()

    def end(self) -> None:
        """Kill the others, and wait until they are gone. What cannot be killed, as another user's, is let be."""
        deadline = monotonic() + _PATIENCE
        while (others := self._there() - self._spared) and monotonic() < deadline:
            for pid in others:
                try:
                    os.kill(int(pid), _SIGKILL)
                except OSError:
                    self._spared.add(pid)
            sleep(_PAUSE)

    def _there(self) -> set[bytes]:
        return set(beginning_if_there(self._processes).split()) if self._processes else set()
