"""What one watcher sees of a group on its way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from cltab2systemd.core import watch
from cltab2systemd.core.watch import Watch
from cltab2systemd.groups.progress import Progress, ProgressPhase, Way

START = Way("1", "3", ProgressPhase.STARTING)
SETTLE = Way("1", "3", ProgressPhase.SETTLING)


@pytest.mark.parametrize(
    ("seen", "done"),
    [
        ([Progress("web", START, 3, 8, 1), Progress("web", START, 4, 8, 1)], [3, 4]),
        ([Progress("web", START, 4, 8, 1), Progress("web", START, 3, 8, 2)], [4, 4]),
        ([Progress("web", START, 8, 8, 0), Progress("web", START, 7, 8, 1)], [8, 7]),  # it is waited for
        ([Progress("web", START, 4, 8, 1), Progress("web", SETTLE, 3, 8, 0)], [4, 3]),
        ([Progress("web", START, 4, 8, 1), Progress("web", START, 3, 7, 1)], [4, 3]),
    ],
)
def test_it_does_not_count_back(monkeypatch: pytest.MonkeyPatch, seen: list[Progress], done: list[int]) -> None:
    """An entry that has ended, and is started again, has had its turn."""
    coming = iter(seen)
    monkeypatch.setattr(watch, "progress", lambda *_: next(coming))
    group = SimpleNamespace(units=object(), way=START, leaving=frozenset())
    watching = Watch(cast("Any", {"web": group}), cast("Any", None))

    found = [watching.progress("web") for _ in seen]
    assert done == [on.done for on in found if on is not None]
