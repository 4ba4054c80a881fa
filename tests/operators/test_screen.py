"""What of a status fits a screen, without a terminal."""

from __future__ import annotations

import os
from typing import Any, cast

import pytest

from cltab2systemd.operators import screen
from cltab2systemd.operators.askable import NoAnswerError


class Drawn:
    """A terminal that remembers what was drawn."""

    lines: tuple[str, ...] = ()

    def draw(self, lines: Any) -> None:
        self.lines = tuple(lines)


@pytest.mark.parametrize(
    ("height", "lines"),
    [
        (4, ("one", "two", "three")),
        (3, ("one", "two", "three")),
        (2, ("one", "… and more")),
        (1, ("… and more",)),
    ],
)
def test_what_fits(monkeypatch: pytest.MonkeyPatch, height: int, lines: tuple[str, ...]) -> None:
    """What fits exactly is there to its last line; only what does not fit is cut, and that is said."""

    def present(*_arguments: object) -> None:
        raise NoAnswerError("one two three")

    monkeypatch.setattr(screen, "present", present)
    monkeypatch.setattr("shutil.get_terminal_size", lambda **_fallback: os.terminal_size((10, height)))
    monkeypatch.setattr(screen, "wrapped", lambda text, _width: text.split())
    drawn = Drawn()
    screen.Screen(cast("Any", drawn), cast("Any", None), (), everything=False).hear(None)

    assert lines == drawn.lines
